"""From the processes' figures to the vitals of the subject `iskra`."""

from __future__ import annotations

import itertools
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iskra import config_files
from iskra.reporter.figures import HORIZON_S, History, Latency, Snapshot, vitals
from schemas.topics import STATUS, WINDOWS

amounts = st.floats(0, 1e6)
snapshots = st.builds(
    Snapshot,
    at=st.just(0.0),
    points=amounts,
    refused=amounts,
    lag=amounts,
    errors=amounts,
    answer_s=st.floats(0, 1),
    silent=st.integers(0, 5),
)
COUNTERS = ("points", "refused", "verdicts", "within", "errors")


def ascending(looks: list[Snapshot]) -> list[Snapshot]:
    """The same looks with counters that never fall."""
    counted = [itertools.accumulate(getattr(look, name) for look in looks) for name in COUNTERS]
    return [
        msgspec.structs.replace(look, **dict(zip(COUNTERS, values, strict=True)))
        for look, values in zip(looks, zip(*counted, strict=True), strict=True)
    ]


latencies = st.builds(Latency, st.just(0.0), st.floats(0, 1e5), st.sampled_from((STATUS, WINDOWS)))


def windows(*ms: float) -> list[Latency]:
    """So many of our own windows, each read after so many ms."""
    return [Latency(60.0, one, WINDOWS) for one in ms]


def healthy(seconds: int, *, seed: int = 0) -> list[dict[str, float]]:
    """The vitals of a run with 200 points/s, windows after about 30 ms, now and then a verdict after 5 ms, answers after about 5 ms."""
    rng = random.Random(seed)
    history = History()
    found = []
    at = 0.0
    for second in range(seconds):
        at += 1 + rng.uniform(0, 0.002)
        if second % 10 == 9:
            for _ in range(4):
                history.measured(Latency(at, max(22.0, rng.gauss(30, 8)), WINDOWS))
        if second % 60 == 30:
            history.measured(Latency(at, rng.uniform(3, 8), STATUS))
        found.append(history.vitals(Snapshot(at=at, points=200.0 * second, answer_s=rng.uniform(0.003, 0.008))))
    return found


def test_a_healthy_run_sits_near_the_targets() -> None:
    """Inside the ranges of the configuration, near the targets, and never twice the same for long."""
    metrics = config_files.load().metrics
    run = healthy(900)
    assert set(run[-1]) == {"clarity", "chaos", "trust", "pain"}
    for vital, metric in metrics.items():
        values = [look[vital] for look in run if vital in look]
        assert metric.target is not None
        assert values[-1] == pytest.approx(metric.target, abs=0.06), vital
        assert all(metric.high.P2 is None or value <= metric.high.P2 for value in values)
        assert all(metric.low.P2 is None or value >= metric.low.P2 for value in values)
        assert all(len(set(values[i : i + 60])) > 1 for i in range(len(values) - 60)), vital


def test_what_is_not_known_yet_is_not_said() -> None:
    """The first look gives nothing; without a latency there is neither clarity nor chaos."""
    history = History()
    assert history.vitals(Snapshot(at=0.0)) == {}
    assert set(history.vitals(Snapshot(at=1.0, points=10))) == {"trust", "pain"}


def test_a_path_that_fell_silent_is_unclear() -> None:
    """Latencies came, then none for the whole horizon: no verdict is in time."""
    history = History()
    history.vitals(Snapshot(at=0.0))
    history.measured(Latency(0.5, 10.0, STATUS))
    assert history.vitals(Snapshot(at=1.0))["clarity"] == pytest.approx(0.80 - 0.05 / 11)
    assert history.vitals(Snapshot(at=2.0 + HORIZON_S))["clarity"] == pytest.approx(0.40)


def test_a_window_may_take_what_a_verdict_may_not() -> None:
    """Windows go behind verdicts: 60 ms are in time for one, and late for the other."""
    calm = [Snapshot(at=0.0), Snapshot(at=60.0, points=6000)]
    assert vitals(calm, windows(60), silent_path=False)["clarity"] == pytest.approx(0.80 - 0.05 * 60 / 160)
    assert vitals(calm, [Latency(60.0, 60.0, STATUS)], silent_path=False)["clarity"] == pytest.approx(0.45 - 0.05 * 60 / 160)


@given(st.lists(st.floats(0, 150), min_size=2, max_size=30))
def test_what_nobody_feels_calls_no_voice(ms: list[float]) -> None:
    """However windows vary below 150 ms, as after a start: within all bounds, and Pino has nothing to say."""
    metrics = config_files.load().metrics
    found = vitals([Snapshot(at=0.0), Snapshot(at=60.0, points=6000)], windows(*ms), silent_path=False)
    for vital in ("clarity", "chaos"):
        low, high = metrics[vital].low.P2, metrics[vital].high.P2
        assert low is not None
        assert high is not None
        assert low < found[vital] < high, vital
    assert found["clarity"] <= 0.8  # over it, and chaos over 0.5, he would


def test_a_busy_run_is_ok() -> None:
    """At 10,000 points/s windows wait for up to a second behind verdicts, as they may: clarity and chaos stay in their bands."""
    metrics = config_files.load().metrics
    busy = [Snapshot(at=0.0), Snapshot(at=60.0, points=600_000, verdicts=300, within=297)]
    chance = random.Random(1)
    found = vitals(busy, windows(*(chance.uniform(40, 1000) for _ in range(28))), silent_path=False)
    for vital in ("clarity", "chaos"):
        low, high = metrics[vital].low.P2, metrics[vital].high.P2
        assert low is not None
        assert high is not None
        assert low < found[vital] < high, vital


def test_each_trouble_moves_its_vital() -> None:
    """Late verdicts, uneven latency, refused points, lag, errors and silent processes."""
    calm = [Snapshot(at=0.0), Snapshot(at=60.0, points=6000)]
    own = windows(29, 30, 31)
    base = vitals(calm, own, silent_path=False)
    assert vitals(calm, windows(2100, 2200, 2300), silent_path=False)["clarity"] < 0.5
    assert vitals([calm[0], Snapshot(at=60.0, points=6000, verdicts=97, within=0)], own, silent_path=False)["clarity"] < 0.5
    assert vitals(calm, windows(25, 25, 25, 25, 25, 25, 25, 600), silent_path=False)["chaos"] > 0.6
    assert vitals([calm[0], Snapshot(at=60.0, points=6000, refused=1200)], own, silent_path=False)["trust"] < 0.6
    for worse in ({"lag": 200.0}, {"errors": 60.0}, {"silent": 2}):
        look = Snapshot(at=60.0, points=6000, **worse)
        assert vitals([calm[0], look], own, silent_path=False)["pain"] > 0.5 > base["pain"]


@given(st.lists(snapshots, min_size=2, max_size=5).map(ascending), st.lists(latencies, max_size=5), st.booleans())
def test_vitals_are_always_vitals(looks: list[Snapshot], own: list[Latency], silent: bool) -> None:
    """Whatever the figures, each value lies in 0 to 1."""
    assert all(0 <= value <= 1 for value in vitals(looks, own, silent_path=silent).values())
