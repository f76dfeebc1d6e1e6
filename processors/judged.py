"""The seconds of a judged window that had points (semantics §5), as machine integers: memory goes with the points, not with its length."""

from __future__ import annotations

from typing import Final

from librt.vecs import vec
from mypy_extensions import i64, mypyc_attr

from processors.vectors import high_half, joined, low_half

_SECOND: Final = 5
"""Numbers a second: which, how many points, high and low half of their sum (64 bits may not hold it), offset of the oldest."""
_SPARE: Final = 2
"""So many seconds more than needed are made room for at least."""

JudgedSecond = tuple[int, int, int, int]
"""Which second, how many points, their sum (value × 10⁹), offset of the oldest."""


@mypyc_attr(acyclic=True)
class JudgedSeconds:
    """The seconds stand from `_first` to `_end`, in the order of time; those of the fast window from `_fast` on."""

    __slots__ = ("_end", "_fast", "_first", "_numbers")

    def __init__(self) -> None:
        self._numbers = vec[i64]()
        self._first: i64 = 0
        self._fast: i64 = 0
        self._end: i64 = 0

    def push(self, second: int, count: int, total: int, offset: int) -> None:
        """Adds a second, the newest."""
        if self._end == len(self._numbers):
            self._make_room()
        self._set(self._end, second, count, total, offset)
        self._end += _SECOND

    def add(self, second: int, value: int, offset: int, is_fast: bool) -> None:
        """Adds a point to a second of the window, which may have none yet; `is_fast`: it is in the fast window, too."""
        numbers = self._numbers
        place = self._end - _SECOND
        while place >= self._first and numbers[place] > second:
            place -= _SECOND
        if place >= self._first and numbers[place] == second:
            self._set(place, second, numbers[place + 1] + 1, self._total(place) + value, numbers[place + 4])
            return
        place += _SECOND - self._first  # making room moves all
        self.push(second, 1, value, offset)
        place += self._first
        numbers = self._numbers
        at = self._end - 1
        while at >= place + _SECOND:
            numbers[at] = numbers[at - _SECOND]
            at -= 1
        self._set(place, second, 1, value, offset)
        if not is_fast:
            self._fast += _SECOND

    def leave(self, second: int) -> tuple[int, int]:
        """Drops the seconds up to `second`: how many points they had, and their sum."""
        self._first, count, total = self._pass(self._first, second)
        self._fast = max(self._fast, self._first)
        return count, total

    def leave_fast(self, second: int) -> tuple[int, int]:
        """The same of the fast window; the seconds stay in the other one."""
        self._fast, count, total = self._pass(self._fast, second)
        return count, total

    def _pass(self, place: i64, second: int) -> tuple[i64, int, int]:
        """From `place` on, the first place after `second`; how many points come before it, and their sum."""
        count = total = 0
        while place < self._end and self._numbers[place] <= second:
            count += self._numbers[place + 1]
            total += self._total(place)
            place += _SECOND
        return place, count, total

    def first_offset(self, second: int) -> int | None:
        """The least offset of the seconds from `second` on; None: there is none."""
        least: int | None = None
        for place in range(self._first, self._end, _SECOND):
            offset = self._numbers[place + 4]
            if self._numbers[place] >= second and (least is None or offset < least):
                least = offset
        return least

    def listed(self) -> list[JudgedSecond]:
        """All seconds, the oldest first."""
        numbers = self._numbers
        return [
            (numbers[place], numbers[place + 1], self._total(place), numbers[place + 4]) for place in range(self._first, self._end, _SECOND)
        ]

    def _total(self, place: i64) -> int:
        return joined(self._numbers[place + 2], self._numbers[place + 3])

    def _set(self, place: i64, second: int, count: int, total: int, offset: int) -> None:
        numbers = self._numbers
        numbers[place] = second
        numbers[place + 1] = count
        numbers[place + 2] = high_half(total)
        numbers[place + 3] = low_half(total)
        numbers[place + 4] = offset

    def _make_room(self) -> None:
        """Moves the seconds to the beginning, to a longer vector unless an eighth is free there."""
        old, used = self._numbers, self._end - self._first
        if self._first * 8 <= len(old):
            seconds = used // _SECOND
            self._numbers = vec[i64]([0] * int((seconds + max(_SPARE, seconds // 4)) * _SECOND))
        new = self._numbers
        at: i64 = 0
        while at < used:
            new[at] = old[self._first + at]
            at += 1
        self._fast -= self._first
        self._first = 0
        self._end = used
