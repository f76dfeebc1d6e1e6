"""The ladder: each bound of a metric is a rung with its own state (semantics §5).

A rung is entered when the statistic has been beyond its bound at every judging for `for`, and left when it has been
inside by the hysteresis at every judging for `clear_for`. P0 rungs look at the fast mean, too.
"""

from __future__ import annotations

from typing import Final

from librt.vecs import vec
from mypy_extensions import i64, mypyc_attr

from processors.compiled import RungSpec
from processors.numbers import PRIORITIES, float_at_least, float_at_most, to_float
from schemas.outputs import RungState
from schemas.points import MAX_VALUE

RungMemory = tuple[bool, int | None, int]
"""entered, `since` of the running timer (ms), place in the order of entering."""


_NONE: Final = -(1 << 62)
"""No timer runs: before every judging."""
_SINCE: Final = 1
_SEQUENCE: Final = 2
_RUNG: Final = 3
"""Numbers a rung in `Ladder._rungs`: whether it is entered; the judging (ms) from which its timer counts; its place in the order of
entering."""


@mypyc_attr(acyclic=True)
class Ladder:
    """The rungs of one metric of one subject.

    After each judging `band_…` and `fast_…` bound the means between which no rung can move (`x_…` the values that keep
    them there); without a rung on a side, at the metric's legal values (`least`, `greatest`, × 10⁹). `restless` tells whether
    a rung's timer runs or the two means of a P0 rung disagree. A judging within both bands while not restless changes nothing.
    """

    __slots__ = (
        "_rungs",
        "band_high",
        "band_low",
        "entered",
        "fast_high",
        "fast_low",
        "greatest",
        "least",
        "restless",
        "specs",
        "x_high",
        "x_low",
    )

    def __init__(self, specs: tuple[RungSpec, ...], least: int, greatest: int) -> None:
        self.least, self.greatest = least, greatest
        self.specs = specs
        self._rungs = vec[i64]([0] * (len(specs) * _RUNG))
        for rung in range(_SINCE, len(specs) * _RUNG, _RUNG):
            self._rungs[rung] = _NONE
        self.entered = 0
        self.restless = False
        # empty until the first judging: nothing may be skipped before it
        self.band_low = self.fast_low = greatest + 1
        self.band_high = self.fast_high = least - 1
        self.x_low, self.x_high = 1.0, -1.0

    def judge(self, now: int, count: int, total: int, fast_count: int, fast_total: int) -> None:
        """Moves the rungs.

        Args:
            now: subject time of the judging, ms.
            count, total: points of the judged window and the sum of their integers; count > 0.
            fast_count, fast_total: the same of the fast window; count 0: it is not looked at.
        """
        self.restless = False
        rungs = self._rungs
        for number, spec in enumerate(self.specs):
            rung = number * _RUNG
            entered = rungs[rung] != 0
            limit = spec.inside if entered else spec.bound
            # beyond: outside the limit; of an entered rung the limit is the inner one, so "not beyond" is "inside by the hysteresis"
            if spec.side == "high":
                beyond = total > limit * count or (spec.priority == 0 and fast_count > 0 and fast_total > limit * fast_count)
            else:
                beyond = total < limit * count or (spec.priority == 0 and fast_count > 0 and fast_total < limit * fast_count)
            if beyond == entered:
                rungs[rung + _SINCE] = _NONE
                continue
            if rungs[rung + _SINCE] == _NONE:
                rungs[rung + _SINCE] = now
            if now - rungs[rung + _SINCE] >= (spec.clear_ms if entered else spec.for_ms):
                rungs[rung + _SINCE] = _NONE
                rungs[rung] = 1 if beyond else 0
                if beyond:
                    self.entered += 1
                    rungs[rung + _SEQUENCE] = self.entered
            else:
                self.restless = True
        self._set_bands(count, total)
        if not self.fast_low * fast_count <= fast_total <= self.fast_high * fast_count and fast_count:
            self.restless = True

    def _set_bands(self, count: int, total: int) -> None:
        low = fast_low = self.least
        high = fast_high = self.greatest
        for number, spec in enumerate(self.specs):
            rung = number * _RUNG
            limit = spec.inside if self._rungs[rung] else spec.bound
            if spec.side == "high":
                above = total > limit * count
                edge = limit + 1 if above else limit
            else:
                above = total >= limit * count
                edge = limit if above else limit - 1
            if above:
                low = max(low, edge)
                if spec.priority == 0:
                    fast_low = max(fast_low, edge)
            else:
                high = min(high, edge)
                if spec.priority == 0:
                    fast_high = min(fast_high, edge)
        self.band_low, self.band_high = low, high
        self.fast_low, self.fast_high = fast_low, fast_high
        self.x_low = float_at_least(low) if low > self.least else -2 * MAX_VALUE
        self.x_high = float_at_most(high) if high < self.greatest else 2 * MAX_VALUE

    def freeze(self) -> None:
        """Forgets running timers; the rungs stay as they are (a metric that is UNKNOWN)."""
        self.restless = False
        for rung in range(_SINCE, len(self._rungs), _RUNG):
            self._rungs[rung] = _NONE

    def highest(self) -> RungSpec | None:
        """The highest rung entered; of equal ones the one entered last; None: OK."""
        best: RungSpec | None = None
        sequence = 0
        for number, spec in enumerate(self.specs):
            rung = number * _RUNG
            entered_as = self._rungs[rung + _SEQUENCE]
            if self._rungs[rung] and (
                best is None or spec.priority < best.priority or (spec.priority == best.priority and entered_as > sequence)
            ):
                best, sequence = spec, entered_as
        return best

    def memory(self) -> list[RungMemory]:
        """The rungs' states, in the order of `specs`."""
        rungs = self._rungs
        return [
            (rungs[rung] != 0, None if rungs[rung + _SINCE] == _NONE else rungs[rung + _SINCE], rungs[rung + _SEQUENCE])
            for rung in range(0, len(rungs), _RUNG)
        ]

    def remember(self, memory: list[RungMemory]) -> None:
        """Takes the rungs' states back; the other way of `memory`."""
        self.restless = False
        for number, (entered, since, sequence) in zip(range(len(self.specs)), memory, strict=True):
            self._set(number, entered, since, sequence)
            self.entered = max(self.entered, sequence)

    def _set(self, number: int, entered: bool, since: int | None, sequence: int) -> None:
        rung = number * _RUNG
        self._rungs[rung] = 1 if entered else 0
        self._rungs[rung + _SINCE] = _NONE if since is None else since
        self._rungs[rung + _SEQUENCE] = sequence
        self.restless = self.restless or since is not None

    def inherit(self, other: Ladder) -> None:
        """Takes over the states of the rungs that `other` (of another configuration) has on the same side and priority."""
        states = {(spec.side, spec.priority): state for spec, state in zip(other.specs, other.memory(), strict=True)}
        self.entered = other.entered
        for number, spec in enumerate(self.specs):
            old = states.get((spec.side, spec.priority))
            if old is not None:
                self._set(number, *old)

    def told(self, memory: list[RungMemory]) -> list[RungState]:
        """`memory` as evidence."""
        return [
            RungState(spec.side, PRIORITIES[spec.priority], to_float(spec.bound), entered, since)
            for spec, (entered, since, _) in zip(self.specs, memory, strict=True)
        ]
