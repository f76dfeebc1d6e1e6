"""§5, the ladder: how rungs are entered and left, and what a status tells."""

from __future__ import annotations

from tests.processors.both import Both, said, statuses
from tests.processors.settings import config


def one_window(**changes: object) -> Both:
    """A small world: a window of 2 s, `for` P1 1 s and P2 2 s, `clear_for` 2 s; clarity as in the table of metrics."""
    return Both(config(defaults={"window": "2s", "fast_window": "1s", "fast_min_points": 1, "min_points": 1, **changes}))


def test_exactly_on_a_bound_is_inside() -> None:
    """0.85 for a minute is OK; a billionth more is not."""
    log = Both()
    log.every_second("clarity", 0.85, range(60))
    assert said(log.outs) == [(0, "UNKNOWN sparse"), (1, "OK")]
    log = Both()
    log.every_second("clarity", 0.850000001, range(60))
    assert said(log.outs)[1:] == [(1, "OK"), (6, "WARN P2 high")]


def test_exactly_on_a_low_bound_is_inside() -> None:
    """0.70 is OK, a billionth less is not."""
    log = Both()
    log.every_second("clarity", 0.70, range(60))
    assert said(log.outs)[1:] == [(1, "OK")]
    log = Both()
    log.every_second("clarity", 0.699999999, range(60))
    assert said(log.outs)[1:] == [(1, "OK"), (6, "WARN P2 low")]


def test_a_mean_that_is_exact_only_in_integers_is_exactly_on_the_bound() -> None:
    """0.8 and 0.9 in turn: the sum of doubles is off, the mean 0.85 is exact and inside."""
    log = Both()
    for n in range(200):
        log.point("clarity", (0.8, 0.9)[n % 2], 100 + n / 2)
    assert [what for _, what in said(log.outs)] == ["UNKNOWN sparse", "OK"]


def test_p0_is_entered_at_once_p1_after_two_seconds_p2_after_five() -> None:
    """`for`: 0 s, 2 s, 5 s since the judging that first found the statistic beyond."""
    for value, expected in ((0.96, (1, "BLOCK P0 high")), (0.92, (3, "BLOCK P1 high")), (0.86, (6, "WARN P2 high"))):
        log = Both()
        log.every_second("clarity", value, range(20))
        assert said(log.outs)[-1] == expected


def test_for_begins_anew_when_one_judging_finds_the_statistic_inside() -> None:
    """One moment inside the bound, also between whole seconds, and the wait starts again."""
    log = one_window()
    log.every_second("clarity", 0.88, (100, 101))
    log.point("clarity", 0.70, 101.5)
    log.every_second("clarity", 0.88, range(102, 107))
    # inside from the point of 101.5 on; the point of 103, judged over [102, 104), finds it beyond again
    assert said(log.outs) == [(100, "OK"), (105, "WARN P2 high")]
    assert statuses(log.outs)[-1]["evidence"]["rungs"][0] == {
        "side": "high",
        "priority": "P2",
        "bound": 0.85,
        "entered": False,
        "since": 103_000,
    }


def test_a_timer_counts_to_the_millisecond_of_its_judging() -> None:
    """Beyond since the point at 100.4: P1's one second is over at the judging at 101.4, not at second 101."""
    log = one_window()
    log.point("clarity", 0.92, 100.4)
    log.point("clarity", 0.92, 101.399)
    assert said(log.outs) == [(100.4, "OK")]
    log.point("clarity", 0.92, 101.4)
    assert said(log.outs) == [(100.4, "OK"), (101.4, "BLOCK P1 high")]


def test_hysteresis_holds_a_rung() -> None:
    """WARN at 0.86; 0.84 is inside the bound but not by 0.02, so it stays; 0.83 clears it after 10 s."""
    log = Both()
    log.every_second("clarity", 0.86, range(60))
    log.every_second("clarity", 0.84, range(60, 160))
    assert said(log.outs)[-1] == (6, "WARN P2 high")
    log.every_second("clarity", 0.83, range(160, 220))
    # the mean of 30 s is exactly 0.83 from the judging at second 190 on
    assert said(log.outs)[-1] == (199, "OK")


def test_clear_for_begins_anew_when_one_judging_is_not_inside() -> None:
    """A rung is left only when every judging for `clear_for` found the statistic inside by the hysteresis."""
    log = one_window()
    log.every_second("clarity", 0.88, range(100, 104))
    log.every_second("clarity", 0.80, (104, 105))
    log.point("clarity", 0.99, 105.5)
    log.every_second("clarity", 0.80, range(106, 112))
    # inside at the point of 105, not at that of 105.5; the point of 107 is the first to be judged without it
    assert said(log.outs) == [(100, "OK"), (102, "WARN P2 high"), (109, "OK")]


