"""§5, UNKNOWN: the five reasons that the data may give, and what they do to the ladder."""

from __future__ import annotations

from tests.processors.both import Both, said, statuses
from tests.processors.settings import config

BAD = 5


def test_sparse_begins_at_a_point_and_stays_at_whole_seconds() -> None:
    """One point is sparse until a second one comes; whole seconds in between do not change it."""
    log = Both()
    log.point("clarity", 0.8, 100)
    log.point("trust", 0.8, 110)
    assert said(log.outs, "clarity") == [(100, "UNKNOWN sparse")]
    log.point("clarity", 0.8, 110)
    assert said(log.outs, "clarity")[-1] == (110, "OK")


def test_sparse_does_not_begin_at_a_whole_second() -> None:
    """A window that runs empty leaves the last status as it is until `missing`."""
    log = Both()
    log.every_second("clarity", 0.8, (100, 101))
    log.point("trust", 0.8, 130.9)
    assert said(log.outs, "clarity") == [(100, "UNKNOWN sparse"), (101, "OK")]
    log.point("trust", 0.8, 131)
    assert said(log.outs, "clarity")[-1] == (131, "UNKNOWN missing")


def test_running_timers_stand_while_a_whole_second_is_not_judged() -> None:
    """Too few points at whole seconds: neither judged nor forgotten; the next point with enough of them goes on counting."""
    log = Both(config(defaults={"window": "3s", "fast_window": "1s", "for": {"P0": "0s", "P1": "9s", "P2": "4s"}}))
    for t in (100, 100.5, 102, 104, 104.5):
        log.point("clarity", 0.88, t)
    # second 104 has one point in [101, 104): not judged
    assert said(log.outs) == [(100, "UNKNOWN sparse"), (100.5, "OK"), (104.5, "WARN P2 high")]
    assert statuses(log.outs)[-1]["evidence"]["rungs"][0]["since"] == 100_500


def test_missing_counts_from_the_greatest_ts_of_the_metric() -> None:
    """Thirty seconds of subject time after its newest point, to the second, though other metrics go on."""
    log = Both()
    log.every_second("clarity", 0.8, (100, 101))
    log.point("clarity", 0.8, 100.5)
    log.every_second("trust", 0.8, range(100, 140))
    assert said(log.outs, "clarity")[-1] == (131, "UNKNOWN missing")
    (missing,) = [v for v in statuses(log.outs) if v["reason"] == "missing"]
    assert (missing["value"], missing["evidence"]["count"], missing["evidence"]["first_offset"]) == (0.8, 1, 1)


def test_the_value_of_an_empty_window_is_null() -> None:
    """A late point alone makes a metric known: nothing in the window, value and first offset null."""
    log = Both()
    log.every_second("trust", 0.8, range(100, 140))
    (status,) = statuses(log.point("clarity", 0.8, 120, at=140))
    assert (status["metric"], status["reason"], status["value"], status["since"]) == ("clarity", "late", None, 139_000)
    assert status["evidence"]["first_offset"] is None
    assert (status["evidence"]["count"], status["evidence"]["late"]) == (0, 1)


def test_missing_comes_before_late() -> None:
    """A metric whose only point is 30 s old is missing."""
    log = Both()
    log.every_second("trust", 0.8, range(100, 140))
    assert [v["reason"] for v in statuses(log.point("clarity", 0.8, 109, at=140))] == ["missing"]


def test_late_when_more_are_late_than_on_time() -> None:
    """Two of four points late is half, and OK; the third makes it UNKNOWN."""
    log = Both()
    log.every_second("clarity", 0.8, (120, 121))
    log.point("clarity", 0.8, 100)
    log.point("clarity", 0.8, 100)
    assert said(log.outs)[-1] == (121, "OK")
    log.point("clarity", 0.8, 100)
    assert said(log.outs)[-1] == (121, "UNKNOWN late")
    assert statuses(log.outs)[-1]["evidence"]["late"] == 3


def test_late_points_count_in_the_second_in_which_they_arrive() -> None:
    """Thirty seconds after their arrival they are out of the judged window."""
    log = Both()
    log.every_second("clarity", 0.8, (120, 121))
    for _ in range(5):
        log.point("clarity", 0.8, 100)
    log.every_second("clarity", 0.81, range(122, 123))
    assert said(log.outs)[-1] == (121, "UNKNOWN late")
    log.every_second("trust", 0.8, range(123, 150))
    log.every_second("clarity", 0.8, (150,))
    log.every_second("clarity", 0.8, (151,))
    # the point of second 151 is judged over [122, 152)
    assert said(log.outs, "clarity")[-1] == (151, "OK")


