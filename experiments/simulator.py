"""Simulated subjects: four vitals as mean-reverting noise around targets that a script may move.

Small on purpose. A value is `level(t) + noise(t)`: the level is the subject's target, or what a drift makes of it; the
noise is an Ornstein–Uhlenbeck process sampled exactly, so that values are never constant, wander as real ones do, and
yet stay near. Everything follows from the seed, the subject's name and the second: no clock, no shared randomness.
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
    """How one vital behaves in health: target, standard deviation of the noise, and how fast it returns (per second)."""

    metric: str
    target: float
    sigma: float
    rate: float


VITALS: tuple[Vital, ...] = (
    Vital("clarity", 0.80, 0.008, 0.30),
    Vital("chaos", 0.45, 0.015, 0.25),
    Vital("trust", 0.80, 0.010, 0.20),
    Vital("pain", 0.30, 0.015, 0.35),
)
"""Targets are those of the configuration. The noise keeps 30 s means within a hundredth or two of them."""

PERSONAL = 0.01
"""Each subject's targets differ from the common ones by up to this."""


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
        name, tenant: as in its points. seed: of all randomness.
        per_second: points of each vital a second, 1 … 100, evenly spaced, each vital at a phase of its own.
    """

    def __init__(self, name: str, *, seed: int = 0, tenant: str = DEFAULT_TENANT, per_second: int = 2) -> None:
        if not 1 <= per_second <= 100:
            raise ValueError(f"per_second: expected 1 to 100, got {per_second}")
        self.name = name
        self.tenant = tenant
        self._gap_ms = 1000 // per_second
        self._per_second = per_second
        self._drifts: dict[str, Drift] = {}
        self._state: dict[str, _Noise] = {}
        for vital in VITALS:
            rng = random.Random(f"{seed}/{tenant}/{name}/{vital.metric}")
            self._state[vital.metric] = _Noise(
                rng,
                target=vital.target + rng.uniform(-PERSONAL, PERSONAL),
                phase=rng.randrange(self._gap_ms) + 1,
                value=rng.gauss(0, vital.sigma),
            )

    def drift(self, drift: Drift) -> None:
        """From now on this vital follows `drift`, in place of an earlier one."""
        self._drifts[drift.metric] = drift

    def second(self, second: int) -> Iterator[Timed]:
        """The points of the virtual second (epoch s) that ends at `second`; to be asked for in ascending order."""
        first = (second - 1) * 1000
        for vital in VITALS:
            noise = self._state[vital.metric]
            keep = math.exp(-vital.rate * self._gap_ms / 1000)
            for n in range(self._per_second):
                noise.value = keep * noise.value + vital.sigma * math.sqrt(1 - keep * keep) * noise.rng.gauss(0, 1)
                ts = first + n * self._gap_ms + noise.phase
                drift = self._drifts.get(vital.metric)
                level = drift.level(ts / 1000, noise.target) if drift is not None else noise.target
                value = round(_reflect(level + noise.value), 4)
                yield Timed(ts, Point(tenant=self.tenant, subject=self.name, metric=vital.metric, value=value, ts=ts, source="simulator"))


class _Noise:
    """The running noise of one vital."""

    __slots__ = ("phase", "rng", "target", "value")

    def __init__(self, rng: random.Random, target: float, phase: int, value: float) -> None:
        self.rng = rng
        self.target = target
        self.phase = phase
        self.value = value


def _reflect(value: float) -> float:
    """Mirrored at 0 and 1: a value that is cut off there would stand still."""
    value = abs(value)
    return 2 - value if value > 1 else value


class Population:
    """Several subjects as one source for `experiments.driver.schedule`."""

    def __init__(self, names: Sequence[str], *, seed: int = 0, tenant: str = DEFAULT_TENANT, per_second: int = 2) -> None:
        self.subjects = {name: Subject(name, seed=seed, tenant=tenant, per_second=per_second) for name in names}

    def second(self, second: int) -> Iterable[Timed]:
        """All subjects' points of a virtual second."""
        return [timed for subject in self.subjects.values() for timed in subject.second(second)]
