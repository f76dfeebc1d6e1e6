"""Derived signals of one subject (docs/domain/signals.md): computed at whole seconds, published ones at their points.

Statistics over minutes come from the final windows as they are printed (mean and stddev of 10 s and 1 min windows, each
window counting the same), so that whoever has `slo.windows` can follow them; nothing here costs more than a few
additions a second. Times are subject time in ms.
"""

from __future__ import annotations

from array import array
from math import isnan, nan, sqrt
from typing import Any, Final

from librt.vecs import vec
from mypy_extensions import mypyc_attr

from processors.facts import Facts
from processors.history import VITALS, History
from processors.instant import NEVER
from processors.signal_spec import LONG_S, SHORT_S, SignalsSpec
from schemas.outputs import WindowStats

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
        "_drift",
        "_drift_average",
        "_hidden",
        "_long",
        "_pain",
        "_published",
        "_recent",
        "_rhythm",
        "_second",
        "_short",
        "_stagnant_since",
        "_trust",
        "_volatility",
        "due",
        "restless",
        "spec",
    )

    def __init__(self, spec: SignalsSpec) -> None:
        self.spec = spec
        self.due = NEVER
        self.restless = False
        self._published: dict[int, tuple[int, float]] = {}
        self._hidden: dict[int, float] = {}  # what is computed in place of a published value, which wins
        self._short: History | None = None
        self._long: History | None = None
        # means of the judged windows now, and of the last `lag` seconds by second modulo lag + 1; unknown: NaN
        self._clarity = self._chaos = self._trust = self._pain = nan
        # what was published of these, as it counted at the last whole second; NaN: nothing
        self._drift = self._volatility = nan
        self._recent = vec[float]()
        self._second = 0
        self._rhythm = self._chaos_average = self._drift_average = nan
        self._stagnant_since = -1

    # --- what is published ---

    def publish(self, place: int, value: float, ts: int, facts: Facts) -> None:
        """Takes a published value: of equal or greater `ts` than the last one, it counts."""
        last = self._published.get(place)
        if last is not None and ts < last[0]:
            return
        if last is None:
            self._hidden[place] = facts.values[place]
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
                facts.set_signal(place, self._hidden.pop(place))
            else:
                self.due = min(self.due, ts + self.spec.ttl)

    # --- what is computed ---

    def window(self, vital: int, stats: WindowStats) -> None:
        """Takes a final window of one of the four vitals, of 10 s or 1 min."""
        if self._short is None or self._long is None:
            self._short = History(self.spec.kept, SHORT_S)
            self._long = History(self.spec.long, LONG_S)
        if stats.size_ms == SHORT_S * 1000:
            self._short.push(vital, (stats.start + stats.size_ms) // 1000, stats.mean, stats.stddev)
        elif stats.size_ms == LONG_S * 1000:
            self._long.push(vital, (stats.start + stats.size_ms) // 1000, stats.mean, stats.stddev)

    def second(self, second: int, closed: int, facts: Facts) -> None:
        """What changes at a whole second: `closed` is the second up to which windows are final."""
        vitals = self.spec.vitals
        self._clarity = facts.mean(vitals[CLARITY].place)
        self._chaos = facts.mean(vitals[CHAOS].place)
        self._trust = facts.mean(vitals[TRUST].place)
        self._pain = facts.mean(vitals[PAIN].place)
        self._drift = facts.values[self.spec.drift]
        self._volatility = facts.values[self.spec.volatility] if self.spec.volatility in self._published else nan
        self._remember(second)
        self._rhythm_second(facts)
        if closed % SHORT_S == 0 and self._short is not None and self._long is not None:
            self._short.reach(closed)
            self._windows_closed(self._short, facts)
            if closed % LONG_S == 0:
                self._long.reach(closed)
                self._set_yes_no("rigidity", self._rigidity(self._long), facts)
            self.restless = self._is_restless(facts)
        self._stagnation_lasts(second * 1000, facts)
        self._put(self.spec.potential, self._creative_potential(), facts)

    def figures(self, facts: Facts) -> None:
        """Brings the signals up to date that are told, but that no second needs: to the last whole second."""
        means = (self._clarity, self._chaos, self._trust, self._pain)
        vitals = self.spec.vitals
        volatility = self.volatility()
        self._set("volatility", volatility, facts)
        if not isnan(self._volatility):
            volatility = self._volatility
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
        self._set("alive_index", (self._clarity + self._trust) / 2 - self._drift, facts)

    def volatility(self) -> float | None:
        """√ of the mean, over the four vitals, of (30 s mean now − 30 s mean a lag ago)²; None: one is unknown."""
        recent = self._recent
        if not len(recent):
            return None
        # the oldest of lag + 1 seconds stands where the next one will
        at = (self._second + 1) % (self.spec.lag + 1) * VITALS
        clarity = self._clarity - recent[at + CLARITY]
        chaos = self._chaos - recent[at + CHAOS]
        trust = self._trust - recent[at + TRUST]
        pain = self._pain - recent[at + PAIN]
        total = clarity * clarity + chaos * chaos + trust * trust + pain * pain
        return None if isnan(total) else sqrt(total / 4)

    def _remember(self, second: int) -> None:
        size = self.spec.lag + 1
        if not len(self._recent):
            if isnan(self._clarity + self._chaos + self._trust + self._pain):
                return
            self._recent = vec[float]([nan] * (size * VITALS))
        elif second - self._second > 1:
            for skipped in range(self._second + 1, min(second, self._second + size + 1)):
                self._set_recent(skipped % size, nan, nan, nan, nan)
        self._second = second
        self._set_recent(second % size, self._clarity, self._chaos, self._trust, self._pain)

    def _set_recent(self, place: int, clarity: float, chaos: float, trust: float, pain: float) -> None:
        recent = self._recent
        at = place * VITALS
        recent[at + CLARITY] = clarity
        recent[at + CHAOS] = chaos
        recent[at + TRUST] = trust
        recent[at + PAIN] = pain

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

    def _windows_closed(self, history: History, facts: Facts) -> None:
        self._set_yes_no("stagnation", self._stagnation(history), facts)
        self._set("pain_trend", history.slope(PAIN, self.spec.trend), facts)
        self._set("trust_trend", history.slope(TRUST, self.spec.trend), facts)

    def _stagnation(self, history: History) -> bool | None:
        rule = self.spec.parameters.stagnation
        number = self.spec.short
        unknown = False
        for back in range(number):
            bright, calm = history.mean(CLARITY, back), history.mean(CHAOS, back)
            if bright <= rule.clarity_above or calm >= rule.chaos_below:
                return False
            unknown = unknown or isnan(bright) or isnan(calm)
        if history.spread(CLARITY, number) > rule.stddev or history.spread(CHAOS, number) > rule.stddev:
            return False
        return None if unknown else True

    def _rigidity(self, history: History) -> bool | None:
        rule = self.spec.parameters.rigidity
        number = self.spec.long
        for back in range(number):
            if history.mean(CLARITY, back) <= rule.clarity_above:
                return False
        unknown = False
        for vital in range(VITALS):
            spread = history.spread(vital, number)
            if spread > rule.stddev:
                return False
            unknown = unknown or isnan(spread)
        return None if unknown else True

    def _is_restless(self, facts: Facts) -> bool:
        spec = self.spec
        return any(not isnan(self._computed(place, facts)) for place in (spec.rigidity, spec.stagnation, spec.trust_trend))

    def _computed(self, place: int, facts: Facts) -> float:
        """The computed value of a signal, published or not; NaN: unknown."""
        return self._hidden[place] if place in self._published else facts.values[place]

    def _stagnation_lasts(self, now: int, facts: Facts) -> None:
        stagnation = facts.values[self.spec.stagnation]
        if stagnation > 0:
            if self._stagnant_since < 0:
                self._stagnant_since = now
            self._put(self.spec.duration, float(now - self._stagnant_since), facts)
        else:
            self._stagnant_since = -1
            self._put(self.spec.duration, nan if isnan(stagnation) else 0.0, facts)

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
        if self._published and place in self._published:
            self._hidden[place] = value
        else:
            facts.set_signal(place, value)

    # --- state ---

    def dump(self, facts: Facts) -> list[Any]:
        """The state as plain lists."""
        names = self.spec.names
        computed = [(place, self._computed(place, facts)) for place in self.spec.places.values()]
        return [
            {names[place]: list(published) for place, published in self._published.items()},
            {names[place]: value for place, value in computed if not isnan(value)},
            None if self._short is None else self._short.dump(),
            None if self._long is None else self._long.dump(),
            bytes(memoryview(self._recent)),
            [self._clarity, self._chaos, self._trust, self._pain, self._drift, self._volatility],
            self._second,
            [self._rhythm, self._chaos_average, self._drift_average],
            self._stagnant_since,
        ]

    def load(self, state: list[Any], facts: Facts) -> None:
        """Takes up a dumped state, of this or another configuration, and tells `facts`."""
        published, computed, short, long, recent, means, self._second, rhythm, self._stagnant_since = state
        spec = self.spec
        self._clarity, self._chaos, self._trust, self._pain, self._drift, self._volatility = means
        self._rhythm, self._chaos_average, self._drift_average = rhythm
        for name, value in computed.items():
            if name in spec.places:
                facts.set_signal(spec.places[name], value)
        for name, (ts, value) in published.items():
            if name in spec.publishable:
                self.publish(spec.publishable[name], value, ts, facts)
        if short is not None:
            self._short = History(spec.kept, SHORT_S)
            self._short.load(short)
            self._long = History(spec.long, LONG_S)
            self._long.load(long)
        means_kept = vec[float](array("d", recent))
        if len(means_kept) == VITALS * (spec.lag + 1):
            self._recent = means_kept
        self.restless = self._is_restless(facts)


def _yes_no(value: float) -> float:
    return 1.0 if value >= 0.5 else 0.0
