"""§1, §5: another configuration, from its marker in the log on."""

from __future__ import annotations

from typing import Any

import msgspec

from tests.processors.both import Both, reasons, said, statuses, windows
from tests.processors.settings import config

PARTS: dict[str, Any] = {"time": {"max_age": "7d"}, "windows": ["10s", "20s"], "defaults": {"stuck_after": "10m"}}
WORLD = config(**PARTS)


def test_a_marker_with_the_same_configuration_does_nothing() -> None:
    """Running timers go on, the hash stays."""
    log = Both()
    log.every_second("clarity", 0.88, range(100, 103))
    before = log.engine.config_hash
    log.configure(log.reference.config)
    assert log.engine.config_hash == before
    log.every_second("clarity", 0.88, range(103, 108))
    assert said(log.outs)[-1] == (106, "WARN P2 high")


def test_other_bounds_judge_from_the_marker_on() -> None:
    """What was OK is WARN after the rung's own wait; the status names the new configuration."""
    log = Both(WORLD)
    log.every_second("clarity", 0.82, range(100, 110))
    old = log.engine.config_hash
    lower = {**_metrics(), "clarity": {"values": [0, 1], "high": {"P2": 0.81}}}
    log.configure(config(**PARTS, metrics=lower))
    log.every_second("clarity", 0.825, range(110, 116))
    assert said(log.outs)[-1] == (112, "WARN P2 high")
    assert [v["config"] for v in statuses(log.outs)[:2]] == [old, old]
    assert statuses(log.outs)[-1]["config"] == log.engine.config_hash != old


def test_rungs_of_the_same_side_and_priority_keep_their_state() -> None:
    """A rung that is entered stays so under its new bound, and one that is gone is gone."""
    log = Both(WORLD)
    log.every_second("clarity", 0.92, range(100, 110))
    assert said(log.outs)[-1] == (102, "BLOCK P1 high")
    without = {**_metrics(), "clarity": {"values": [0, 1], "high": {"P2": 0.90}}}
    log.configure(config(**PARTS, metrics=without))
    log.every_second("clarity", 0.89, range(110, 111))
    (status,) = statuses(log.outs)[-1:]
    assert (status["level"], status["priority"], status["bound"]) == ("WARN", "P2", 0.90)
    assert [(rung["priority"], rung["entered"]) for rung in status["evidence"]["rungs"]] == [("P2", True)]


def test_a_metric_that_loses_its_ladder_keeps_its_last_status() -> None:
    """It goes on having windows; nothing is said of its level any more."""
    log = Both(WORLD)
    log.every_second("clarity", 0.92, range(100, 110))
    log.configure(msgspec.structs.replace(WORLD, metrics={name: metric for name, metric in WORLD.metrics.items() if name != "clarity"}))
    log.every_second("clarity", 0.1, range(110, 150))
    assert said(log.outs)[-1] == (102, "BLOCK P1 high")
    assert windows(log.outs)[-1]["mean"] == 0.1


