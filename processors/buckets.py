"""Bad seconds by minute, hour and day: what a metric has spent of its error budget.

Buckets roll when they are looked at; a jump of a year costs no more than the buckets that are kept.
"""

from __future__ import annotations

from typing import Any

from mypy_extensions import mypyc_attr

from schemas.events import BudgetAlert

SIZES = (60, 3600, 86_400)
"""Lengths of the buckets in s."""


@mypyc_attr(acyclic=True)
class Ring:
    """Bad seconds by bucket, from the first bucket that is not empty to the bucket `last`. No values: none was bad."""

    __slots__ = ("last", "values")

    def __init__(self) -> None:
        self.last = 0
        self.values: list[int] = []

    def roll(self, bucket: int, reach: int) -> None:
        """Makes `bucket` the last; those that are not among the last `reach` are forgotten."""
        gap = bucket - self.last
        self.last = max(self.last, bucket)
        values = self.values
        if not values:
            return
        if gap >= reach:
            self.values = []
            return
        if gap > 0:
            values.extend([0] * gap)
        start = max(0, len(values) - reach)
        while start < len(values) and not values[start]:
            start += 1
        if start:
            del values[:start]

    def add(self, seconds: int) -> None:
        """Adds to the last bucket."""
        if self.values:
            self.values[-1] += seconds
        else:
            self.values.append(seconds)

    def total(self, buckets: int) -> int:
        """Bad seconds of the last so many buckets, the present one among them."""
        values = self.values
        return sum(values[-buckets:]) if len(values) > buckets else sum(values)

    def empty_from(self, size: int, reach: int) -> int:
        """The second from which nothing of it counts any more, if nothing is added."""
        values = self.values
        newest = self.last
        for value in reversed(values):
            if value:
                break
            newest -= 1
        return (newest + reach) * size + 1


@mypyc_attr(acyclic=True)
class Spending:
    """What one metric has spent: whether it is bad since the last accounted second, its buckets, its alert."""

    __slots__ = ("alert", "bad", "metric", "rings")

    def __init__(self, metric: str) -> None:
        self.metric = metric
        self.bad = False
        self.alert: BudgetAlert | None = None
        self.rings = [Ring(), Ring(), Ring()]

    def add(self, after: int, until: int, reach: list[int]) -> None:
        """Counts the seconds from `after` to `until` (s of subject time) as bad."""
        if until <= after:
            return
        for scale, size in enumerate(SIZES):
            ring = self.rings[scale]
            last = (until - 1) // size
            # what lies before the last `reach` buckets has left every window already
            bucket = max(after // size, last - reach[scale] + 1)
            while bucket <= last:
                ring.roll(bucket, reach[scale])
                ring.add(min(until, (bucket + 1) * size) - max(after, bucket * size))
                bucket += 1

    def roll(self, second: int, reach: list[int]) -> None:
        """Brings the windows to their end at `second`."""
        for scale, size in enumerate(SIZES):
            self.rings[scale].roll((second - 1) // size, reach[scale])

    def is_spent(self) -> bool:
        """Whether nothing of it counts any more."""
        return not self.bad and self.alert is None and not any(ring.values for ring in self.rings)

    def dump(self) -> list[Any]:
        """State as plain values."""
        return [self.metric, self.bad, self.alert, *[[ring.last, *ring.values] if ring.values else 0 for ring in self.rings]]


def load_spending(state: list[Any]) -> Spending:
    """The other way of `Spending.dump`."""
    metric, bad, alert, *rings = state
    spending = Spending(metric)
    spending.bad, spending.alert = bad, alert
    for ring, values in zip(spending.rings, rings, strict=True):
        if values:
            ring.last, ring.values = values[0], list(values[1:])
    return spending
