"""Derived signals of one subject (docs/domain/signals.md): computed at whole seconds, published ones at their points.

Statistics over minutes come from the final windows as they are printed (mean and stddev of 10 s and 1 min windows, each
window counting the same), so that whoever has `slo.windows` can follow them; nothing here costs more than a few
additions a second. Times are subject time in ms.
"""

from __future__ import annotations

from math import isnan, nan, sqrt
from struct import Struct
from typing import Any, Final

from mypy_extensions import mypyc_attr

from processors.facts import Facts
from processors.history import History, load_history
from processors.instant import NEVER
from processors.signal_spec import LONG_S, SHORT_S, SignalsSpec
from schemas.outputs import WindowStats

_MEANS = Struct("4d")
_MEANS_SIZE: Final = 32
"""The means of the four vitals at one second, packed: an array's items would be set one by one."""

CLARITY: Final = 0
CHAOS: Final = 1
TRUST: Final = 2
PAIN: Final = 3


@mypyc_attr(acyclic=True)
class Signals:
    """The signals of one subject. `due` is when a published value ends (ms); `restless`: silence alone changes some signal."""

    __slots__ = (
        "_chaos",
        "_chaos_average",
        "_clarity",
        "_computed",
        "_drift_average",
        "_long",
        "_pain",
        "_published",
        "_recent",
        "_rhythm",
        "_second",
        "_short",
        "_stagnant_since",
        "_trust",
        "due",
        "restless",
        "spec",
    )

    def __init__(self, spec: SignalsSpec) -> None:
        self.spec = spec
        self.due = NEVER
        self.restless = False
        self._published: dict[int, tuple[int, float]] = {}
        self._computed = [nan] * len(spec.names)  # unknown: NaN
        self._short: list[History] = []
        self._long: list[History] = []
        # means of the judged windows now, and of the last `lag` seconds by second modulo lag + 1; unknown: NaN
        self._clarity = self._chaos = self._trust = self._pain = nan
        self._recent: bytearray | None = None
        self._second = 0
        self._rhythm = self._chaos_average = self._drift_average = nan
        self._stagnant_since = -1

    # --- what is published ---

    def publish(self, place: int, value: float, ts: int, facts: Facts) -> None:
        """Takes a published value: of equal or greater `ts` than the last one, it counts."""
        last = self._published.get(place)
        if last is not None and ts < last[0]:
            return
        self._published[place] = (ts, value)
        self.due = min(self.due, ts + self.spec.ttl)
        facts.set_signal(place, _yes_no(value) if self.spec.yes_no[place] else value)

    def expire(self, now: int, facts: Facts) -> None:
        """Ends published values whose time is over."""
        if now < self.due:
            return
        self.due = NEVER
        for place, (ts, _) in list(self._published.items()):
            if now >= ts + self.spec.ttl:
                del self._published[place]
                computed = self._computed[place]
                facts.set_signal(place, computed)
            else:
                self.due = min(self.due, ts + self.spec.ttl)

    # --- what is computed ---

    def window(self, vital: int, stats: WindowStats) -> None:
        """Takes a final window of one of the four vitals, of 10 s or 1 min."""
        if not self._short:
            self._short = [History(self.spec.kept, SHORT_S) for _ in range(4)]
            self._long = [History(self.spec.long, LONG_S) for _ in range(4)]
        if stats.size_ms == SHORT_S * 1000:
            self._short[vital].push((stats.start + stats.size_ms) // 1000, stats.mean, stats.stddev)
        elif stats.size_ms == LONG_S * 1000:
            self._long[vital].push((stats.start + stats.size_ms) // 1000, stats.mean, stats.stddev)

    def second(self, second: int, closed: int, facts: Facts) -> None:
        """What changes at a whole second: `closed` is the second up to which windows are final."""
        vitals = self.spec.vitals
        self._clarity = facts.mean(vitals[CLARITY].place)
        self._chaos = facts.mean(vitals[CHAOS].place)
        self._trust = facts.mean(vitals[TRUST].place)
        self._pain = facts.mean(vitals[PAIN].place)
        self._remember(second)
        self._rhythm_second(facts)
        if self._short:
            if closed % SHORT_S == 0:
                self._windows_closed(closed, facts)
            if closed % LONG_S == 0:
                self._set_yes_no("rigidity", self._rigidity(closed), facts)
        self._stagnation_lasts(second * 1000, facts)
        self._put(self.spec.potential, self._creative_potential(), facts)
        self.restless = self._is_restless()

    def figures(self, facts: Facts) -> None:
        """Brings the signals up to date that are told, but that no second needs."""
        means = (self._clarity, self._chaos, self._trust, self._pain)
        vitals = self.spec.vitals
        volatility = self.volatility()
        self._set("volatility", volatility, facts)
        beat = self.spec.parameters.heartbeat
        rate = None if volatility is None else min(max(beat.rest + beat.per_volatility * volatility, beat.least), beat.greatest)
        self._set("heartbeat", rate, facts)
        coherence = vitality = 0.0
        for x, vital in zip(means, vitals, strict=True):
            coherence += min(1.0, abs(x - vital.target) / vital.half)
            vitality += 1 - min(1.0, max(vital.low - x, x - vital.high, 0.0) / vital.half)
            if isnan(x):
                coherence = vitality = nan
        self._set("coherence", 1 - coherence / 4, facts)
        self._set("vitality", vitality / 4, facts)
        drift = facts.at(self.spec.drift)
        self._set("alive_index", None if drift is None else (self._clarity + self._trust) / 2 - drift, facts)

    def volatility(self) -> float | None:
        """√ of the mean, over the four vitals, of (30 s mean now − 30 s mean a lag ago)²; None: one is unknown."""
        recent = self._recent
        if recent is None:
            return None
        # the oldest of lag + 1 seconds stands where the next one will
        means = _MEANS.unpack_from(recent, (self._second + 1) % (self.spec.lag + 1) * _MEANS_SIZE)
        clarity: float = self._clarity - means[CLARITY]
        chaos: float = self._chaos - means[CHAOS]
        trust: float = self._trust - means[TRUST]
        pain: float = self._pain - means[PAIN]
        total = clarity * clarity + chaos * chaos + trust * trust + pain * pain
        return None if isnan(total) else sqrt(total / 4)

    def _remember(self, second: int) -> None:
        size = self.spec.lag + 1
        recent = self._recent
        if recent is None:
            if isnan(self._clarity + self._chaos + self._trust + self._pain):
                return
            recent = self._recent = bytearray(_MEANS.pack(nan, nan, nan, nan) * size)
        elif second - self._second > 1:
            for at in range(self._second + 1, min(second, self._second + size + 1)):
                _MEANS.pack_into(recent, at % size * _MEANS_SIZE, nan, nan, nan, nan)
        self._second = second
        _MEANS.pack_into(recent, second % size * _MEANS_SIZE, self._clarity, self._chaos, self._trust, self._pain)

    def _rhythm_second(self, facts: Facts) -> None:
        clarity, chaos, trust, pain = self._clarity, self._chaos, self._trust, self._pain
        weights = self.spec.weights
        if isnan(clarity + chaos + trust + pain):
            self._put(self.spec.rhythm, nan, facts)
            return
        drift = facts.number(self.spec.drift)
        interruptions = facts.number(self.spec.interruptions)
        if isnan(self._chaos_average):
            self._chaos_average, self._drift_average = chaos, drift
        penalty = min(
            weights.penalty_limit,
            weights.chaos_rise * max(0.0, chaos - self._chaos_average)
            + weights.drift_rise * max(0.0, drift - self._drift_average)
            + weights.interruptions * interruptions,
        )
        raw = (
            weights.trust * trust
            + weights.clarity * clarity
            + weights.calm * (1 - pain)
            + weights.steadiness * (1 - drift)
            + weights.order * (1 - chaos)
            - penalty
        )
        previous = raw if isnan(self._rhythm) else self._rhythm
        self._rhythm = weights.memory * previous + (1 - weights.memory) * raw
        self._chaos_average = weights.beta * chaos + (1 - weights.beta) * self._chaos_average
        self._drift_average = weights.beta * drift + (1 - weights.beta) * self._drift_average
        self._put(self.spec.rhythm, 100 * self._rhythm, facts)

    def _windows_closed(self, closed: int, facts: Facts) -> None:
        for history in self._short:
            history.reach(closed)
        self._set_yes_no("stagnation", self._stagnation(), facts)
        self._set("pain_trend", self._short[PAIN].slope(self.spec.trend), facts)
        self._set("trust_trend", self._short[TRUST].slope(self.spec.trend), facts)

    def _stagnation(self) -> bool | None:
        rule = self.spec.parameters.stagnation
        clarity, chaos = self._short[CLARITY], self._short[CHAOS]
        number = self.spec.short
        unknown = False
        for back in range(number):
            bright, calm = clarity.mean(back), chaos.mean(back)
            if bright <= rule.clarity_above or calm >= rule.chaos_below:
                return False
            unknown = unknown or isnan(bright) or isnan(calm)
        if unknown:
            return None
        return clarity.spread(number) <= rule.stddev and chaos.spread(number) <= rule.stddev

    def _rigidity(self, closed: int) -> bool | None:
        rule = self.spec.parameters.rigidity
        number = self.spec.long
        for history in self._long:
            history.reach(closed)
        for back in range(number):
            if self._long[CLARITY].mean(back) <= rule.clarity_above:
                return False
        unknown = False
        for history in self._long:
            spread = history.spread(number)
            if spread > rule.stddev:
                return False
            unknown = unknown or isnan(spread)
        return None if unknown else True

    def _is_restless(self) -> bool:
        computed = self._computed
        spec = self.spec
        return not (isnan(computed[spec.rigidity]) and isnan(computed[spec.stagnation]) and isnan(computed[spec.trust_trend]))

    def _stagnation_lasts(self, now: int, facts: Facts) -> None:
        place = self.spec.stagnation
        if facts.known[place] and facts.values[place]:
            if self._stagnant_since < 0:
                self._stagnant_since = now
            self._put(self.spec.duration, float(now - self._stagnant_since), facts)
        else:
            self._stagnant_since = -1
            self._put(self.spec.duration, 0.0 if facts.known[place] else nan, facts)

    def _creative_potential(self) -> float:
        chaos, trust = self._chaos, self._trust
        vital = self.spec.vitals[CHAOS]
        if chaos < vital.low:
            share = max(0.0, (chaos - vital.critical_low) / (vital.low - vital.critical_low))
        elif chaos > vital.high:
            share = max(0.0, (vital.critical_high - chaos) / (vital.critical_high - vital.high))
        else:
            share = 1.0 if not isnan(chaos) else nan
        return trust * share

    def set_computed(self, name: str, value: float | None, facts: Facts) -> None:
        """Sets a signal that another machine computes (the voices'); a published value wins."""
        self._set(name, value, facts)

    def _set_yes_no(self, name: str, value: bool | None, facts: Facts) -> None:
        self._set(name, None if value is None else 1.0 if value else 0.0, facts)

    def _set(self, name: str, value: float | None, facts: Facts) -> None:
        self._put(self.spec.places[name], nan if value is None else value, facts)

    def _put(self, place: int, value: float, facts: Facts) -> None:
        """Sets a computed signal; NaN: unknown."""
        old = self._computed[place]
        if old == value or (isnan(old) and isnan(value)):
            return
        self._computed[place] = value
        if not self._published or place not in self._published:
            facts.set_signal(place, value)

    # --- state ---

    def dump(self) -> list[Any]:
        """The state as plain lists."""
        names = self.spec.names
        return [
            {names[place]: list(published) for place, published in self._published.items()},
            {names[place]: value for place, value in enumerate(self._computed) if not isnan(value)},
            [[history.end, history.means.tobytes(), history.spreads.tobytes()] for history in (*self._short, *self._long)],
            None if self._recent is None else bytes(self._recent),
            [self._clarity, self._chaos, self._trust, self._pain],
            self._second,
            [self._rhythm, self._chaos_average, self._drift_average],
            self._stagnant_since,
        ]

    def load(self, state: list[Any], facts: Facts) -> None:
        """Takes up a dumped state, of this or another configuration, and tells `facts`."""
        published, computed, histories, recent, means, self._second, rhythm, self._stagnant_since = state
        spec = self.spec
        self._clarity, self._chaos, self._trust, self._pain = means
        self._rhythm, self._chaos_average, self._drift_average = rhythm
        for name, value in computed.items():
            if name in spec.places:
                self._computed[spec.places[name]] = value
                facts.set_signal(spec.places[name], value)
        for name, (ts, value) in published.items():
            if name in spec.publishable:
                self.publish(spec.publishable[name], value, ts, facts)
        if histories:
            self._short = [load_history(item, spec.kept, SHORT_S) for item in histories[:4]]
            self._long = [load_history(item, spec.long, LONG_S) for item in histories[4:]]
        if recent is not None and len(recent) == _MEANS_SIZE * (spec.lag + 1):
            self._recent = bytearray(recent)
        self.restless = self._is_restless()


def _yes_no(value: float) -> float:
    return 1.0 if value >= 0.5 else 0.0
