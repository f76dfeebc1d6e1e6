"""Healthy subjects of whom little is told, and incidents that are found: short ones of what `iskra bench noise` runs."""

from __future__ import annotations

import pytest

from benchmarks.noise import noise
from experiments.noise import Found, healthy, incidents
from experiments.simulator import VITALS
from iskra import config_files
from iskra.cli import bench

CONFIG = config_files.load()


def test_of_healthy_subjects_little_is_told() -> None:
    """Half an hour of ten lively ones: what is judged not OK is measured, and stays below 1 %; no P0, no voice."""
    calm = healthy(CONFIG, 10, 1800, seed=3, processes=1)
    assert calm.judged_s == 10 * 4 * 1740
    assert 0 < calm.bad_s < 0.01 * calm.judged_s
    assert (calm.p0, calm.voices) == (0, 0)
    assert sum(seen.bad_ms for seen in calm.seen.values()) == 1000 * calm.bad_s


def test_they_are_lively() -> None:
    """Their 10 s means reach both edges of clarity and chaos, or nearly so, and are seldom beyond."""
    seen = healthy(CONFIG, 10, 1800, seed=3, processes=1).seen
    for metric in ("clarity", "chaos"):
        low, high = CONFIG.metrics[metric].low.P2, CONFIG.metrics[metric].high.P2
        assert low is not None
        assert high is not None
        near = (high - low) / 10
        assert seen[metric].least < low + near
        assert seen[metric].greatest > high - near
        assert 0 < seen[metric].beyond < 0.03 * seen[metric].count
    for metric, least in {"clarity": 0.02, "chaos": 0.04, "trust": 0.03, "pain": 0.04}.items():
        assert seen[metric].stddev > least
        assert seen[metric].count == 10 * 173, "the last of each is still open"


def test_time_not_ok_is_counted_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A vital that is out of order from the start on is so for every second that counts; the others are not."""
    stiff = tuple(vital._replace(target=0.88, swing=0.0) if vital.metric == "clarity" else vital for vital in VITALS)
    monkeypatch.setattr("experiments.noise.LIVELY", stiff)
    calm = healthy(CONFIG, 2, 300, seed=3, processes=1)
    assert {metric: seen.bad_ms for metric, seen in calm.seen.items()} == {"clarity": 480_000, "chaos": 0, "trust": 0, "pain": 0}
    assert calm.bad_s == calm.judged_s / 4 == 480
    assert calm.seen["clarity"].beyond == calm.seen["clarity"].count


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
    assert (figures["incidents"], figures["found_share"]) == (4, 1.0)
    assert figures["bad_share"] == details["bad_s"] / details["judged_s"]
    assert set(details["lively"]) == {"clarity", "chaos", "trust", "pain"}
    assert sum(part["incidents"] for part in details["by_metric"].values()) == 4


def test_what_is_not_found_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The share counts those that were not."""
    monkeypatch.setattr("benchmarks.noise.incidents", lambda *_: [Found("chaos", 0, 3.0), Found("chaos", 30, None)])
    figures = noise(CONFIG, subjects=1, hours=0.02, number=2)
    assert (figures["found_share"], figures["detect_p50_s"], figures["detect_p95_s"]) == (0.5, 3.0, 3.0)
