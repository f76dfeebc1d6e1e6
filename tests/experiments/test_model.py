"""The simulated subject: what docs/experiments.md promises of it."""

from __future__ import annotations

import itertools
import statistics
from typing import Any

import msgspec
import pytest

from experiments import scenario as scenarios
from experiments.model import LATE_MS, SimulatedSubject
from experiments.scenario import Scenario, SubjectModel
from iskra import config_files
from schemas.durations import decode_hook
from schemas.points import Point

START = 1_762_435_080
CONFIG = config_files.load()
MODEL = scenarios.load_model()
STILL = msgspec.structs.replace(MODEL, variation=scenarios.Variation(level=0.0, tau=0.0))
"""Without the variation between seeds."""
HEALTHY = {"clarity": 0.78, "chaos": 0.45, "trust": 0.80, "pain": 0.28}


def scene(**parts: Any) -> Scenario:
    """A scenario of these parts; healthy unless they say otherwise."""
    tree = {"title": "t", "about": "a", "length": "60m", "start": HEALTHY, "expect": [], "next_step": "n", **parts}
    return msgspec.convert(tree, Scenario, dec_hook=decode_hook)


def subject(scenario: Scenario, model: SubjectModel = STILL, seed: int = 1) -> SimulatedSubject:
    """A subject of it."""
    return SimulatedSubject(scenario, model, CONFIG, seed=seed, start=START)


def go(of: SimulatedSubject, seconds: int, begin: int = 0) -> list[Point]:
    """Its points of so many seconds."""
    return [timed.point for second in range(begin + 1, begin + seconds + 1) for timed in of.second(START + second)]


def test_a_seed_tells_everything() -> None:
    """The same seed gives the same points; another seed others."""
    assert go(subject(scene(), MODEL, 7), 60) == go(subject(scene(), MODEL, 7), 60)
    assert go(subject(scene(), MODEL, 7), 60) != go(subject(scene(), MODEL, 8), 60)


def test_noise_is_that_of_the_model() -> None:
    """Every vital has a point a second, whose noise has the standard deviation of the model (≤ 0.01), and nothing stands still."""
    points = go(subject(scene()), 1000)
    for vital, sigma in MODEL.noise.items():
        values = [point.value for point in points if point.metric == vital]
        assert len(values) == 1000
        assert sigma <= 0.01
        assert statistics.stdev([b - a for a, b in itertools.pairwise(values)]) == pytest.approx(sigma * 2**0.5, rel=0.15)
    assert len({point.ts for point in points}) == len(points)


def test_a_pull_draws_with_its_time_constant() -> None:
    """After one time constant 63 % of the way is gone, after two 86 %."""
    pulled = subject(scene(pulls={"drift": {"to": {"chaos": 0.13}, "tau": "7m", "start": "5m"}}))
    go(pulled, 720)
    assert pulled.levels["chaos"] == pytest.approx(0.13 + 0.32 * 0.3679, abs=0.002)
    go(pulled, 420, 720)
    assert pulled.levels["chaos"] == pytest.approx(0.13 + 0.32 * 0.1353, abs=0.002)


def test_an_injection_reaches_its_strength_in_fifteen_minutes() -> None:
    """Strength n: chaos +0.1 n and clarity −0.04 n, saturating, 15 minutes after the start; slowly forgotten."""
    moved = subject(
        scene(start={**HEALTHY, "chaos": 0.13, "clarity": 0.88}, pulls={"hold": {"to": {"chaos": 0.13, "clarity": 0.88}, "tau": "7m"}})
    )
    moved.perform("stimulate_creative_chaos", 3, START)
    go(moved, 365)
    assert moved.levels["chaos"] == pytest.approx(0.13 + 0.58 * 0.3, abs=0.01), "more than half within six minutes"
    go(moved, 540, 365)
    assert moved.levels["chaos"] == pytest.approx(0.43, abs=0.005)
    assert moved.levels["clarity"] == pytest.approx(0.76, abs=0.003)
    go(moved, 80 * 60, 905)
    assert moved.levels["chaos"] == pytest.approx(0.13 + 0.3 * 0.946, abs=0.005), "a time constant of a day"


