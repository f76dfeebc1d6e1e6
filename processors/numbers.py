"""Exact numbers: values and bounds are integers (value × 10⁹, semantics §2), doubles only on the way out."""

from __future__ import annotations

from math import nextafter

from schemas.outputs import Priority
from schemas.points import MAX_VALUE, VALUE_SCALE

PRIORITIES: tuple[Priority, ...] = ("P0", "P1", "P2")

_HALF_WAY = 1.5 * 2**52
"""Between 2⁵² and 2⁵³ doubles are the integers: adding this to a small number rounds it as the machine does, half to even."""
_SMALL = float(2**51)


def to_int(value: float) -> int:
    """The integer nearest to the double product value × 10⁹, half to even."""
    product = value * 1e9
    if -_SMALL <= product <= _SMALL:
        return int(product + _HALF_WAY - _HALF_WAY)
    return round(product)


def to_float(value: int) -> float:
    """integer ÷ 10⁹, rounded once to the nearest double."""
    return value / VALUE_SCALE


def float_at_most(bound: int) -> float:
    """The greatest convenient double whose integer is at most `bound`."""
    x = bound / VALUE_SCALE
    while to_int(x) > bound:
        x = nextafter(x, -MAX_VALUE * 2)
    return x


def float_at_least(bound: int) -> float:
    """The least convenient double whose integer is at least `bound`."""
    x = bound / VALUE_SCALE
    while to_int(x) < bound:
        x = nextafter(x, MAX_VALUE * 2)
    return x
