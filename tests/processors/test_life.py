"""§7 and §8 with everything on: what may be skipped is skipped without a trace, and a crash at any point changes nothing."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st

from processors.engine import Output, PartitionEngine, Record
from processors.life import Life
from processors.series import Series
from schemas import topics
from schemas.config import Bounds, Metric
from tests.processors.lively import LIVELY, START_S, body_of, lively_log, new_engine
from tests.processors.profiles import cases
from tests.processors.test_recovery import told

SECONDS = 250


def run(engine: PartitionEngine, log: list[Record]) -> list[Output]:
    """All outputs of a log."""
    return [out for record in log for out in engine.apply(record, body_of)]


def first_difference(mine: list[Any], theirs: list[Any]) -> str:
    """Where two lists of told outputs part."""
    for n, (a, b) in enumerate(zip(mine, theirs, strict=False)):
        if a != b:
            return f"output {n}:\n{a}\n{b}"
    return f"{len(mine)} outputs against {len(theirs)}"


def never(series: Series, now: int) -> bool:
    """In place of `Series.is_steady`."""
    return False


def always(life: Life, series: Series) -> bool:
    """In place of `Life.concerns`."""
    return True


@cases(10)
@hypothesis.given(st.integers(0, 2**20), st.booleans())
def test_what_is_skipped_would_have_changed_nothing(seed: int, markers: bool) -> None:
    """The engine that looks at every machine of every subject at every judging says the same, byte for byte."""
    log = lively_log(seed, SECONDS, markers=markers)
    said = told(run(new_engine(), log))
    with pytest.MonkeyPatch.context() as patch:
        judge = Life._judge

        def look_at_all(life: Life, *arguments: Any) -> None:
            life._fresh = True
            life.due = life.voices.due = life.alerts.due = life.actions.due = life.budgets.due = 0
            judge(life, *arguments)

        patch.setattr(Life, "_judge", look_at_all)
        patch.setattr(Series, "is_steady", never)
        patch.setattr(Life, "concerns", always)
        everything = told(run(new_engine(), log))
    assert said == everything, first_difference(said, everything)


@cases(20)
@hypothesis.given(st.integers(0, 2**20), st.integers(1, 6), st.booleans())
def test_crashes_at_random_points_change_nothing(seed: int, crashes: int, markers: bool) -> None:
    """A new engine that takes up the states goes on with the same bytes."""
    log = lively_log(seed, SECONDS, markers=markers)
    expected = told(run(new_engine(), log))
    dice = random.Random(seed)
    places = sorted(dice.sample(range(1, len(log)), crashes))
    engine = new_engine()
    said: list[Any] = []
    at = 0
    for place in [*places, len(log)]:
        said += told(run(engine, log[at:place]))
        at = place
        states = [engine.snapshot(key) for key in engine.subject_keys()]
        dice.shuffle(states)
        restored = PartitionEngine(body_of(engine.config_hash), topic=engine.topic, partition=0, partitions=1)
        restored.restore(
            states,
            position=engine.position,
            log_time=engine.log_time,
            last_tick=engine.last_tick,
            tick_count=engine.tick_count,
            configurations=body_of,
        )
        assert sorted(states) == sorted(restored.snapshot(key) for key in restored.subject_keys())
        engine = restored
    assert said == expected, first_difference(said, expected)


@cases(12)
@hypothesis.given(st.integers(0, 2**20))
def test_records_that_a_state_contains_do_nothing_again(seed: int) -> None:
    """Subjects restored ahead of the position say nothing until the log has caught up with them."""
    log = lively_log(seed, SECONDS)
    expected = told(run(new_engine(), log))
    dice = random.Random(seed)
    cut, ahead = sorted(dice.sample(range(1, len(log)), 2))
    engine = new_engine()
    said = told(run(engine, log[:cut]))
    stand = {"position": engine.position, "log_time": engine.log_time, "last_tick": engine.last_tick, "tick_count": engine.tick_count}
    states = {key: engine.snapshot(key) for key in engine.subject_keys()}
    later = told(run(engine, log[cut:ahead]))
    early = [key for key in engine.subject_keys() if dice.random() < 0.6]
    states |= {key: engine.snapshot(key) for key in early}
    restored = new_engine()
    restored.restore(states.values(), configurations=body_of, **stand)
    again = told(run(restored, log[cut:]))
    assert again == [out for out in told_after(expected, len(said)) if not (out in later and out[2] in early)]


def told_after(outs: list[Any], number: int) -> list[Any]:
    """The outputs after the first `number`."""
    return outs[number:]


def test_the_logs_are_lively() -> None:
    """The random logs reach every kind of output and the deep states of each machine."""
    outs = [out for seed in range(12) for out in run(new_engine(), lively_log(seed, SECONDS))]
    kinds = Counter(out.topic for out in outs)
    assert set(kinds) >= {
        topics.BUDGET,
        topics.SIGNALS,
        topics.VOICES,
        topics.ALERTS,
        topics.ESCALATIONS,
        topics.ACTIONS,
        topics.DEAD_LETTERS,
    }
    values: list[Any] = [out.value for out in outs]
    events = {value.event for value, out in zip(values, outs, strict=True) if out.topic == topics.VOICES}
    assert events >= {
        "activated",
        "deactivated",
        "pre-empted",
        "queued",
        "dropped",
        "synthesized",
        "muted",
        "acknowledged",
        "symbol",
        "mode",
    }
    states = {value.state for value, out in zip(values, outs, strict=True) if out.topic == topics.ACTIONS}
    assert states >= {
        "requested",
        "approved",
        "refused",
        "awaiting_approval",
        "dispatched",
        "acknowledged",
        "effective",
        "ineffective",
        "expired",
    }
    alerts = {value.state for value, out in zip(values, outs, strict=True) if out.topic == topics.ALERTS}
    assert alerts >= {"pending", "firing", "acknowledged", "resolved"}


def test_a_metric_whose_only_bound_is_zero_is_judged_like_any_other() -> None:
    """0 is a bound: the metric has a status, a budget and an alert, and no record of it is a dead letter."""
    mood = Metric(values=(-1, 1), low=Bounds(P2=0))
    engine = new_engine(msgspec.structs.replace(LIVELY, metrics=LIVELY.metrics | {"mood": mood}))
    log = [
        Record(n, ts, json.dumps({"subject": "alpha", "metric": "mood", "value": -0.5 - 0.01 * (n % 7), "ts": ts}).encode(), None)
        for n, ts in enumerate(range(START_S * 1000, (START_S + 60) * 1000, 1000))
    ]
    outs = run(engine, log)
    values: list[Any] = [out.value for out in outs]
    assert not [out for out in outs if out.topic == topics.DEAD_LETTERS]
    assert "WARN" in [value.level for value, out in zip(values, outs, strict=True) if out.topic == topics.STATUS]
    assert {value.kind for value, out in zip(values, outs, strict=True) if out.topic == topics.ALERTS} == {"slo", "budget"}
