"""Exact numbers: values and bounds are integers (value × 10⁹, semantics §2), doubles only on the way out."""

from __future__ import annotations

from math import nextafter
from operator import mul, truediv
from typing import Final

from mypy_extensions import i64

from schemas.outputs import Priority
from schemas.points import MAX_VALUE, VALUE_SCALE

PRIORITIES: tuple[Priority, ...] = ("P0", "P1", "P2")

_HALF_WAY: Final = 1.5 * 2**52
"""Between 2⁵² and 2⁵³ doubles are the integers: adding this to a small number rounds it as the machine does, half to even."""
_SMALL: Final = 2.0**51
_DOUBLE_FITS: Final = 1 << 53
"""Up to it each integer is a double."""
_SQUARE_FITS: Final = 3_000_000_000
"""Up to it a square stands in 63 bits."""


def to_int(value: float) -> int:
    """The integer nearest to the double product value × 10⁹, half to even."""
    product = value * 1e9
    if -_SMALL <= product <= _SMALL:
        return int(product + _HALF_WAY - _HALF_WAY)
    return round(product)


def divide(above: int, below: int) -> float:
    """The double nearest to above ÷ below (> 0): rounded once, whatever their size."""
    if -_DOUBLE_FITS <= above <= _DOUBLE_FITS and below <= _DOUBLE_FITS:
        return above / below
    # compiled, `/` makes doubles of both first, which rounds greater ones beforehand
    exact: float = truediv(above, below)
    return exact


def to_float(value: int) -> float:
    """integer ÷ 10⁹, rounded once to the nearest double."""
    return divide(value, VALUE_SCALE)


def sum_of_squares(ordered: list[int]) -> int:
    """Σ x² of sorted integers."""
    if ordered[0] < -_SQUARE_FITS or ordered[-1] > _SQUARE_FITS:
        return sum(map(mul, ordered, ordered))
    # the sum may leave 64 bits, so its halves are added up
    low: i64 = 0
    high: i64 = 0
    for value in ordered:
        x: i64 = value
        square = x * x
        low += square & 0xFFFFFFFF
        high += square >> 32
    return (int(high) << 32) + int(low)


def float_at_most(bound: int) -> float:
    """The greatest convenient double whose integer is at most `bound`."""
    x = to_float(bound)
    while to_int(x) > bound:
        x = nextafter(x, -MAX_VALUE * 2)
    return x


def float_at_least(bound: int) -> float:
    """The least convenient double whose integer is at least `bound`."""
    x = to_float(bound)
    while to_int(x) < bound:
        x = nextafter(x, MAX_VALUE * 2)
    return x
