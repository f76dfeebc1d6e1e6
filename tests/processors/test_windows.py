"""§4: tumbling windows."""

from __future__ import annotations

from tests.processors.both import Both, windows
from tests.processors.settings import DEFAULT, NO_LATENESS, config


def test_windows_are_aligned_to_the_epoch_and_close_after_the_lateness() -> None:
    """[100, 110) is emitted when subject time reaches 115, with `ts` 110; not a millisecond earlier."""
    log = Both()
    log.point("clarity", 0.5, 103)
    log.point("clarity", 0.7, 109.999)
    log.point("clarity", 0.9, 110)
    assert windows(log.point("clarity", 0.9, 114.999)) == []
    (out,) = [o for o in log.point("clarity", 0.9, 115) if o.topic == "slo.windows"]
    assert (out.ts, out.value["start"], out.value["size_ms"]) == (110_000, 100_000, 10_000)
    assert (out.value["count"], out.value["mean"]) == (2, 0.6)


def test_empty_windows_are_never_emitted() -> None:
    """A gap of an hour leaves the two windows of each size in which there were points."""
    log = Both()
    log.point("clarity", 0.5, 100)
    log.point("clarity", 0.5, 3700)
    assert [(w["start"], w["size_ms"]) for out in log.outs if out.topic == "slo.windows" for w in [out.value]] == [
        (100_000, 10_000),
        (60_000, 60_000),
    ]


def test_a_window_with_late_points_alone_is_empty() -> None:
    """Late points are in no window, so they do not make one."""
    log = Both()
    log.point("trust", 0.7, 125)
    log.point("clarity", 0.5, 100)
    log.point("trust", 0.7, 150)
    assert [w["metric"] for w in windows(log.outs)] == ["trust"]


def test_every_metric_has_windows() -> None:
    """A metric without a ladder has them too; a metric that was never accepted has none."""
    log = Both()
    log.point("mood", -2, 100)
    log.point("chaos", 7, 100)
    log.point("mood", 2, 130)
    assert [w["metric"] for w in windows(log.outs)] == ["mood"]


def test_order_is_size_then_configured_metrics_then_others_by_name() -> None:
    """At one instant: 10 s before 60 s; clarity, chaos, trust, pain; then the others."""
    log = Both()
    for metric in ("zeal", "pain", "mood", "clarity", "trust", "chaos"):
        log.point(metric, 0.5, 115)
    outs = log.point("apathy", 0.5, 125)
    in_order = ["clarity", "chaos", "trust", "pain", "mood", "zeal"]
    got = [(o.value["size_ms"], o.value["metric"]) for o in outs if o.topic == "slo.windows"]
    assert got == [(10_000, metric) for metric in in_order] + [(60_000, metric) for metric in in_order]


def test_windows_stand_before_statuses_of_their_instant_and_after_those_of_earlier_ones() -> None:
    """One record that moves time over a minute: by instant, and within it windows first."""
    log = Both()
    log.every_second("clarity", 0.8, range(100, 106))
    outs = log.point("clarity", 0.8, 170)
    assert [(o.topic, o.ts) for o in outs] == [
        ("slo.windows", 110_000),
        ("slo.windows", 120_000),
        ("slo.status", 135_000),
        ("slo.status", 170_000),
    ]


def test_late_counts_where_subject_time_stood() -> None:
    """Late points count for the windows, of each size, in which subject time stood when they came."""
    log = Both()
    log.point("clarity", 0.5, 119)
    log.point("clarity", 0.5, 100)
    log.point("clarity", 0.5, 121)
    log.point("clarity", 0.5, 101)
    log.point("clarity", 0.5, 102)
    log.point("clarity", 0.5, 200)
    assert [(w["start"] // 1000, w["late"]) for w in windows(log.outs)] == [(110, 1), (120, 2)]
    assert [(w["start"] // 1000, w["late"]) for w in windows(log.outs, 60_000)] == [(60, 1), (120, 2)]


def test_late_counts_each_metric_by_itself() -> None:
    """A late point of one metric is none of the other's."""
    log = Both()
    log.point("clarity", 0.5, 119)
    log.point("trust", 0.7, 119)
    log.point("clarity", 0.5, 100)
    log.point("clarity", 0.5, 140)
    assert [(w["metric"], w["late"]) for w in windows(log.outs) if w["start"] == 110_000] == [("clarity", 1), ("trust", 0)]


def test_final_means_final() -> None:
    """What comes after a window's close changes nothing and makes no second one."""
    log = Both()
    log.point("clarity", 0.5, 105)
    log.point("clarity", 0.5, 115)
    log.point("clarity", 0.9, 109)
    log.point("clarity", 0.5, 190)
    assert [w["start"] for w in windows(log.outs)].count(100_000) == 1


def test_out_of_order_within_the_lateness_gives_the_same_windows() -> None:
    """The order of points within the lateness does not matter, equal times apart."""
    times = [100, 101.5, 102, 103.25, 104.999]
    straight, twisted = Both(), Both()
    for t in times:
        straight.point("clarity", t % 1, t)
    for t in [104.999, *times[:-1][::-1]]:
        twisted.point("clarity", t % 1, t)
    for log in (straight, twisted):
        log.point("clarity", 0.5, 170)
    assert windows(straight.outs) == windows(twisted.outs)


def test_windows_of_one_second() -> None:
    """Sizes are configuration: with no lateness a second is final when the next begins."""
    log = Both(NO_LATENESS)
    log.point("clarity", 0.25, 100.9)
    (window,) = windows(log.point("clarity", 0.5, 101), 1000)
    assert (window["start"], window["count"], window["mean"]) == (100_000, 1, 0.25)


def test_windows_that_divide_nothing() -> None:
    """Sizes of 7 s and 3 s are aligned to the epoch each by itself."""
    log = Both(config(windows=["3s", "7s"]))
    log.every_second("mood", 1, range(100, 130))
    assert [(w["start"] // 1000, w["count"]) for w in windows(log.outs, 7000)] == [(98, 5), (105, 7), (112, 7), (119, 7)]
    assert [w["start"] // 1000 for w in windows(log.outs, 3000)][:3] == [99, 102, 105]


def test_equal_points_count_each() -> None:
    """The same point twice is two points: what is delivered twice is counted twice."""
    log = Both(DEFAULT)
    log.point("clarity", 0.5, 100)
    log.point("clarity", 0.5, 100)
    (window,) = windows(log.point("clarity", 0.5, 120))
    assert window["count"] == 2
