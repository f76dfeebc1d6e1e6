"""The ladder: each bound of a metric is a rung with its own state (semantics §5).

A rung is entered when the statistic has been beyond its bound at every judging for `for`, and left when it has been
inside by the hysteresis at every judging for `clear_for`. P0 rungs look at the fast mean, too.
"""

from __future__ import annotations

from mypy_extensions import mypyc_attr

from processors.compiled import RungSpec
from processors.numbers import PRIORITIES, float_at_least, float_at_most, to_float
from schemas.outputs import RungState
from schemas.points import MAX_VALUE

RungMemory = tuple[bool, int | None, int]
"""entered, `since` of the running timer (ms), place in the order of entering."""


@mypyc_attr(acyclic=True)
class Rung:
    """State of one rung. `since` is the judging (ms) from which its running timer counts, None when none runs."""

    __slots__ = ("entered", "sequence", "since", "spec")

    def __init__(self, spec: RungSpec) -> None:
        self.spec = spec
        self.entered = False
        self.since: int | None = None
        self.sequence = 0


@mypyc_attr(acyclic=True)
class Ladder:
    """The rungs of one metric of one subject.

    After each judging `band_…` and `fast_…` bound the means between which no rung can move (`x_…` the values that keep
    them there); without a rung on a side, at the metric's legal values (`least`, `greatest`, × 10⁹). `restless` tells whether
    a rung's timer runs or the two means of a P0 rung disagree. A judging within both bands while not restless changes nothing.
    """

    __slots__ = ("band_high", "band_low", "entered", "fast_high", "fast_low", "greatest", "least", "restless", "rungs", "x_high", "x_low")

    def __init__(self, specs: tuple[RungSpec, ...], least: int, greatest: int) -> None:
        self.least, self.greatest = least, greatest
        self.rungs = [Rung(spec) for spec in specs]
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
        for rung in self.rungs:
            spec = rung.spec
            limit = spec.inside if rung.entered else spec.bound
            # beyond: outside the limit; of an entered rung the limit is the inner one, so "not beyond" is "inside by the hysteresis"
            if spec.side == "high":
                beyond = total > limit * count or (spec.priority == 0 and fast_count > 0 and fast_total > limit * fast_count)
            else:
                beyond = total < limit * count or (spec.priority == 0 and fast_count > 0 and fast_total < limit * fast_count)
            if beyond == rung.entered:
                rung.since = None
                continue
            if rung.since is None:
                rung.since = now
            if now - rung.since >= (spec.clear_ms if rung.entered else spec.for_ms):
                rung.since = None
                rung.entered = beyond
                if beyond:
                    self.entered += 1
                    rung.sequence = self.entered
            else:
                self.restless = True
        self._set_bands(count, total)
        if not self.fast_low * fast_count <= fast_total <= self.fast_high * fast_count and fast_count:
            self.restless = True

    def _set_bands(self, count: int, total: int) -> None:
        low = fast_low = self.least
        high = fast_high = self.greatest
        for rung in self.rungs:
            spec = rung.spec
            limit = spec.inside if rung.entered else spec.bound
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
        for rung in self.rungs:
            rung.since = None

    def highest(self) -> RungSpec | None:
        """The highest rung entered; of equal ones the one entered last; None: OK."""
        best: Rung | None = None
        for rung in self.rungs:
            if rung.entered and (
                best is None
                or rung.spec.priority < best.spec.priority
                or (rung.spec.priority == best.spec.priority and rung.sequence > best.sequence)
            ):
                best = rung
        return best.spec if best is not None else None

    def memory(self) -> list[RungMemory]:
        """The rungs' states, in the order of `rungs`."""
        return [(rung.entered, rung.since, rung.sequence) for rung in self.rungs]

    def remember(self, memory: list[RungMemory]) -> None:
        """Takes the rungs' states back; the other way of `memory`."""
        self.restless = False
        for rung, (entered, since, sequence) in zip(self.rungs, memory, strict=True):
            rung.entered, rung.since, rung.sequence = entered, since, sequence
            self.entered = max(self.entered, sequence)
            self.restless = self.restless or since is not None

    def inherit(self, other: Ladder) -> None:
        """Takes over the states of the rungs that `other` (of another configuration) has on the same side and priority."""
        states = {(rung.spec.side, rung.spec.priority): rung for rung in other.rungs}
        self.entered = other.entered
        for rung in self.rungs:
            old = states.get((rung.spec.side, rung.spec.priority))
            if old is not None:
                rung.entered, rung.since, rung.sequence = old.entered, old.since, old.sequence
                self.restless = self.restless or old.since is not None

    def told(self, memory: list[RungMemory]) -> list[RungState]:
        """`memory` as evidence."""
        return [
            RungState(rung.spec.side, PRIORITIES[rung.spec.priority], to_float(rung.spec.bound), entered, since)
            for rung, (entered, since, _) in zip(self.rungs, memory, strict=True)
        ]
