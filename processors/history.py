"""The last windows of the four vitals, for what is computed over minutes."""

from __future__ import annotations

from array import array
from math import isnan, nan, sqrt
from typing import Any, Final

from librt.vecs import vec
from mypy_extensions import mypyc_attr

VITALS: Final = 4
_ROW: Final = 2 * VITALS
"""Numbers a window: mean and standard deviation of each vital, side by side, so that a window stands in one line of the cache."""


@mypyc_attr(acyclic=True)
class History:
    """Means and standard deviations of the last `size` windows of `length` seconds; NaN where a window was empty.

    A ring: the windows that end at `end` (s), the newest, stand at `end` ÷ length modulo size.
    """

    __slots__ = ("_figures", "end", "length", "size")

    def __init__(self, size: int, length: int) -> None:
        self.end = 0
        self.length = length
        self.size = size
        self._figures = vec[float]([nan] * (size * _ROW))

    def push(self, vital: int, end: int, mean: float, spread: float) -> None:
        """Adds the window of a vital that ends at `end` (s)."""
        self.reach(end)
        if end <= self.end - self.size * self.length:
            return
        figures = self._figures
        place = end // self.length % self.size * _ROW + 2 * vital
        figures[place] = mean
        figures[place + 1] = spread

    def reach(self, end: int) -> None:
        """Makes the newest windows those that end at `end`; they are empty as yet, as are all that were left out."""
        if end <= self.end:
            return
        figures = self._figures
        newest = end // self.length
        for at in range(max(self.end // self.length, newest - self.size) + 1, newest + 1):
            place = at % self.size * _ROW
            for number in range(place, place + _ROW):
                figures[number] = nan
        self.end = end

    def mean(self, vital: int, back: int) -> float:
        """Mean of the window `back` windows before the newest."""
        return self._figures[(self.end // self.length - back) % self.size * _ROW + 2 * vital]

    def spread(self, vital: int, number: int) -> float:
        """Standard deviation over the last `number` windows: √ (mean of their variances + variance of their means)."""
        figures, size = self._figures, self.size
        oldest = self.end // self.length - number + 1
        mean = within = between = 0.0
        for at in range(oldest, oldest + number):
            place = at % size * _ROW + 2 * vital
            mean += figures[place]
            within += figures[place + 1] * figures[place + 1]
        mean /= number
        for at in range(oldest, oldest + number):
            distance = figures[at % size * _ROW + 2 * vital] - mean
            between += distance * distance
        return sqrt(within / number + between / number)

    def slope(self, vital: int, number: int) -> float | None:
        """Slope a minute of the means by least squares over the last `number` windows; None: one is empty."""
        figures, size = self._figures, self.size
        oldest = self.end // self.length - number + 1
        distance = -(number - 1) / 2
        above = below = 0.0
        for at in range(oldest, oldest + number):
            # the mean of the values falls out: the places' distances from the middle add up to nothing
            above += distance * figures[at % size * _ROW + 2 * vital]
            below += distance * distance
            distance += 1
        return None if isnan(above) or not below else above / below * (60 / self.length)

    def dump(self) -> list[Any]:
        """The state as plain lists."""
        return [self.end, bytes(memoryview(self._figures))]

    def load(self, state: list[Any]) -> None:
        """Takes up a dumped state, which may be of more windows or fewer."""
        self.end, told = state
        figures = vec[float](array("d", told))
        rows = len(figures) // _ROW
        newest = self.end // self.length
        for at in range(newest - min(self.size, rows) + 1, newest + 1):
            for number in range(_ROW):
                self._figures[at % self.size * _ROW + number] = figures[at % rows * _ROW + number]
