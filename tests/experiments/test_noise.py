"""Healthy subjects of whom nothing is told, and incidents that are found: short ones of what `iskra bench noise` runs."""

from __future__ import annotations

import pytest

from benchmarks.noise import noise
from experiments.noise import Found, healthy, incidents
from iskra import config_files
from iskra.cli import bench

CONFIG = config_files.load()


def test_of_healthy_subjects_nothing_is_told() -> None:
    """Ten minutes of five: every second judged, none bad, no P0, no voice."""
    calm = healthy(CONFIG, 5, 600, seed=3, processes=1)
    assert calm.judged_s == 5 * 4 * 540
    assert (calm.bad_s, calm.p0, calm.voices) == (0, 0, 0)


def test_incidents_are_found_within_their_time() -> None:
    """Each of a dozen, of several vitals and ramps, after its bound was crossed and before a minute was over."""
    found = incidents(CONFIG, 12, seed=5, processes=1)
    assert len(found) == 12
    assert len({one.metric for one in found}) >= 3
    assert len({one.ramp for one in found}) >= 2
    assert all(one.after_s is not None and 0 < one.after_s < 60 for one in found), found


def test_the_figures_have_the_names_of_the_interface() -> None:
    """`iskra bench` offers both benchmarks; of noise a small run tells its figures."""
    assert {"experiments", "noise"} <= set(bench.BENCHES)
    figures = noise(CONFIG, subjects=2, hours=0.05, number=4)
    details = figures.pop("details")
    assert set(figures) == {"bad_share", "p0", "voices_active", "incidents", "found_share", "detect_p50_s", "detect_p95_s"}
    assert (figures["incidents"], figures["found_share"], figures["bad_share"]) == (4, 1.0, 0.0)
    assert sum(part["incidents"] for part in details["by_metric"].values()) == 4


def test_what_is_not_found_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The share counts those that were not."""
    monkeypatch.setattr("benchmarks.noise.incidents", lambda *_: [Found("chaos", 0, 3.0), Found("chaos", 30, None)])
    figures = noise(CONFIG, subjects=1, hours=0.02, number=2)
    assert (figures["found_share"], figures["detect_p50_s"], figures["detect_p95_s"]) == (0.5, 3.0, 3.0)
