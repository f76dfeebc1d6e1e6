"""Quantiles: exact up to `EXACT` values, from logarithmic bins within 0.4 % beyond.

Which of the two answers depends on the number of values alone, never on when they were folded into bins, so that a
state restored from a checkpoint answers as the one that never stopped. The bins are integer arithmetic: the same on every machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

EXACT: Final = 4096
"""Up to so many values a window's quantiles are exact."""

_MANTISSA: Final = 8


def bin_of(value: int) -> int:
    """The bin of an integer value; bins are ordered as the values are. Below 256 a bin holds one value."""
    size = abs(value)
    shift = max(0, size.bit_length() - _MANTISSA)
    key = (shift << _MANTISSA) + (size >> shift)
    return key if value >= 0 else -key


def middle_of(key: int) -> int:
    """The value that stands for a bin: its middle, at most 1/256 from each of its values."""
    size = abs(key)
    if size < 1 << _MANTISSA:
        return key
    # a key holds its mantissa's leading bit, so shift 1 begins at 256 + 128
    shift = (size - (1 << (_MANTISSA - 1))) >> _MANTISSA
    middle = ((size - (shift << _MANTISSA)) << shift) + (1 << (shift - 1))
    return middle if key >= 0 else -middle


def fold(values: Iterable[int], bins: dict[int, int]) -> None:
    """Adds values to bins (bin → number of values)."""
    for value in values:
        key = bin_of(value)
        bins[key] = bins.get(key, 0) + 1


def rank(percent: int, count: int) -> int:
    """⌈percent % of count⌉, from 1."""
    return (percent * count + 99) // 100


def quantile(percent: int, count: int, ordered: Sequence[int], bins: dict[int, int] | None) -> int:
    """The ⌈percent·count/100⌉-th smallest value: of `ordered` (sorted), or its bin's middle where there are bins."""
    place = rank(percent, count)
    if bins is None:
        return ordered[place - 1]
    for key in sorted(bins):
        place -= bins[key]
        if place <= 0:
            return middle_of(key)
    raise AssertionError("bins hold fewer values than counted")
