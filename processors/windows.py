"""Tumbling windows, aligned to the epoch, made of parts (semantics §4).

A part holds one metric's on-time points of `Compiled.base` seconds (the greatest common divisor of the sizes); every
size gathers parts. So each point is summed, squared and sorted once, whatever the number of sizes.
"""

from __future__ import annotations

from array import array
from math import sqrt
from operator import mul

from processors.numbers import to_float
from processors.quantiles import EXACT, fold, quantile
from schemas.outputs import WindowStats
from schemas.points import VALUE_SCALE

QUANTILES_FROM = 10
"""Windows of fewer seconds have no quantiles."""


class Part:
    """Statistics of some on-time points; `values` are sorted runs, or empty where `bins` stand for them.

    They are 64 bits each, since |value| ≤ 10⁹ × 10⁹; as a list's integers they would take five times the memory.
    """

    __slots__ = ("bins", "count", "greatest", "last", "least", "squares", "total", "values")

    def __init__(self) -> None:
        self.count = 0
        self.total = 0
        self.squares = 0
        self.least = 0
        self.greatest = 0
        self.last = 0
        self.values = array("q")
        self.bins: dict[int, int] | None = None

    def add(self, values: list[int]) -> None:
        """Adds points, none of which is older than those before; the last of the list is the newest."""
        if not values:
            return
        self.last = values[-1]
        ordered = sorted(values)
        if self.count:
            self.least = min(self.least, ordered[0])
            self.greatest = max(self.greatest, ordered[-1])
        else:
            self.least, self.greatest = ordered[0], ordered[-1]
        self.count += len(ordered)
        self.total += sum(ordered)
        self.squares += sum(map(mul, ordered, ordered))
        self._keep(array("q", ordered), None)

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
        self._keep(other.values, other.bins)

    def _keep(self, ordered: array[int], bins: dict[int, int] | None) -> None:
        if self.bins is None and bins is None and self.count <= EXACT:
            self.values.extend(ordered)
            return
        if self.bins is None:
            self.bins = {}
            fold(self.values, self.bins)
            self.values = array("q")
        fold(ordered, self.bins)
        if bins is not None:
            for key, number in bins.items():
                self.bins[key] = self.bins.get(key, 0) + number

    def stats(self, tenant: str, subject: str, metric: str, start: int, size: int, late: int) -> WindowStats:
        """The final statistics of the window [start, start + size) (seconds) that consists of this part."""
        count = self.count
        p50 = p95 = None
        if size >= QUANTILES_FROM:
            ordered = sorted(self.values)
            p50 = to_float(quantile(50, count, ordered, self.bins))
            p95 = to_float(quantile(95, count, ordered, self.bins))
        return WindowStats(
            tenant,
            subject,
            metric,
            start * 1000,
            size * 1000,
            count,
            self.total / (count * VALUE_SCALE),
            to_float(self.least),
            to_float(self.greatest),
            to_float(self.last),
            sqrt(float(count * self.squares - self.total * self.total)) / float(count * VALUE_SCALE),
            p50,
            p95,
            late,
        )


class Second:
    """On-time points of one metric in the second `at`: `part` (what was folded away, if ever) before `values`.

    `last_ts` (ms) is the greatest `ts` among them; its point is the last of `values`. `count`, `total` and `offset` (of the
    oldest point) are what the judged window needs of it, also when the values have gone into their windows.
    """

    __slots__ = ("at", "count", "last_ts", "offset", "part", "total", "values")

    def __init__(self, at: int, values: list[int], last_ts: int) -> None:
        self.at = at
        self.values = values
        self.last_ts = last_ts
        self.part: Part | None = None
        self.count = 0
        self.total = 0
        self.offset = 0

    def begin(self, count: int, total: int, offset: int) -> None:
        """Sets what the judged window has of it."""
        self.count = count
        self.total = total
        self.offset = offset

    def add(self, value: int, ts: int) -> None:
        """Adds a point that came out of order."""
        if ts >= self.last_ts:
            self.values.append(value)
            self.last_ts = ts
        elif self.values:
            add_before_last(self.values, value)
        else:
            assert self.part is not None
            last = self.part.last
            self.part.add([value])
            self.part.last = last
        if len(self.values) > EXACT:
            self.fold()

    def fold(self) -> None:
        """Folds the values into the part."""
        if self.part is None:
            self.part = Part()
        self.part.add(self.values)
        self.values = []


def add_before_last(values: list[int], value: int) -> None:
    """Adds a value to a list in which only the last place means something."""
    values.append(values[-1])
    values[-2] = value