def test_highest_rung_counts_and_lower_ones_come_back() -> None:
    """Level, priority and bound are those of the highest rung; when it is left the next one counts."""
    log = Both()
    log.every_second("chaos", 0.65, range(30))
    log.every_second("chaos", 0.95, range(30, 34))
    log.every_second("chaos", 0.65, range(34, 80))
    assert [(v["level"], v["priority"], v["side"], v["bound"]) for v in statuses(log.outs)][1:] == [
        ("OK", None, None, None),
        ("WARN", "P2", "high", 0.60),
        ("BLOCK", "P0", "high", 0.80),
        ("WARN", "P2", "high", 0.60),
    ]


def test_a_crisis_is_seen_by_the_mean_of_three_seconds() -> None:
    """Three points past P0 in three seconds make BLOCK P0 while the mean of 30 s is still inside; `value` tells the long mean."""
    log = Both()
    log.every_second("pain", 0.30, range(100, 130))
    log.every_second("pain", 0.75, range(130, 133))
    (status,) = [v for v in statuses(log.outs) if v["priority"] == "P0"]
    assert (status["since"], status["value"], status["fast_value"]) == (132_000, 0.345, 0.75)


def test_a_fast_window_with_fewer_than_three_points_is_not_looked_at() -> None:
    """Two points in the last 3 s say nothing about a crisis, and `fast_value` is null."""
    log = Both()
    log.every_second("pain", 0.30, range(100, 130))
    log.point("pain", 0.95, 133)
    log.point("pain", 0.95, 134)
    assert said(log.outs)[-1] == (101, "OK")
    log.point("pain", 0.95, 134.5)
    assert said(log.outs)[-1] == (134.5, "BLOCK P0 high")
    log = Both()
    log.point("pain", 0.75, 100)
    log.point("pain", 0.75, 101)
    assert [v["fast_value"] for v in statuses(log.outs)] == [None, None]
    assert said(log.outs)[-1] == (101, "BLOCK P0 high")


def test_p0_is_left_only_when_both_means_are_inside() -> None:
    """After the crisis the long mean keeps P0 though the last 3 s are calm, and the other way round."""
    log = Both()
    log.every_second("pain", 0.90, range(100, 130))
    log.every_second("pain", 0.30, range(130, 200))
    # the mean of 30 s is at most 0.68, 0.58 and 0.48 from the 11th, the 16th and the 21st calm point on: 140, 145, 150
    assert said(log.outs)[1:] == [(101, "BLOCK P0 high"), (150, "BLOCK P1 high"), (155, "WARN P2 high"), (160, "OK")]


def test_only_p0_looks_at_the_fast_mean() -> None:
    """A short peak between P1 and P0 enters no rung."""
    log = Both()
    log.every_second("chaos", 0.45, range(100, 130))
    log.every_second("chaos", 0.79, range(130, 135))
    log.every_second("chaos", 0.45, range(135, 170))
    assert said(log.outs) == [(100, "UNKNOWN sparse"), (101, "OK")]


def test_of_both_sides_p0_entered_at_one_judging_low_counts() -> None:
    """The long mean is past one side's P0 when the short mean goes past the other's: at the first judging that looks, low."""
    both = config(
        defaults={"min_points": 4},
        metrics={"load": {"low": {"P0": 10}, "high": {"P0": 20}, "fast_window": "1s", "fast_min_points": 1}},
    )
    log = Both(both)
    for n in range(3):
        log.point("load", 1000, 100 + n)
    log.point("load", 0, 103)
    # first judged with enough points at 103: mean 750, last second 0
    assert said(log.outs) == [(100, "UNKNOWN sparse"), (103, "BLOCK P0 low")]
    rungs = statuses(log.outs)[-1]["evidence"]["rungs"]
    assert [(rung["side"], rung["entered"]) for rung in rungs] == [("high", False), ("low", False)]


