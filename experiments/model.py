"""The simulated subject: a small dynamical model of four vitals (docs/experiments.md has the formulas).

Each vital has a base level and a displacement. The base is drawn to where something pulls it, else to rest, with a time
constant; trust and pain follow clarity and chaos while those are in range (harmony). Actions displace: by the effects of
the gate's own one-step model, after a delay, saturating, and slowly forgotten; an injection as far as it reaches, recovery
and support no further than to rest. What is published is base + displacement + point noise. Everything follows from
scenario, seed and what is performed: no clock, no shared randomness.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

from experiments.driver import Timed
from experiments.scenario import Fault, Published, Pull, Scenario, SubjectModel
from experiments.simulator import mirrored
from processors.ethics import change
from schemas.config import Config
from schemas.living import Action
from schemas.points import DEFAULT_TENANT, Point

LATE_MS = 20_000
"""A late sensor is so far behind."""
IMPOSSIBLE = 1.7
"""What a sensor that reads impossible values says."""
_EDGE = 0.005
"""Levels stay so far inside 0 and 1, values are mirrored there."""


class _Moving:
    """One pull as this seed has it; `since` and `until` in s of the run (None: not begun, no end)."""

    __slots__ = ("keep", "pull", "since", "to", "until")

    def __init__(self, pull: Pull, rng: random.Random, level: float, tau: float) -> None:
        self.pull = pull
        self.to = {vital: to + rng.uniform(-level, level) for vital, to in pull.to.items()}
        self.keep = _keep(pull.tau * (1 + rng.uniform(-tau, tau)))
        self.since = None if pull.start is None else pull.start / 1000
        self.until = None if pull.end is None else pull.end / 1000

    def acts(self, at: int) -> bool:
        """Whether it pulls at second `at`; a wave only in the first half of its period."""
        if self.since is None or not self.since <= at or (self.until is not None and at >= self.until):
            return False
        return self.pull.wave is None or (at - self.since) * 1000 % self.pull.wave < self.pull.wave / 2


class _Publishing:
    """A published signal, likewise."""

    __slots__ = ("published", "since", "until")

    def __init__(self, published: Published) -> None:
        self.published = published
        self.since = None if published.start is None else published.start / 1000
        self.until = None if published.end is None else published.end / 1000


class _Performing:
    """An action that is being performed: since which second, how far its effect is reached (0–1)."""

    __slots__ = ("action", "reached", "since", "strength")

    def __init__(self, action: Action, strength: int, since: int) -> None:
        self.action = action
        self.strength = strength
        self.since = since
        self.reached = 0.0


class SimulatedSubject:
    """One subject of a scenario.

    Args:
        scenario, model, config: what happens, the parameters, and the configuration that tells ranges and effects.
        seed: of noise and of the variation between seeds. start: epoch s of the run's beginning.
        name, tenant: as in its points.
    """

    def __init__(
        self,
        scenario: Scenario,
        model: SubjectModel,
        config: Config,
        *,
        seed: int,
        start: int,
        name: str = "subject",
        tenant: str = DEFAULT_TENANT,
    ) -> None:
        if config.living is None:
            raise ValueError("a simulated subject needs a configuration with actions")
        rng = random.Random(f"{seed}/{name}")
        varied = model.variation
        self.name = name
        self.tenant = tenant
        self.start = start
        self.levels = {vital: level + rng.uniform(-varied.level, varied.level) for vital, level in scenario.start.items()}
        """The true levels, without noise."""
        self._base = dict(self.levels)
        self._moved = dict.fromkeys(self.levels, 0.0)  # by injections
        self._helped = dict.fromkeys(self.levels, 0.0)  # by recovery and support
        self._model = model
        self._metrics = config.metrics
        self._actions = config.living.actions.actions
        self._pulls = {name_: _Moving(pull, rng, varied.level, varied.tau) for name_, pull in scenario.pulls.items()}
        self._publishing = {name_: _Publishing(published) for name_, published in scenario.published.items()}
        self._faults = scenario.faults
        self._performing: list[_Performing] = []
        self._stuck: dict[str, float] = {}
        self._rest_keep = _keep(model.rest_tau * (1 + rng.uniform(-varied.tau, varied.tau)))
        self._forget = _keep(model.response.forgetting)
        self._back = dict.fromkeys(self.levels, self._rest_keep)
        self._draws = {vital: (draw.to, _keep(draw.tau)) for vital, draw in model.harmony.draws.items()}
        # one vital after the other within the second
        gap = 1000 // (len(self.levels) + 1)
        self._vitals = [
            (vital, random.Random(f"{seed}/{name}/{vital}").gauss, model.noise[vital], (n + 1) * gap) for n, vital in enumerate(self.levels)
        ]

    # --- what is done to it ---

    def perform(self, action: str, strength: int, second: int) -> None:
        """Takes an action up at the virtual second (epoch s); it works from then on."""
        self._performing.append(_Performing(self._actions[action], strength, second - self.start))

    def begin(self, thing: str, second: int) -> None:
        """Begins the pull and the published signal of this name, whichever there are."""
        for moving in self._named(thing):
            moving.since, moving.until = second - self.start, None

    def end(self, thing: str, second: int) -> None:
        """Ends them."""
        for moving in self._named(thing):
            moving.until = second - self.start

    def _named(self, thing: str) -> list[_Moving | _Publishing]:
        return [found for found in (self._pulls.get(thing), self._publishing.get(thing)) if found is not None]

    # --- what it does ---

    def second(self, second: int) -> Iterator[Timed]:
        """The points of the virtual second (epoch s) that ends at `second`; to be asked for in ascending order."""
        at = second - self.start
        self._step(at)
        first = (second - 1) * 1000
        for publishing in self._publishing.values():
            published = publishing.published
            since, until = publishing.since, publishing.until
            if (
                since is not None
                and since <= at - 1
                and (until is None or at - 1 < until)
                and (at - 1 - since) * 1000 % published.every == 0
            ):
                yield Timed(first + 1, self._point(published.signal, published.value, first + 1))
        for vital, gauss, sigma, phase in self._vitals:
            value = round(mirrored(self.levels[vital] + sigma * gauss(0.0, 1.0)), 4)
            fault = self._fault(vital, at) if self._faults else None
            if fault is None:
                yield Timed(first + phase, self._point(vital, value, first + phase))
            elif fault.fault == "late":
                yield Timed(first + phase, self._point(vital, value, first + phase - LATE_MS))
            elif fault.fault == "stuck":
                yield Timed(first + phase, self._point(vital, self._stuck.setdefault(vital, value), first + phase))
            elif fault.fault == "impossible":
                yield Timed(first + phase, self._point(vital, IMPOSSIBLE, first + phase))

    def _point(self, metric: str, value: float, ts: int) -> Point:
        return Point(tenant=self.tenant, subject=self.name, metric=metric, value=value, ts=ts)

    def _fault(self, vital: str, at: int) -> Fault | None:
        now = at * 1000
        return next((fault for fault in self._faults if fault.metric == vital and fault.start < now <= fault.end), None)

    def _step(self, at: int) -> None:
        """One second of the dynamics, up to `at` (s of the run)."""
        base, moved, helped, levels = self._base, self._moved, self._helped, self.levels
        drawn: dict[str, tuple[float, float]] = {}
        bound: set[str] = set()
        for moving in self._pulls.values():
            acts = moving.acts(at - 1)
            for vital, to in moving.to.items():
                if acts:
                    drawn[vital] = (to, moving.keep)
                    self._back[vital] = self._rest_keep if moving.pull.back is None else _keep(moving.pull.back)
                    if moving.pull.despite_harmony:
                        bound.add(vital)
        harmonious = all(self._in_range(vital) for vital in self._model.harmony.of)
        for vital in levels:
            if harmonious and vital in self._draws and vital not in bound:
                to, keep = self._draws[vital]
                to -= moved[vital] + helped[vital]  # harmony draws the level itself, not what lies under a displacement
            else:
                to, keep = drawn.get(vital) or (self._model.rest[vital], self._back[vital])
            base[vital] = to + (base[vital] - to) * keep
            moved[vital] *= self._forget
            helped[vital] *= self._forget
        for performing in self._performing:
            self._displace(performing, at)
        for vital in levels:
            unhelped = base[vital] + moved[vital]
            left = self._model.rest[vital] - unhelped
            # help carries to rest, no further, and is gone where it is no longer needed
            helped[vital] = min(helped[vital], max(left, 0.0)) if helped[vital] > 0 else max(helped[vital], min(left, 0.0))
            levels[vital] = min(max(unhelped + helped[vital], _EDGE), 1 - _EDGE)

    def _displace(self, performing: _Performing, at: int) -> None:
        response = self._model.response
        reach = performing.action.duration * response.reach / 1000
        elapsed = at - performing.since - response.delay / 1000
        reached = min(1.0, (1 - math.exp(-1.5 * max(0.0, elapsed) / reach)) / (1 - math.exp(-1.5))) if elapsed < reach else 1.0
        for vital, effect in performing.action.effects.items():
            if vital not in self.levels:
                continue
            step = change(effect, performing.strength) * (reached - performing.reached)
            displaced = self._moved if performing.action.kind == "injection" else self._helped
            displaced[vital] += step
        performing.reached = reached

    def _in_range(self, vital: str) -> bool:
        low, high = self._metrics[vital].range or (0.0, 1.0)
        return low <= self.levels[vital] <= high


def _keep(tau_ms: float) -> float:
    """The share of a distance that is left after one second."""
    return math.exp(-1000 / tau_ms)
