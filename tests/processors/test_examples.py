"""The worked examples of docs/semantics.md §9, as timelines."""

from __future__ import annotations

import pytest

from tests.processors.both import Both, said, statuses, windows


def test_a_metric_climbs_the_ladder_and_comes_down() -> None:
    """Clarity 0.80, 0.92 at 30–59, then 0.80: rung by rung up by `for`, down by hysteresis and `clear_for`."""
    log = Both()
    log.every_second("clarity", 0.80, range(30), ticks=True)
    log.every_second("clarity", 0.92, range(30, 60), ticks=True)
    log.every_second("clarity", 0.80, range(60, 100), ticks=True)
    assert said(log.outs) == [
        (0, "UNKNOWN sparse"),
        (1, "OK"),
        (47, "WARN P2 high"),
        (57, "BLOCK P1 high"),
        (79, "WARN P2 high"),
        (92, "OK"),
    ]
    assert [v["value"] for v in statuses(log.outs)] == [0.8, 0.8, 0.868, 0.908, 0.844, 0.8]
    assert [v["bound"] for v in statuses(log.outs)] == [None, None, 0.85, 0.90, 0.85, None]


@pytest.mark.parametrize("up", [True, False], ids=["ticks", "no ticks between 101 and 199"])
def test_silence_is_missing_and_the_rung_is_frozen(up: bool) -> None:
    """Silence turns a metric UNKNOWN at second 130, by the 31st tick or by the next point, and the rung outlives it."""
    log = Both()
    log.every_second("clarity", 0.80, range(60), ticks=True)
    log.every_second("clarity", 0.87, range(60, 100), ticks=True)
    log.point("clarity", 0.87, 100)
    log.tick(100)
    while_silent = log.ticks(range(101, 200)) if up else []
    after = log.every_second("clarity", 0.80, range(200, 240), ticks=True)
    assert said(log.outs) == [
        (0, "UNKNOWN sparse"),
        (1, "OK"),
        (86, "WARN P2 high"),
        (130, "UNKNOWN missing"),
        (200, "UNKNOWN sparse"),
        (201, "WARN P2 high"),
        (211, "OK"),
    ]
    (missing,) = [out for out in (while_silent if up else after) if out.value.get("reason") == "missing"]
    # 101 points; ticks 0 to 130, or (we were down) 0 to 100 and then the point at 200
    assert missing.id.split("-")[1] == ("231" if up else "202")
    assert (missing.value["value"], missing.value["since"], missing.value["evidence"]["count"]) == (0.87, 130_000, 1)


def test_a_storm_is_seen_at_its_third_point() -> None:
    """Chaos 0.45, 0.90 at 40–59: the 3 s mean makes P0 at the point of second 42; the mean of 30 s clears it."""
    log = Both()
    log.every_second("chaos", 0.45, range(40), ticks=True)
    log.every_second("chaos", 0.90, range(40, 60), ticks=True)
    log.every_second("chaos", 0.45, range(60, 100), ticks=True)
    assert said(log.outs) == [
        (0, "UNKNOWN sparse"),
        (1, "OK"),
        (42, "BLOCK P0 high"),
        (70, "BLOCK P1 high"),
        (84, "WARN P2 high"),
        (91, "OK"),
    ]
    assert [v["value"] for v in statuses(log.outs)][2:] == [0.495, 0.75, 0.54, 0.45]
    assert statuses(log.outs)[2]["fast_value"] == 0.9


def test_late_points_are_in_no_window_and_counted() -> None:
    """What comes after its window has closed is late; what is merely out of order is on time."""
    log = Both()
    log.point("clarity", 0.8, 8.0)
    log.point("clarity", 0.7, 9.9)
    (first,) = windows(log.point("clarity", 0.5, 15.2))
    assert (first["start"], first["count"], first["mean"], first["late"]) == (0, 2, 0.75, 0)
    assert windows(log.point("clarity", 0.6, 9.0)) == []
    log.point("clarity", 0.4, 15.0)
    log.point("clarity", 0.5, 16.0)
    log.point("clarity", 0.9, 9.5)
    (second,) = windows(log.point("clarity", 0.5, 25.0))
    assert (second["start"], second["count"], second["min"], second["late"]) == (10_000, 3, 0.4, 2)
