"""The worked examples of docs/semantics.md §9 on the literal implementation."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

import pytest

from iskra.config_files import load
from tests.reference import Out, Reference

CONFIG = load()


def timeline(metric: str, value: Callable[[int], float | None], seconds: Iterable[int], ticks: Callable[[int], bool]) -> list[Out]:
    """One point a second where `value` gives one, a tick after each second where `ticks` says so."""
    reference = Reference(CONFIG, topic="iskra.metrics.points")
    outs: list[Out] = []
    offset = 0
    for second in seconds:
        number = value(second)
        if number is not None:
            point = {"subject": "alpha", "metric": metric, "value": number, "ts": second * 1000}
            outs += reference.points(offset, second * 1000, json.dumps(point).encode())
            offset += 1
        if ticks(second):
            outs += reference.tick(offset, second * 1000)
            offset += 1
    return outs


def changes(outs: list[Out]) -> list[tuple[float, str, float | None]]:
    """Each status as (second, what it says, value to four digits)."""
    told = []
    for out in outs:
        if out.topic == "slo.status":
            v = out.value
            what = " ".join(x for x in (v["level"], v["priority"] or v["reason"]) if x)
            told.append((out.ts / 1000, what, None if v["value"] is None else round(v["value"], 4)))
    return told


def test_ladder() -> None:
    """Clarity climbs the ladder rung by rung, by `for`, and comes down by `clear_for` and hysteresis."""
    outs = timeline("clarity", lambda t: 0.92 if 30 <= t < 60 else 0.80, range(100), lambda _: True)
    assert changes(outs) == [
        (0, "UNKNOWN sparse", 0.8),
        (1, "OK", 0.8),
        (47, "WARN P2", 0.868),
        (57, "BLOCK P1", 0.908),
        (79, "WARN P2", 0.844),
        (92, "OK", 0.8),
    ]


def _silence(t: int) -> float | None:
    return 0.80 if t < 60 or t >= 200 else 0.87 if t <= 100 else None


EXPECTED_SILENCE = [
    (0, "UNKNOWN sparse", 0.8),
    (1, "OK", 0.8),
    (86, "WARN P2", 0.8607),
    (130, "UNKNOWN missing", 0.87),
    (200, "UNKNOWN sparse", 0.8),
    (201, "WARN P2", 0.8),
    (211, "OK", 0.8),
]


def test_silence_with_ticks() -> None:
    """The tick of second 130, the 31st since the last point, makes the metric missing."""
    outs = timeline("clarity", _silence, range(240), lambda _: True)
    assert changes(outs) == EXPECTED_SILENCE
    missing = next(out for out in outs if out.value.get("reason") == "missing")
    # 101 points and 130 ticks stand before the tick of second 130
    assert missing.id.split("-")[1] == str(101 + 130)


def test_silence_without_ticks() -> None:
    """While we were down no ticks were written: the point at 200 moves subject time over the gap, with the same content."""
    outs = timeline("clarity", _silence, range(240), lambda t: not 101 <= t <= 199)
    assert changes(outs) == EXPECTED_SILENCE


def test_storm() -> None:
    """The 3 s mean sees a crisis at its third point."""
    outs = timeline("chaos", lambda t: 0.90 if 40 <= t < 60 else 0.45, range(100), lambda _: True)
    assert changes(outs) == [
        (0, "UNKNOWN sparse", 0.45),
        (1, "OK", 0.45),
        (42, "BLOCK P0", 0.495),
        (70, "BLOCK P1", 0.75),
        (84, "WARN P2", 0.54),
        (91, "OK", 0.45),
    ]
    assert [out.value["fast_value"] for out in outs if out.ts == 42_000 and out.topic == "slo.status"] == [pytest.approx(0.9)]


def test_lateness() -> None:
    """What comes after its window closed is late: stored, in no window, counted in the window in which it arrived."""
    reference = Reference(CONFIG, topic="iskra.metrics.points")
    points = [(8.0, 0.8), (9.9, 0.7), (15.2, 0.5), (9.0, 0.6), (15.0, 0.4), (16.0, 0.5), (9.5, 0.9), (25.0, 0.5)]
    windows = []
    for offset, (ts, value) in enumerate(points):
        point = {"subject": "alpha", "metric": "clarity", "value": value, "ts": round(ts * 1000)}
        outs = reference.points(offset, 30_000, json.dumps(point).encode())
        windows += [(offset, out.value) for out in outs if out.topic == "slo.windows"]
    (by, first), (then, second) = windows
    assert (by, first["start"], first["count"], first["mean"], first["late"]) == (2, 0, 2, 0.75, 0)
    assert (then, second["start"], second["count"], second["late"]) == (7, 10_000, 3, 2)
