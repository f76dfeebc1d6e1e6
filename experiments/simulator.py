"""Simulated subjects: four vitals as mean-reverting noise around targets that a script may move.

Small on purpose. A value is `level(t) + noise(t)`: the level is the subject's target, or what a drift makes of it; the
noise is an Ornstein–Uhlenbeck process sampled exactly, so that values are never constant, wander as real ones do, and
yet stay near. Lively subjects have two slower ones besides: a swing that moves all vitals together, and each vital's own
wandering. Everything follows from the seed, the subject's name and the second: no clock, no shared randomness.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from experiments.driver import Timed
from schemas.points import DEFAULT_TENANT, Point


class Vital(NamedTuple):
    """How one vital behaves in health.

    Attributes:
        target: where it rests; subjects differ in it by up to `personal`.
        sigma, rate: standard deviation of the noise of its points, and how fast that returns (per second).
        swing: how far one standard deviation of the subject's swing moves it. wander: standard deviation of its own wandering.
    """

    metric: str
    target: float
    sigma: float
    rate: float
    personal: float = 0.01
    swing: float = 0.0
    wander: float = 0.0


VITALS: tuple[Vital, ...] = (
    Vital("clarity", 0.80, 0.008, 0.30),
    Vital("chaos", 0.45, 0.015, 0.25),
    Vital("trust", 0.80, 0.010, 0.20),
    Vital("pain", 0.30, 0.015, 0.35),
)
"""Gentle ones. Targets are those of the configuration. The noise keeps 30 s means within a hundredth or two of them."""

LIVELY: tuple[Vital, ...] = (
    Vital("clarity", 0.775, 0.010, 0.30, personal=0.005, swing=-0.025, wander=0.005),
    Vital("chaos", 0.45, 0.020, 0.25, personal=0.005, swing=0.052, wander=0.008),
    Vital("trust", 0.79, 0.015, 0.20, personal=0.01, swing=-0.030, wander=0.022),
    Vital("pain", 0.32, 0.025, 0.35, personal=0.01, swing=0.045, wander=0.028),
)
"""Healthy and lively: mostly inside the OK band, at its edges in the extremes of a swing.

More chaos goes with less clarity (about as an injection moves them) and trust, and with more pain; clarity and chaos rest
in the middle of their bands, so that both edges of both are touched.
"""

SWING_S = 300
WANDER_S = 3600
"""Time constants of the swing and of each vital's own wandering, s."""


class Drift(NamedTuple):
    """A vital's level over time: from the target through `frames` (epoch s, level), linear in between, and back to the target.

    The first frame is where it leaves the target, the last where it has returned; their levels are not looked at.
    """

    metric: str
    frames: tuple[tuple[float, float], ...]

    def level(self, at: float, target: float) -> float:
        """The level at `at` (epoch s)."""
        frames = self.frames
        if not frames or not frames[0][0] < at < frames[-1][0]:
            return target
        known = [(frames[0][0], target), *frames[1:-1], (frames[-1][0], target)]
        for (begin, before), (end, after) in itertools.pairwise(known):
            if at <= end:
                return before + (after - before) * (at - begin) / (end - begin) if end > begin else after
        return target