def test_of_equal_rungs_the_one_entered_last_counts() -> None:
    """Both sides' P0 are entered: the later one tells side and bound, and the earlier comes back when it is left."""
    quick = config(
        defaults={"clear_for": "3s", "window": "8s", "stuck_after": "1m"},
        metrics={"load": {"low": {"P0": 10}, "high": {"P0": 20}, "fast_window": "1s", "fast_min_points": 1}},
    )
    log = Both(quick)
    log.every_second("load", 30, range(100, 104))
    log.point("load", 0, 104)
    log.every_second("load", 15, range(105, 120))
    # low is inside from the point of 105 on; high from that of 108, when the mean of [101, 109) is 18.75
    assert said(log.outs) == [
        (100, "UNKNOWN sparse"),
        (101, "BLOCK P0 high"),
        (104, "BLOCK P0 low"),
        (108, "BLOCK P0 high"),
        (111, "OK"),
    ]


def test_all_metrics_are_judged_at_a_whole_second_and_one_at_a_point() -> None:
    """A point of one metric moves the second for all; between whole seconds it is judged alone."""
    log = one_window()
    log.point("clarity", 0.92, 100)
    log.point("trust", 0.99, 100)
    outs = log.point("trust", 0.99, 102)
    # both are beyond their P1 since 100 and 1 s has passed at second 101
    assert [(o.value["metric"], o.ts) for o in outs if o.topic == "slo.status"] == [("clarity", 101_000), ("trust", 101_000)]


def test_statuses_of_one_instant_stand_in_the_order_of_the_configuration() -> None:
    """Clarity, chaos, trust, pain, in whichever order they were first heard of."""
    log = Both()
    for t in (100, 101, 150):
        for metric in ("pain", "trust", "chaos", "clarity"):
            log.point(metric, 0.5 if metric != "pain" else 0.3, t)
    missing = [o.value["metric"] for o in log.outs if o.topic == "slo.status" and o.value["reason"] == "missing"]
    assert missing == ["clarity", "chaos", "trust", "pain"]


def test_a_status_is_emitted_only_when_it_differs() -> None:
    """Ten minutes of the same level say it once."""
    log = Both()
    for t in range(600):
        log.point("clarity", 0.80 + (t % 2) / 100, t)
    assert said(log.outs) == [(0, "UNKNOWN sparse"), (1, "OK")]


def test_previous_is_the_status_before() -> None:
    """The first has none; each other tells level, priority and since of the last."""
    log = Both()
    log.every_second("clarity", 0.96, range(100, 103))
    first, second = statuses(log.outs)
    assert first["previous"] is None
    assert second["previous"] == {"level": "UNKNOWN", "priority": None, "since": 100_000}
    log.every_second("clarity", 0.80, range(103, 200))
    assert statuses(log.outs)[2]["previous"] == {"level": "BLOCK", "priority": "P0", "since": 101_000}


def test_a_status_tells_statistic_window_and_configuration() -> None:
    """What was judged, over which window, by which configuration."""
    log = Both()
    (status,) = statuses(log.point("clarity", 0.8, 100))
    assert (status["statistic"], status["window_ms"], status["config"]) == ("mean", 30_000, log.engine.config_hash)


def test_evidence_is_the_judged_window() -> None:
    """Count, late points, the oldest point's offset, the causing record's, and the rungs as they stood before."""
    log = Both()
    log.ticks(range(5))
    log.point("clarity", 0.86, 100)
    log.point("clarity", 0.86, 95)
    log.point("clarity", 0.86, 90)
    log.every_second("clarity", 0.86, range(101, 110))
    status = statuses(log.outs)[-1]
    evidence = status["evidence"]
    # 7 records (ticks and points) before the late one at offset 7; then 101 to 105; the point of 105 brings second 105 with it
    assert (status["since"], status["priority"]) == (105_000, "P2")
    assert (evidence["topic"], evidence["partition"]) == ("iskra.metrics.points", 0)
    assert (evidence["count"], evidence["late"], evidence["first_offset"], evidence["last_offset"]) == (6, 1, 5, 12)
    assert [rung["priority"] for rung in evidence["rungs"]] == ["P2", "P1", "P0"] * 2
    assert [rung["since"] for rung in evidence["rungs"]] == [100_000, None, None, None, None, None]
    assert not any(rung["entered"] for rung in evidence["rungs"])


def test_pain_has_no_low_side() -> None:
    """Pain 0 is OK: its low range is for people only."""
    log = Both()
    log.every_second("pain", 0.0, range(30))
    assert said(log.outs)[-1] == (1, "OK")


def test_trust_cannot_exceed_one() -> None:
    """Trust 1.0 is BLOCK P1: there is no P0 above."""
    log = Both()
    log.every_second("trust", 1.0, range(30))
    assert said(log.outs)[-1] == (3, "BLOCK P1 high")
