"""The last windows of a vital, for what is computed over minutes."""

from __future__ import annotations

from array import array
from math import isnan, nan, sqrt
from typing import Any

from mypy_extensions import mypyc_attr


@mypyc_attr(acyclic=True)
class History:
    """Means and standard deviations of the last `size` windows of one vital; NaN where a window was empty.

    A ring: the window that ends at `end` (s), the newest, stands at `end` ÷ length modulo size.
    """

    __slots__ = ("end", "length", "means", "size", "spreads")

    def __init__(self, size: int, length: int) -> None:
        self.end = 0
        self.length = length
        self.size = size
        self.means = array("d", [nan]) * size
        self.spreads = array("d", [nan]) * size

    def push(self, end: int, mean: float, spread: float) -> None:
        """Adds the window that ends at `end` (s)."""
        if end - self.end > self.length:
            self.reach(end - self.length)
        self.end = end
        place = end // self.length % self.size
        self.means[place] = mean
        self.spreads[place] = spread

    def reach(self, end: int) -> None:
        """Makes the newest window the one that ends at `end`: those without points are empty."""
        if not self.end:
            self.end = end
            return
        newest = end // self.length
        for at in range(max(self.end // self.length, newest - self.size) + 1, newest + 1):
            self.means[at % self.size] = nan
            self.spreads[at % self.size] = nan
        self.end = max(self.end, end)

    def mean(self, back: int) -> float:
        """Mean of the window `back` windows before the newest."""
        mean: float = self.means[(self.end // self.length - back) % self.size]
        return mean

    def spread(self, number: int) -> float:
        """Standard deviation over the last `number` windows: √ (mean of their variances + variance of their means)."""
        newest = self.end // self.length
        places = [at % self.size for at in range(newest - number + 1, newest + 1)]
        mean = sum([self.means[place] for place in places]) / number
        within = sum([self.spreads[place] * self.spreads[place] for place in places]) / number
        return sqrt(within + sum([(self.means[place] - mean) * (self.means[place] - mean) for place in places]) / number)

    def slope(self, number: int) -> float | None:
        """Slope a minute by least squares over the last `number` windows; None: one is empty."""
        means, size = self.means, self.size
        place = (self.end // self.length - number + 1) % size
        distance = -(number - 1) / 2
        above = below = 0.0
        for _ in range(number):
            # the mean of the values falls out: the places' distances from the middle add up to nothing
            above += distance * means[place]
            below += distance * distance
            distance += 1
            place = place + 1 if place + 1 < size else 0
        return None if isnan(above) or not below else above / below * (60 / self.length)


def load_history(item: list[Any], size: int, length: int) -> History:
    """A history from its dumped state, which may be longer or shorter."""
    end, means, spreads = item
    history = History(size, length)
    history.end = end
    newest = end // length
    told_means, told_spreads = array("d", means), array("d", spreads)
    for at in range(newest - min(size, len(told_means)) + 1, newest + 1):
        history.means[at % size] = told_means[at % len(told_means)]
        history.spreads[at % size] = told_spreads[at % len(told_means)]
    return history