def test_a_window_size_that_stays_keeps_its_open_window() -> None:
    """A size is added in the middle of a window: the others lose no point."""
    log = Both(WORLD)
    log.every_second("mood", 1, range(100, 115))
    log.configure(config(**{**PARTS, "windows": ["5s", "10s", "20s"]}))
    log.every_second("mood", 1, range(115, 145))
    assert [(w["start"] // 1000, w["count"]) for w in windows(log.outs, 20_000)] == [(100, 20), (120, 20)]
    assert [(w["start"] // 1000, w["count"]) for w in windows(log.outs)] == [(100, 10), (110, 10), (120, 10), (130, 10)]
    assert [(w["start"] // 1000, w["count"]) for w in windows(log.outs, 5000)][:2] == [(110, 5), (115, 5)]


def test_a_tenant_no_longer_listed_is_unknown() -> None:
    """Its points are refused from the marker on, known subject or not."""
    log = Both(WORLD)
    log.every_second("clarity", 0.8, range(100, 103))
    log.configure(config(**PARTS, tenants=["t2"]))
    assert reasons(log.point("clarity", 0.8, 103)) == ["unknown_tenant"]
    assert reasons(log.point("clarity", 0.8, 103, tenant="t2")) == []


def _metrics() -> dict[str, object]:
    return {
        "clarity": {"values": [0, 1], "low": {"P2": 0.70, "P1": 0.65, "P0": 0.50}, "high": {"P2": 0.85, "P1": 0.90, "P0": 0.95}},
        "trust": {"values": [0, 1], "low": {"P2": 0.60, "P1": 0.55, "P0": 0.40}, "high": {"P2": 0.90, "P1": 0.95}},
    }


def test_a_metric_without_bounds_has_no_ladder() -> None:
    """It is configured, so it stands in that order among the windows; it has no status."""
    log = Both(config(metrics={"mood": {}}, windows=["10s"], time={"max_age": "7d"}))
    for metric in ("apathy", "mood", "clarity"):
        log.point(metric, 0.8, 100)
    log.point("mood", 1, 120)
    assert {v["metric"] for v in statuses(log.outs)} == {"clarity"}
    assert [w["metric"] for w in windows(log.outs)] == ["clarity", "mood", "apathy"]


def _with_lateness(text: str) -> Any:
    return config(**{**PARTS, "time": {**PARTS["time"], "allowed_lateness": text}})


def test_a_shorter_lateness_closes_at_once_what_it_makes_final() -> None:
    """The window that ended 4 s ago comes out at the next second, with its own points alone."""
    log = Both(_with_lateness("5s"))
    log.every_second("clarity", 0.80, range(95, 104))
    log.configure(_with_lateness("2s"))
    log.every_second("clarity", 0.80, range(104, 115))
    tens = [(w["start"], w["count"]) for w in windows(log.outs) if w["size_ms"] == 10_000]
    assert tens == [(90_000, 5), (100_000, 10)]


def test_a_much_shorter_lateness_closes_several_windows_each_with_its_own_points() -> None:
    """The windows of the last 25 s come out at the next second, by size, then by start."""
    log = Both(_with_lateness("25s"))
    log.every_second("clarity", 0.80, range(60, 104))
    log.configure(_with_lateness("2s"))
    outs = log.every_second("clarity", 0.80, range(104, 105))
    tens = [(w["start"] // 1000, w["count"]) for w in windows(outs)]
    assert tens == [(70, 10), (80, 10), (90, 10)]
    assert [(w["start"] // 1000, w["count"]) for w in windows(outs, 20_000)] == [(60, 20), (80, 20)]


def test_what_a_subject_slept_through_stays_final_under_a_longer_lateness() -> None:
    """Silent, its windows empty, its time moved by the ticks: a point behind what was final then is late."""
    log = Both(_with_lateness("1s"))
    log.every_second("mood", 1, range(100, 103), ticks=True)
    log.ticks(range(103, 130))
    log.configure(_with_lateness("20s"))
    log.point("mood", 1, 131)
    log.point("mood", 1, 122)
    log.every_second("mood", 1, range(132, 170))
    assert [(w["start"] // 1000, w["count"], w["late"]) for w in windows(log.outs)] == [(100, 3, 0), (130, 9, 1)]


def test_a_longer_lateness_opens_no_final_window_again() -> None:
    """A point behind what was emitted is late, though the new lateness would still take it."""
    log = Both(_with_lateness("2s"))
    log.every_second("clarity", 0.80, range(95, 104))
    log.configure(_with_lateness("8s"))
    log.every_second("clarity", 0.80, range(104, 105))
    log.point("clarity", 0.30, 98)
    log.every_second("clarity", 0.80, range(105, 125))
    tens = [(w["start"], w["count"], w["late"]) for w in windows(log.outs) if w["size_ms"] == 10_000]
    assert tens == [(90_000, 5, 0), (100_000, 10, 1)]