class Subject:
    """One simulated subject.

    Args:
        name, tenant: as in its points. seed: of all randomness. vitals: how they behave.
        per_second: points of each vital a second, 1 … 100, evenly spaced, each vital at a phase of its own.
    """

    def __init__(
        self, name: str, *, seed: int = 0, tenant: str = DEFAULT_TENANT, per_second: int = 2, vitals: Sequence[Vital] = VITALS
    ) -> None:
        if not 1 <= per_second <= 100:
            raise ValueError(f"per_second: expected 1 to 100, got {per_second}")
        self.name = name
        self.tenant = tenant
        self._vitals = vitals
        self._gap_ms = 1000 // per_second
        self._per_second = per_second
        self._drifts: dict[str, Drift] = {}
        self._state: dict[str, _Noise] = {}
        for vital in vitals:
            rng = random.Random(f"{seed}/{tenant}/{name}/{vital.metric}")
            self._state[vital.metric] = _Noise(
                rng,
                target=vital.target + rng.uniform(-vital.personal, vital.personal),
                phase=rng.randrange(self._gap_ms) + 1,
                value=rng.gauss(0, vital.sigma),
            )
        self._moods = _Moods(random.Random(f"{seed}/{tenant}/{name}"), vitals) if any(v.swing or v.wander for v in vitals) else None

    def drift(self, drift: Drift) -> None:
        """From now on this vital follows `drift`, in place of an earlier one."""
        self._drifts[drift.metric] = drift

    def second(self, second: int) -> Iterator[Timed]:
        """The points of the virtual second (epoch s) that ends at `second`; to be asked for in ascending order."""
        first = (second - 1) * 1000
        moved = self._moods.next() if self._moods is not None else {}
        for vital in self._vitals:
            noise = self._state[vital.metric]
            keep = math.exp(-vital.rate * self._gap_ms / 1000)
            spread = vital.sigma * math.sqrt(1 - keep * keep)
            drift = self._drifts.get(vital.metric)
            for n in range(self._per_second):
                noise.value = keep * noise.value + spread * noise.rng.gauss(0, 1)
                ts = first + n * self._gap_ms + noise.phase
                level = drift.level(ts / 1000, noise.target) if drift is not None else noise.target
                value = round(mirrored(level + moved.get(vital.metric, 0.0) + noise.value), 4)
                yield Timed(ts, Point(tenant=self.tenant, subject=self.name, metric=vital.metric, value=value, ts=ts, source="simulator"))


class _Moods:
    """What moves the levels of a lively subject: the swing that all vitals share, and each vital's own wandering."""

    def __init__(self, rng: random.Random, vitals: Sequence[Vital]) -> None:
        self._rng = rng
        self._vitals = vitals
        self._swing = rng.gauss(0, 1)
        self._own = [rng.gauss(0, 1) for _ in vitals]

    def next(self) -> dict[str, float]:
        """By how much each vital is moved in the next second."""
        gauss = self._rng.gauss
        self._swing = _SWING_KEEP * self._swing + _SWING_NEW * gauss(0, 1)
        moved = {}
        for n, vital in enumerate(self._vitals):
            self._own[n] = _WANDER_KEEP * self._own[n] + _WANDER_NEW * gauss(0, 1)
            moved[vital.metric] = vital.swing * self._swing + vital.wander * self._own[n]
        return moved


_SWING_KEEP, _WANDER_KEEP = math.exp(-1 / SWING_S), math.exp(-1 / WANDER_S)
_SWING_NEW, _WANDER_NEW = math.sqrt(1 - _SWING_KEEP**2), math.sqrt(1 - _WANDER_KEEP**2)


class _Noise:
    """The running noise of one vital."""

    __slots__ = ("phase", "rng", "target", "value")

    def __init__(self, rng: random.Random, target: float, phase: int, value: float) -> None:
        self.rng = rng
        self.target = target
        self.phase = phase
        self.value = value


def mirrored(value: float) -> float:
    """Mirrored at 0 and 1: a value that is cut off there would stand still."""
    value = abs(value)
    return 2 - value if value > 1 else value


class Population:
    """Several subjects as one source for `experiments.driver.schedule`."""

    def __init__(
        self, names: Sequence[str], *, seed: int = 0, tenant: str = DEFAULT_TENANT, per_second: int = 2, vitals: Sequence[Vital] = VITALS
    ) -> None:
        self.subjects = {name: Subject(name, seed=seed, tenant=tenant, per_second=per_second, vitals=vitals) for name in names}

    def second(self, second: int) -> Iterable[Timed]:
        """All subjects' points of a virtual second."""
        return [timed for subject in self.subjects.values() for timed in subject.second(second)]