def test_a_late_point_is_judged_at_the_unchanged_subject_time() -> None:
    """The status that it causes stands at the subject time so far."""
    log = Both()
    log.point("trust", 0.8, 121.5)
    (status,) = statuses(log.point("clarity", 0.8, 100))
    assert (status["since"], status["reason"]) == (121_500, "late")


def test_impossible_when_more_than_a_tenth_is_refused() -> None:
    """One of ten is a tenth, and OK; two of eleven is more."""
    log = Both()
    log.every_second("clarity", 0.8, range(100, 109))
    log.point("clarity", BAD, 108)
    log.point("clarity", 0.8, 108)
    assert said(log.outs) == [(100, "UNKNOWN sparse"), (101, "OK")]
    log.point("clarity", BAD, 108)
    assert said(log.outs)[-1] == (101, "OK")
    log.point("clarity", 0.8, 108)
    assert said(log.outs)[-1] == (108, "UNKNOWN impossible")


def test_late_points_count_among_all_for_impossible() -> None:
    """10 × refused > on time + late + refused."""
    log = Both()
    log.every_second("clarity", 0.8, range(100, 106))
    log.point("clarity", BAD, 105)
    for _ in range(3):
        log.point("clarity", 0.8, 90)
    # 6 on time, 3 late, 1 refused: exactly a tenth
    assert said(log.outs)[-1] != (105, "UNKNOWN impossible")
    log.point("clarity", BAD, 105)
    log.point("clarity", 0.8, 90)
    assert said(log.outs)[-1] == (105, "UNKNOWN impossible")


def test_refused_points_cause_no_judging() -> None:
    """They are counted, and tell at the next judging."""
    log = Both()
    log.every_second("clarity", 0.8, range(100, 103))
    for _ in range(10):
        assert statuses(log.point("clarity", BAD, 102)) == []
    assert said(log.point("trust", 0.8, 103)) == [(103, "UNKNOWN impossible"), (103, "UNKNOWN sparse")]


def test_refused_points_count_only_where_their_metric_can_be_read_and_is_known() -> None:
    """Wrong metric names, unreadable subjects, metrics without an accepted point: nothing to count them for."""
    log = Both()
    log.point("trust", BAD, 100)
    log.point("clarity", BAD, 100)
    log.every_second("clarity", 0.8, range(100, 110))
    for point in (
        {"subject": "alpha", "metric": "Clarity", "value": 1, "ts": 109_000},
        {"subject": 5, "metric": "clarity", "value": 1, "ts": 109_000},
        {"tenant": None, "subject": "alpha", "metric": "clarity", "value": 1, "ts": 109_000},
        {"subject": "beta", "metric": "clarity", "value": BAD, "ts": 109_000},
    ):
        log.send([point] * 10, at=110)
    log.every_second("clarity", 0.8, range(110, 120))
    assert said(log.outs) == [(100, "UNKNOWN sparse"), (101, "OK")]


def test_any_refusal_counts_whose_names_can_be_read() -> None:
    """Wrong types, bad times and bad sources are refusals of that metric, too."""
    for change in ({"value": "x"}, {"ts": 1.5}, {"ts": 10**12}, {"source": "/"}, {"value": None}):
        log = Both()
        log.every_second("clarity", 0.8, range(100, 103))
        log.send({"subject": "alpha", "metric": "clarity", "value": 0.8, "ts": 102_000, **change}, at=102)
        assert said(log.point("clarity", 0.8, 102)) == [(102, "UNKNOWN impossible")]


def test_impossible_comes_before_missing() -> None:
    """A metric that sends only nonsense is impossible as long as the nonsense stands in the window."""
    log = Both()
    log.every_second("clarity", 0.8, (100, 101))
    log.every_second("trust", 0.8, range(102, 125))
    log.point("clarity", BAD, 124)
    log.every_second("trust", 0.8, range(125, 160))
    assert said(log.outs, "clarity")[-2:] == [(125, "UNKNOWN impossible"), (155, "UNKNOWN missing")]


def test_stuck_after_ten_minutes_of_the_same_value() -> None:
    """600 s after the first of equal points, one a second: 600 points of at least 540."""
    log = Both()
    log.point("clarity", 0.81, 99)
    log.every_second("clarity", 0.8, range(100, 720))
    assert said(log.outs)[-1] == (700, "UNKNOWN stuck")
    log.point("clarity", 0.81, 720)
    assert said(log.outs)[-1] == (720, "OK")


