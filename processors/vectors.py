"""Vectors of machine integers: a value × 10⁹ fits in 64 bits (semantics §2), a sum of them may not."""

from __future__ import annotations

from typing import Final

from librt.vecs import append, vec
from mypy_extensions import i64

_LOW: Final = 0xFFFFFFFF
_FITS: Final = 1 << 29
"""A high half below it makes an integer of 62 bits, which is no object."""


def high_half(number: int) -> int:
    """⌊number ÷ 2³²⌋; with `low_half` it makes the number of any 95 bits."""
    return number >> 32


def low_half(number: int) -> int:
    """The lower 32 bits, 0 or more."""
    return number & _LOW


def joined(high: i64, low: i64) -> int:
    """high × 2³² + low."""
    if -_FITS < high < _FITS and low <= _LOW:
        return (high << 32) + low
    return (int(high) << 32) + int(low)


def sum_of(values: vec[i64], begin: i64, end: i64) -> int:
    """The sum of the values at the places begin … end − 1."""
    high: i64 = 0
    low: i64 = 0
    at = begin
    while at < end:
        high += values[at] >> 32
        low += values[at] & _LOW
        at += 1
    return joined(high + (low >> 32), low & _LOW)


def listed(values: vec[i64], begin: i64, end: i64) -> list[int]:
    """The values at the places begin … end − 1."""
    return [int(value) for value in values[begin:end]]


def inserted(values: vec[i64], place: i64, value: i64) -> vec[i64]:
    """The values with another one at `place`; the given vector is used up."""
    values = append(values, value)
    at = i64(len(values)) - 1
    while at > place:
        values[at] = values[at - 1]
        at -= 1
    values[place] = value
    return values
