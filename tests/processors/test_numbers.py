"""§2: numbers and times as they come in and as they are printed."""

from __future__ import annotations

import json
import math
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from processors.engine import PartitionEngine
from processors.numbers import sum_of_squares
from tests.processors.both import Both, ms, plain, reasons, windows
from tests.processors.settings import TOPIC, config

WIDE = config(windows=["1s", "10s"], metrics={"load": {"high": {"P2": 5e8}}}, time={"max_age": "7d", "allowed_lateness": "5s"})


def window_of(*values: float, size: int = 10_000, metric: str = "load") -> dict[str, Any]:
    """The window that these values, 10 ms apart in one second, make."""
    log = Both(WIDE)
    for n, value in enumerate(values):
        log.point(metric, value, 100 + n / 100)
    (window,) = windows(log.point(metric, 0, 120), size)
    return window


def test_the_printed_mean_is_rounded_once() -> None:
    """0.1 + 0.2 + 0.3 is exact as integers, so the mean of the three is 0.2 and not its neighbour."""
    assert window_of(0.1, 0.2, 0.3)["mean"] == 0.2
    assert window_of(1e9, 1e-9, -1e9)["mean"] == 1 / 3e9


def test_sums_do_not_depend_on_the_order_of_adding() -> None:
    """Great and small values in any order give the same mean and deviation."""
    one, other = window_of(1e9, 0.3, -1e9, 0.1), window_of(0.1, -1e9, 0.3, 1e9)
    assert (one["mean"], one["stddev"]) == (other["mean"], other["stddev"])
    assert one["mean"] == 0.1


@given(st.lists(st.integers(-(10**18), 10**18), min_size=1))
@example([3_000_000_000] * 4096)
@example([-3_000_000_001, 0, 3_000_000_000])
def test_squares_are_summed_exactly(values: list[int]) -> None:
    """Whatever their size, also beyond what 64 bits hold."""
    assert sum_of_squares(sorted(values)) == sum(x * x for x in values)


def test_a_value_becomes_the_nearest_integer_half_to_even() -> None:
    """Digits below 10⁻⁹ are rounded: half of the last place goes to the even neighbour."""
    assert window_of(0.5e-9)["last"] == 0
    assert window_of(1.5e-9)["last"] == 2e-9
    assert window_of(2.5e-9)["last"] == 2e-9
    assert window_of(-0.5e-9)["last"] == 0


def test_standard_deviation_is_the_populations_from_the_exact_integer() -> None:
    """√(n·Σx² − (Σx)²) ÷ (n × 10⁹): 2 for the textbook's eight numbers, exactly 0 for equal ones."""
    assert window_of(2, 4, 4, 4, 5, 5, 7, 9)["stddev"] == 2.0
    assert window_of(0.1, 0.1, 0.1)["stddev"] == 0.0
    x, y = 123_456_789, 987_654_321
    expected = math.sqrt(float(2 * (x * x + y * y) - (x + y) ** 2)) / float(2 * 10**9)
    assert window_of(0.123456789, 0.987654321)["stddev"] == expected


def test_quantiles_are_values_by_nearest_rank() -> None:
    """p50 is the ⌈n/2⌉-th smallest, p95 the ⌈0.95 n⌉-th; equal points count each."""
    window = window_of(*[n / 100 for n in range(20, 0, -1)])
    assert (window["p50"], window["p95"]) == (0.10, 0.19)
    window = window_of(0.5, 0.5, 0.5, 0.9)
    assert (window["count"], window["p50"], window["p95"]) == (4, 0.5, 0.9)
    assert window_of(0.3)["p50"] == window_of(0.3)["p95"] == 0.3


def test_short_windows_have_no_quantiles() -> None:
    """Windows under 10 s tell p50 and p95 as null."""
    window = window_of(0.1, 0.2, size=1000)
    assert (window["count"], window["p50"], window["p95"]) == (2, None, None)


def test_many_points_keep_quantiles_within_one_percent() -> None:
    """20,000 points in one window: count and mean exact, quantiles within 1 % of the exact ones."""
    engine = PartitionEngine(WIDE, topic=TOPIC, partition=0, partitions=1)
    values = [((n * 7919) % 20_000 + 1) / 16 for n in range(20_000)]
    for start in range(0, 20_000, 5000):
        points = [{"subject": "alpha", "metric": "x", "value": v, "ts": 100_000 + i} for i, v in enumerate(values[start : start + 5000])]
        engine.points(start, 106_000, json.dumps(points).encode())
    outs = engine.points(20_000, 120_000, json.dumps([{"subject": "alpha", "metric": "x", "value": 1, "ts": 120_000}]).encode())
    (window,) = windows([plain(out) for out in outs])
    assert (window["count"], window["mean"], window["max"]) == (20_000, 20_001 / 32, 1250)
    assert window["p50"] == pytest.approx(625, rel=0.01)
    assert window["p95"] == pytest.approx(1187.5, rel=0.01)


def test_last_is_the_newest_and_of_equal_times_the_later_in_the_log() -> None:
    """A point out of order is not `last`; of two points of the same millisecond the second is."""
    log = Both(WIDE)
    log.point("load", 1, 100)
    log.point("load", 2, 101)
    log.point("load", 3, 101)
    log.point("load", 4, 100.5)
    (window,) = windows(log.point("load", 0, 120))
    assert window["last"] == 3


@pytest.mark.parametrize(
    ("ts", "read_as"),
    [
        (1_762_435_106_000, 1_762_435_106_000),
        ("2025-11-06T13:18:26Z", 1_762_435_106_000),
        ("2025-11-06T13:18:26.9999Z", 1_762_435_106_999),
        ("2025-11-06t15:18:26.5+02:00", 1_762_435_106_500),
        ("2025-11-06 07:48:26-05:30", 1_762_435_106_000),
    ],
)
def test_ts_is_integer_milliseconds_or_rfc_3339(ts: object, read_as: int) -> None:
    """Text with a zone is cut below the millisecond; the status stands at that instant."""
    outs = Both().send({"subject": "alpha", "metric": "clarity", "value": 0.8, "ts": ts}, at=1_762_435_107)
    assert [out.ts for out in outs] == [read_as]


@pytest.mark.parametrize(
    "ts",
    [
        1_762_435_106_000.0,
        1.7e12,
        "1762435106000",
        "2025-11-06T13:18:26",
        "2025-11-06",
        "2025-13-06T13:18:26Z",
        "2025-02-29T13:18:26Z",
        "2025-11-06T24:18:26Z",
        "2025-11-06T13:18:26+2:00",
        "1969-12-31T23:59:59Z",
        -1,
        253_402_300_800_000,
        10**30,
        True,
        None,
        "",
        [1],
    ],
)
def test_other_times_are_refused(ts: object) -> None:
    """Floats, quoted digits, text without a zone, impossible dates and years before 1970 or after 9999 are `invalid`."""
    assert reasons(Both().send({"subject": "alpha", "metric": "clarity", "value": 0.8, "ts": ts}, at=1_762_435_107)) == ["invalid"]


def test_integers_are_numbers_too() -> None:
    """`value: 1` is the number 1.0."""
    log = Both()
    log.point("clarity", 1, 5)
    (window,) = windows(log.point("clarity", 0, 20))
    assert (window["last"], ms(window["mean"])) == (1.0, 1000)