def test_nothing_moves_before_the_delay() -> None:
    """For 5 s after it was taken up an action does nothing."""
    moved = subject(scene(pulls={"hold": {"to": {"chaos": 0.45}, "tau": "1s"}}))
    moved.perform("stimulate_creative_chaos", 3, START)
    go(moved, 5)
    assert moved.levels["chaos"] == pytest.approx(0.45)
    go(moved, 5, 5)
    assert moved.levels["chaos"] > 0.4505


def test_recovery_moves_no_further_than_to_rest() -> None:
    """A stabilisation that comes when the storm is over does not push chaos below rest; one within it helps."""
    storm = {"storm": {"to": {"chaos": 0.9}, "tau": "200ms", "start": "0s", "end": "60s", "back": "200ms"}}
    late = subject(scene(pulls=storm))
    go(late, 70)
    late.perform("stabilize_system", 5, START + 70)
    go(late, 120, 70)
    assert late.levels["chaos"] == pytest.approx(0.45, abs=0.002)
    within = subject(scene(pulls=storm))
    within.perform("stabilize_system", 5, START)
    go(within, 59)
    assert within.levels["chaos"] == pytest.approx(0.5, abs=0.002)
    go(within, 30, 59)
    assert within.levels["chaos"] == pytest.approx(0.45, abs=0.002), "help that is no longer needed is gone"


def test_trust_follows_harmony() -> None:
    """While clarity and chaos are in range trust is drawn to 0.83, slowly; out of range what pulls it wins; some pulls hold on."""
    pull = {"to": {"trust": 0.5}, "tau": "5m"}
    free = subject(scene(pulls={"pull": pull}))
    go(free, 3600)
    assert free.levels["trust"] == pytest.approx(0.83, abs=0.002)
    out = subject(scene(start={**HEALTHY, "chaos": 0.2}, pulls={"pull": pull, "calm": {"to": {"chaos": 0.2}, "tau": "1m"}}))
    go(out, 3600)
    assert out.levels["trust"] == pytest.approx(0.5, abs=0.002)
    held = subject(scene(pulls={"pull": {**pull, "despite_harmony": True}}))
    go(held, 3600)
    assert held.levels["trust"] == pytest.approx(0.5, abs=0.002)


def test_a_wave_swings() -> None:
    """Half a period it pulls, half it does not."""
    swing = subject(scene(pulls={"swing": {"to": {"clarity": 0.9}, "tau": "1s", "wave": "40s", "back": "1s"}}))
    levels = []
    for at in range(80):
        go(swing, 1, at)
        levels.append(swing.levels["clarity"])
    assert min(levels[10:20]) > 0.89
    assert max(levels[30:40]) < 0.79
    assert min(levels[50:60]) > 0.89


def test_signals_are_published_while_they_are_on() -> None:
    """Every so often from the start to the end, and when a reaction begins or ends them."""
    publishing = subject(scene(published={"v": {"signal": "ethical_violation", "value": 1, "start": "20s", "every": "10s"}}))

    def told(points: list[Point]) -> list[int]:
        return [int(point.ts) // 1000 - START for point in points if point.metric == "ethical_violation"]

    assert told(go(publishing, 45)) == [20, 30, 40]
    publishing.end("v", START + 45)
    assert told(go(publishing, 30, 45)) == []
    publishing.begin("v", START + 75)
    assert told(go(publishing, 11, 75)) == [75, 85]


@pytest.mark.parametrize("fault", ["stuck", "missing", "impossible", "late"])
def test_sensors_lie(fault: str) -> None:
    """Each fault, from its start to its end."""
    faulty = subject(scene(faults=[{"metric": "pain", "fault": fault, "start": "10s", "end": "30s"}]))
    points = [timed for second in range(1, 41) for timed in faulty.second(START + second) if timed.point.metric == "pain"]
    during = [timed for timed in points if 10_000 < timed.time - START * 1000 <= 30_000]
    assert len(points) - len(during) == 20
    if fault == "missing":
        assert during == []
        return
    assert len(during) == 20
    values = {timed.point.value for timed in during}
    assert {"stuck": len(values) == 1, "impossible": values == {1.7}, "late": len(values) > 10}[fault]
    assert {timed.time - int(timed.point.ts) for timed in during} == {LATE_MS if fault == "late" else 0}
