"""The judged window, second by second: a ring of machine integers (semantics §5).

Of each second it holds how many points there were, their sum (in two halves, since 64 bits may not hold it) and the offset of
the oldest; a second without points has the number 0.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from librt.vecs import vec
from mypy_extensions import i64

from processors.vectors import high_half, joined, low_half

JUDGED: Final = 4
"""Numbers a second: count, high and low half of the sum, offset."""


class JudgedSecond(NamedTuple):
    """One second, `at`, of a judged window: how many points it has, their sum (value × 10⁹), and the offset of the oldest."""

    at: int
    number: int
    total: int
    offset: int


def total_of(ring: vec[i64], place: i64) -> int:
    """The sum of the second at a place of the ring."""
    return joined(ring[place + 1], ring[place + 2])


def set_judged(ring: vec[i64], place: i64, count: int, total: int, offset: int) -> None:
    """Writes a second at a place of the ring."""
    ring[place] = count
    ring[place + 1] = high_half(total)
    ring[place + 2] = low_half(total)
    ring[place + 3] = offset


def judged_second(ring: vec[i64], place: i64, at: int) -> JudgedSecond:
    """The second `at`, which stands at a place of the ring."""
    return JudgedSecond(at, ring[place], total_of(ring, place), ring[place + 3])
