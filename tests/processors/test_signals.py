"""Derived signals (docs/domain/signals.md), each against its definition computed from the points that were sent."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st

from iskra.config_files import load
from processors.engine import Output, PartitionEngine
from schemas.topics import SIGNALS, VOICES
from tests.processors.profiles import cases
from tests.processors.settings import TOPIC

CONFIG = load()
START_S = 1_200_000
"""A whole number of minutes."""
HEALTHY = {"clarity": 0.8, "chaos": 0.45, "trust": 0.8, "pain": 0.3}


class Timeline:
    """A subject with a point a second of each vital; `at` holds what was said at each second."""

    def __init__(self) -> None:
        self.engine = PartitionEngine(CONFIG, topic=TOPIC, partition=0, partitions=1, live=False)
        self.outs: list[Output] = []
        self.sent: dict[str, dict[int, float]] = {}
        self.offset = -1

    def say(self, second: int, **values: float) -> None:
        """Points at the start of a second after START_S."""
        for metric, value in values.items():
            point: dict[str, Any] = {"subject": "alpha", "metric": metric, "value": value, "ts": (START_S + second) * 1000}
            self.offset += 1
            self.outs += self.engine.points(self.offset, point["ts"], json.dumps(point).encode())
            self.sent.setdefault(metric, {})[second] = value

    def tick(self, second: int) -> None:
        """A tick."""
        self.offset += 1
        self.outs += self.engine.tick(self.offset, (START_S + second) * 1000)

    def live(self, seconds: range, **others: float) -> None:
        """A healthy second each, with `others` in place of some values; a little noise, so that nothing is stuck."""
        for second in seconds:
            noise = 0.002 if second % 2 else -0.002
            self.say(second, **{name: others.get(name, value) + noise for name, value in HEALTHY.items()})
            self.tick(second)

    def samples(self) -> list[tuple[int, Any]]:
        """Samples of the signals, each with its second after START_S."""
        return [(out.ts // 1000 - START_S, out.value) for out in self.outs if out.topic == SIGNALS]

    def mean(self, metric: str, second: int, window: int = 30) -> float:
        """The mean of the points of the seconds [second − window, second)."""
        said = [value for at, value in self.sent[metric].items() if second - window <= at < second]
        return sum(said) / len(said)


@cases(50)
@hypothesis.given(st.integers(0, 2**20), st.sampled_from([None, 0.2]), st.sampled_from([120, 107]))
def test_numbers_are_their_definitions(seed: int, drift: float | None, at: int) -> None:
    """Coherence, vitality, volatility, heartbeat, rhythm, potential and index are those of the definitions, at minute 2 and between
    two minutes, where another signal becomes yes."""
    dice = random.Random(seed)
    line = Timeline()
    level = {name: dice.random() for name in HEALTHY}
    if drift is not None:
        line.say(0, drift=drift)
    for second in range(at + 1):
        if second == 107:
            line.say(second, system_threat=1.0)
        if second % 20 == 0:
            level = {name: dice.random() for name in HEALTHY}
        line.say(second, **{name: min(1.0, max(0.0, value + dice.gauss(0, 0.05))) for name, value in level.items()})
    got = next(sample for second, sample in line.samples() if second == at).values
    vitals = {name: CONFIG.metrics[name] for name in HEALTHY}
    now = {name: line.mean(name, at) for name in HEALTHY}
    before = {name: line.mean(name, at - 60) for name in HEALTHY}

    def half(name: str) -> float:
        low, high = vitals[name].range or (0, 1)
        return (high - low) / 2

    volatility = math.sqrt(sum((now[name] - before[name]) ** 2 for name in HEALTHY) / 4)
    assert got["volatility"] == pytest.approx(volatility, abs=1e-9)
    assert got["heartbeat"] == pytest.approx(min(180, max(40, 60 + 60 * volatility)), abs=1e-6)
    distances = [min(1, abs(now[name] - (vitals[name].target or 0)) / half(name)) for name in HEALTHY]
    assert got["coherence"] == pytest.approx(1 - sum(distances) / 4, abs=1e-9)
    outside = []
    for name in HEALTHY:
        low, high = vitals[name].optimal or (0, 1)
        outside.append(min(1, max(0, low - now[name], now[name] - high) / half(name)))
    assert got["vitality"] == pytest.approx(1 - sum(outside) / 4, abs=1e-9)
    chaos = now["chaos"]
    share = 1 if 0.4 <= chaos <= 0.5 else max(0, (chaos - 0.1) / 0.3) if chaos < 0.4 else max(0, (0.8 - chaos) / 0.3)
    assert got["creative_potential"] == pytest.approx(now["trust"] * share, abs=1e-9)
    if drift is None:
        assert "alive_index" not in got
    else:
        assert got["alive_index"] == pytest.approx((now["clarity"] + now["trust"]) / 2 - drift, abs=1e-9)
    assert got["delta_rhythm"] == pytest.approx(_rhythm(line, at, drift or 0.0), abs=1e-6)


def _rhythm(line: Timeline, until: int, drift: float) -> float:
    """The rhythm second by second, literally."""
    shown = average = drift_average = None
    for second in range(2, until + 1):  # two points make a status
        clarity, chaos, trust, pain = (line.mean(name, second) for name in HEALTHY)
        average = chaos if average is None else average
        drift_average = drift if drift_average is None else drift_average
        penalty = min(0.40, 0.5 * max(0, chaos - average) + 0.3 * max(0, drift - drift_average))
        raw = 0.35 * trust + 0.25 * clarity + 0.15 * (1 - pain) + 0.12 * (1 - drift) + 0.13 * (1 - chaos) - penalty
        shown = raw if shown is None else 0.65 * shown + 0.35 * raw
        average = 0.30 * chaos + 0.70 * average
        drift_average = 0.30 * drift + 0.70 * drift_average
    assert shown is not None
    return 100 * shown


def changes(line: Timeline, name: str) -> list[tuple[int, float]]:
    """When a yes-or-no signal changed, and to what."""
    return [(at, sample.values.get(name, -1)) for at, sample in line.samples() if name in sample.changed]


def test_a_heart_beats_as_the_published_volatility_says() -> None:
    """It is computed of the volatility that holds; a drift or volatility that comes between two whole seconds counts from the next on."""
    line = Timeline()
    line.live(range(100))
    line.say(100, volatility=0.5, drift=0.1)
    line.live(range(100, 110))
    line.say(110, drift=0.9, volatility=1.0)
    line.say(110, system_threat=1.0)
    samples = dict(line.samples())
    assert samples[110].values["volatility"] == 1.0
    assert samples[110].values["heartbeat"] == 90.0
    assert samples[110].values["alive_index"] == pytest.approx(0.8 - 0.1, abs=1e-6)
    line.live(range(110, 121))
    assert dict(line.samples())[120].values["heartbeat"] == 120.0


def test_stagnation_is_no_where_a_window_is_empty_and_the_others_decide() -> None:
    """One window of clarity is missing, but chaos has varied too much all the while."""
    line = Timeline()
    for second in range(361):
        levels = {"chaos": 0.24 if second // 40 % 2 else 0.02} | ({} if 120 <= second < 130 else {"clarity": 0.9})
        line.say(second, **levels)
        line.tick(second)
    values = dict(line.samples())[360].values
    assert (values["stagnation"], values["stagnation_duration"]) == (0.0, 0.0)


def test_stagnation_is_five_minutes_of_high_clarity_and_low_chaos() -> None:
    """It begins when the thirtieth window in a row is final, its duration counts from there, one window ends it."""
    line = Timeline()
    line.live(range(60))
    line.live(range(60, 420), clarity=0.9, chaos=0.2)
    line.live(range(420, 481))
    # windows [60, 70) … [350, 360): the last is final at 365; [420, 430) ends it at 435
    assert changes(line, "stagnation") == [(365, 1.0), (435, 0.0)]
    durations = {at: sample.values["stagnation_duration"] for at, sample in line.samples() if at in (300, 420, 480)}
    assert durations == {300: 0.0, 420: 55_000.0, 480: 0.0}


def test_stagnation_needs_calm() -> None:
    """High clarity that swings by more than 0.05 is no stagnation."""
    line = Timeline()
    for second in range(400):
        line.say(second, clarity=0.86 if second // 40 % 2 else 0.99, chaos=0.2 + second % 2 / 100, trust=0.8, pain=0.3)
    assert changes(line, "stagnation") == []


def test_a_hole_makes_stagnation_unknown() -> None:
    """Without points of chaos in one window nobody can tell; it begins anew only after five whole minutes."""
    line = Timeline()
    line.live(range(340), clarity=0.9, chaos=0.2)
    for second in range(340, 352):  # the window [350, 360) has points
        line.say(second, clarity=0.9 + second % 2 / 500, trust=0.8, pain=0.3)
    line.live(range(352, 720), clarity=0.9, chaos=0.2)
    assert changes(line, "stagnation") == [(305, 1.0), (355, -1), (655, 1.0)]


def test_rigidity_is_a_quarter_of_an_hour_without_movement() -> None:
    """All four vitals within a standard deviation of 0.03 over fifteen minutes, with high clarity."""
    line = Timeline()
    line.live(range(1000), clarity=0.9)
    assert changes(line, "rigidity") == [(905, 1.0)]


def test_trends_are_slopes_a_minute() -> None:
    """Pain that rises by 0.02 a minute and trust that falls by 0.03."""
    line = Timeline()
    for second in range(361):
        line.say(second, clarity=0.8, chaos=0.45, trust=0.9 - second / 60 * 0.03, pain=0.2 + second / 60 * 0.02)
    sample = next(sample for at, sample in line.samples() if at == 360)
    assert sample.values["pain_trend"] == pytest.approx(0.02, abs=1e-6)
    assert sample.values["trust_trend"] == pytest.approx(-0.03, abs=1e-6)


def test_a_published_value_wins_for_five_minutes() -> None:
    """A published stagnation counts at once, and ends five minutes later; an older point does not take its place."""
    line = Timeline()
    line.live(range(100))
    line.say(100, stagnation=1)
    line.say(99, stagnation=0)
    line.live(range(100, 420))
    assert changes(line, "stagnation") == [(100, 1.0), (400, 0.0)]
    spoke: list[Any] = [out.value for out in line.outs if out.topic == VOICES]
    assert next((event.voice, event.rule) for event in spoke if event.event == "activated") == ("pino", "stagnation")


def test_silence_makes_signals_unknown() -> None:
    """Of a silent subject no computed signal is known, and no sample is told."""
    line = Timeline()
    line.live(range(100))
    for second in range(100, 400):
        line.tick(second)
    samples = line.samples()
    assert max(at for at, _ in samples) <= 130
    key = next(iter(line.engine.subject_keys()))
    assert b"creative_potential" not in line.engine.snapshot(key)


def test_the_state_of_a_usual_subject_is_small() -> None:
    """At a point a second a subject's state is at most 16 KB serialised."""
    line = Timeline()
    line.live(range(1200))
    key = next(iter(line.engine.subject_keys()))
    assert len(line.engine.snapshot(key)) <= 16_384
    assert msgspec.msgpack.decode(line.engine.snapshot(key))