def test_stuck_needs_nine_points_in_ten_seconds() -> None:
    """After 20 s of equal values: 18 points are enough, 17 are not; the seconds count to the millisecond."""
    world = config(defaults={"stuck_after": "20s", "missing_after": "1h", "window": "30s"})
    for number, reason in ((17, "OK"), (18, "UNKNOWN stuck")):
        log = Both(world)
        log.every_second("clarity", 0.8, range(100, 100 + number))
        log.point("trust", 0.8, 119.999)
        assert said(log.outs, "clarity")[-1] == (101, "OK")
        log.point("trust", 0.8, 120)
        assert said(log.outs, "clarity")[-1] == (120 if number == 18 else 101, reason)
    for t, last in ((121.111, (121.111, "UNKNOWN stuck")), (121.112, (121, "OK"))):
        log = Both(world)
        log.every_second("clarity", 0.8, range(100, 118))
        log.point("clarity", 0.8, t)
        # 18 points for 20 s at second 120, for 21 s at second 121; then 19 for 21.111 s or 21.112 s
        assert said(log.outs)[2:4] == [(120, "UNKNOWN stuck"), (121, "OK")]
        assert said(log.outs)[-1] == last


def test_stuck_looks_at_on_time_points_in_log_order() -> None:
    """Late points with another value do not break the run; one on time, even out of order, does."""
    for ts, last in ((130, (160, "UNKNOWN stuck")), (138.5, (101, "OK"))):
        log = Both(config(defaults={"stuck_after": "60s", "window": "30s"}, time={"max_age": "7d"}))
        log.every_second("clarity", 0.8, range(100, 140))
        log.point("clarity", 0.5, ts)
        log.every_second("clarity", 0.8, range(140, 162))
        assert said(log.outs)[-1] == last


def test_unknown_freezes_entered_rungs() -> None:
    """A rung entered before UNKNOWN counts again after it, however long it lasted."""
    log = Both()
    log.every_second("clarity", 0.88, range(100, 140))
    log.every_second("trust", 0.8, range(140, 300))
    log.point("clarity", 0.84, 300)
    log.point("clarity", 0.84, 301)
    assert said(log.outs, "clarity") == [
        (100, "UNKNOWN sparse"),
        (101, "OK"),
        (106, "WARN P2 high"),
        (169, "UNKNOWN missing"),
        (300, "UNKNOWN sparse"),
        (301, "WARN P2 high"),
    ]


def test_unknown_forgets_running_timers() -> None:
    """`for` counts from the first judging after UNKNOWN; so does `clear_for`."""
    log = Both()
    log.every_second("clarity", 0.88, range(100, 104))
    log.send([{"subject": "alpha", "metric": "clarity", "value": BAD, "ts": 103_000}] * 2, at=103)
    log.every_second("clarity", 0.88, range(104, 134))
    # 2 refused at second 103 and 20 points besides: known again at the point of 117; from there on 5 s
    assert said(log.outs) == [(100, "UNKNOWN sparse"), (101, "OK"), (104, "UNKNOWN impossible"), (117, "OK"), (122, "WARN P2 high")]


def test_unknown_has_no_priority_side_and_bound() -> None:
    """They are null, whatever rung is frozen; value and fast value are told all the same."""
    log = Both()
    log.every_second("clarity", 0.96, range(100, 104))
    log.point("clarity", BAD, 103)
    log.point("clarity", 0.96, 103.5)
    status = statuses(log.outs)[-1]
    assert (status["level"], status["reason"]) == ("UNKNOWN", "impossible")
    assert (status["priority"], status["side"], status["bound"]) == (None, None, None)
    assert (status["value"], status["fast_value"]) == (0.96, 0.96)
    assert [rung["entered"] for rung in status["evidence"]["rungs"]] == [False, True, True, False, False, False]


def test_from_one_reason_to_another() -> None:
    """A change of reason alone is a status of its own."""
    log = Both()
    log.point("clarity", 0.8, 100)
    log.every_second("trust", 0.8, range(101, 140))
    assert said(log.outs, "clarity") == [(100, "UNKNOWN sparse"), (130, "UNKNOWN missing")]


def test_a_metric_never_heard_of_has_no_status() -> None:
    """Four ladders are configured; one metric speaks."""
    log = Both()
    log.every_second("clarity", 0.8, range(100, 200))
    assert {v["metric"] for v in statuses(log.outs)} == {"clarity"}
