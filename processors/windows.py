"""Tumbling windows, aligned to the epoch, made of parts (semantics §4).

A part holds one metric's on-time points of `Compiled.base` seconds (the greatest common divisor of the sizes); every
size gathers parts. So each point is summed, squared and sorted once, whatever the number of sizes.
"""

from __future__ import annotations

from array import array
from math import sqrt
from typing import Final

from mypy_extensions import mypyc_attr

from processors.numbers import divide, sum_of_squares, to_float
from processors.quantiles import EXACT, fold, quantile
from schemas.outputs import WindowStats
from schemas.points import VALUE_SCALE

QUANTILES_FROM: Final = 10
"""Windows of fewer seconds have no quantiles."""


_NO_VALUES = array("q")
"""Shared by all parts without values; nothing is ever added to it."""


@mypyc_attr(acyclic=True)
class Part:
    """Statistics of some on-time points; `values` are so many sorted `runs`, or empty where `bins` stand for them.

    They are 64 bits each, since |value| ≤ 10⁹ × 10⁹; as a list's integers they would take five times the memory.
    """

    __slots__ = ("bins", "count", "greatest", "last", "least", "runs", "squares", "total", "values")

    def __init__(self) -> None:
        self.count = 0
        self.total = 0
        self.squares = 0
        self.least = 0
        self.greatest = 0
        self.last = 0
        self.values = _NO_VALUES
        self.runs = 0
        self.bins: dict[int, int] | None = None

    def add(self, values: list[int]) -> None:
        """Adds points, none of which is older than those before; the last of the list is the newest. The list is sorted by it."""
        if not values:
            return
        self.last = values[-1]
        values.sort()
        if self.count:
            self.least = min(self.least, values[0])
            self.greatest = max(self.greatest, values[-1])
        else:
            self.least, self.greatest = values[0], values[-1]
        self.count += len(values)
        self.total += sum(values)
        self.squares += sum_of_squares(values)
        self._keep(array("q", values), 1, None)

    def merge(self, other: Part) -> None:
        """Adds a later part."""
        if not other.count:
            return
        if self.count:
            self.least = min(self.least, other.least)
            self.greatest = max(self.greatest, other.greatest)
        else:
            self.least, self.greatest = other.least, other.greatest
        self.last = other.last
        self.count += other.count
        self.total += other.total
        self.squares += other.squares
        self._keep(other.values if self.runs else other.values[:], other.runs, other.bins)

    def _keep(self, ordered: array[int], runs: int, bins: dict[int, int] | None) -> None:
        if self.bins is None and bins is None and self.count <= EXACT:
            if self.runs:
                self.values.extend(ordered)
            else:
                self.values = ordered
            self.runs += runs
            return
        if self.bins is None:
            self.bins = {}
            fold(self.values, self.bins)
            self.values = _NO_VALUES
        fold(ordered, self.bins)
        if bins is not None:
            for key, number in bins.items():
                self.bins[key] = self.bins.get(key, 0) + number

    def stats(self, tenant: str, subject: str, metric: str, start: int, size: int, late: int) -> WindowStats:
        """The final statistics of the window [start, start + size) (seconds) that consists of this part."""
        count = self.count
        p50 = p95 = None
        if size >= QUANTILES_FROM:
            ordered = self.values if self.runs == 1 else sorted(self.values)
            p50 = to_float(quantile(50, count, ordered, self.bins))
            p95 = to_float(quantile(95, count, ordered, self.bins))
        return WindowStats(
            tenant,
            subject,
            metric,
            start * 1000,
            size * 1000,
            count,
            divide(self.total, count * VALUE_SCALE),
            to_float(self.least),
            to_float(self.greatest),
            to_float(self.last),
            sqrt(float(count * self.squares - self.total * self.total)) / float(count * VALUE_SCALE),
            p50,
            p95,
            late,
        )
