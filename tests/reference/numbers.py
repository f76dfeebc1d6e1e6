"""§2: numbers are integers of 10⁻⁹; what is printed is rounded once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

SCALE = 10**9


def scaled(value: float) -> int:
    """The integer nearest to the double product value × 10⁹, half to even."""
    return round(value * 1e9)


def printed(value: int) -> float:
    """An integer ÷ 10⁹, rounded once to the nearest double."""
    return float(Fraction(value, SCALE))


def mean(values: Sequence[int]) -> float:
    """sum ÷ (count × 10⁹), rounded once to the nearest double."""
    return float(Fraction(sum(values), len(values) * SCALE))


def stddev(values: Sequence[int]) -> float:
    """n·Σx² − (Σx)² as a double, its square root, ÷ the double n × 10⁹."""
    count = len(values)
    exact = count * sum(value * value for value in values) - sum(values) ** 2
    return math.sqrt(float(exact)) / float(count * SCALE)


def quantile(values: Sequence[int], share: Fraction) -> float:
    """The ⌈qn⌉-th smallest."""
    return printed(sorted(values)[math.ceil(share * len(values)) - 1])
