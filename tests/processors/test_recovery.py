"""§7 and §4: crashes, restarts, batches and the order of points change nothing."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from typing import Any

import hypothesis
import msgspec
from hypothesis import strategies as st

from processors.engine import Output, PartitionEngine
from processors.state import state_offset
from schemas.config import Config, config_hash
from schemas.durations import Duration
from tests.processors.both import plain, windows
from tests.processors.profiles import cases
from tests.processors.settings import DEFAULT, OTHER_BOUNDS, SMALL, SMALL_ONES, TOPIC
from tests.processors.streams import START, Record, Scene, scenes, write
from tests.reference import Out

CONFIGS = {config_hash(config): config for config in (DEFAULT, OTHER_BOUNDS, *SMALL_ONES.values())}


def start(config: Config) -> PartitionEngine:
    """A new engine."""
    return PartitionEngine(config, topic=TOPIC, partition=0, partitions=1)


def step(engine: PartitionEngine, record: Record) -> list[Output]:
    """One record."""
    match record.kind:
        case "tick":
            return engine.tick(record.offset, record.timestamp, record.origin)
        case "config":
            return engine.configure(record.offset, record.timestamp, CONFIGS[record.value.decode()])
        case _:
            return engine.points(record.offset, record.timestamp, record.value, record.encoding, record.origin)


def told(outs: list[Output]) -> list[tuple[str, str, bytes, int, bytes]]:
    """Outputs as they stand on the topics, byte by byte."""
    return [(out.id, out.topic, out.key, out.ts, msgspec.json.encode(out.value)) for out in outs]


@dataclass
class Worker:
    """What a worker does for the engine: checkpoints in slices, a commit when they are all written, recovery from the last commit."""

    config: Config
    dice: random.Random
    engine: PartitionEngine
    checkpoints: list[tuple[bytes, bytes | None]] = field(default_factory=list)
    committed: dict[str, Any] | None = None
    written: int = 0
    cut: dict[str, Any] | None = None
    pending: list[bytes] = field(default_factory=list)

    def between_records(self) -> None:
        """Begins a checkpoint, or writes a slice of the one that is under way, or commits it."""
        if self.cut is None:
            if self.dice.random() < 0.2:
                self.checkpoints += [(key, None) for key in self.engine.forgotten()]
                self.pending = self.engine.take_changed()
                self.cut = self._cut()
            return
        known = set(self.engine.subject_keys())
        for _ in range(self.dice.choice((1, 2, 3))):
            if self.pending:
                key = self.pending.pop()
                # one that was forgotten since the cut gets its tombstone, lest an older state count
                self.checkpoints.append((key, self.engine.snapshot(key) if key in known else None))
        if not self.pending and self.dice.random() < 0.5:
            # the commit makes all that is written up to here visible
            self.committed, self.written, self.cut = self.cut, len(self.checkpoints), None

    def _cut(self) -> dict[str, Any]:
        engine = self.engine
        return {
            "position": engine.position,
            "log_time": engine.log_time,
            "last_tick": engine.last_tick,
            "tick_count": engine.tick_count,
            "config": engine.config_hash,
        }

    def crash(self) -> int:
        """Loses the memory and restores the last commit; the position from which the log is read again."""
        self.cut, self.pending = None, []
        del self.checkpoints[self.written :]
        if self.committed is None:
            self.engine = start(self.config)
            return -1
        cut = dict(self.committed)
        latest: dict[bytes, bytes | None] = {}
        for key, state in self.checkpoints:
            if state is not None and latest.get(key) is not None:
                assert state_offset(state) >= state_offset(latest[key] or b"")
            latest[key] = state
        states = [state for state in latest.values() if state is not None]
        self.dice.shuffle(states)
        self.engine = start(CONFIGS[cut.pop("config")])
        self.engine.restore(states, configurations=CONFIGS.__getitem__, **cut)
        return int(cut["position"])


def run_with_crashes(
    config: Config, log: list[Record], dice: random.Random, crashes: int
) -> list[list[tuple[str, str, bytes, int, bytes]]]:
    """Outputs of a run that loses its memory so many times, life by life."""
    worker = Worker(config, dice, start(config))
    left = sorted(dice.sample(range(len(log)), min(crashes, len(log))))
    lives: list[list[tuple[str, str, bytes, int, bytes]]] = [[]]
    at = 0
    while at < len(log):
        if left and at == left[0]:
            left.pop(0)
            position = worker.crash()
            lives.append([])
            at = next(n for n, record in enumerate(log) if record.offset > position)
        lives[-1] += told(step(worker.engine, log[at]))
        worker.between_records()
        at += 1
    return lives


def with_markers(log: list[Record], dice: random.Random) -> list[Record]:
    """The log with a change of configuration in one place, and back in another."""
    log = [record._replace(offset=record.offset * 2) for record in log]
    for config in (OTHER_BOUNDS, SMALL):
        place = dice.randrange(len(log))
        before = log[place - 1].offset if place else -1
        if before + 1 < log[place].offset:
            log.insert(place, Record("config", before + 1, log[place].timestamp, config_hash(config).encode()))
    return log


@cases(300)
@hypothesis.given(scenes, st.sampled_from(sorted(SMALL_ONES)), st.integers(1, 4), st.integers(0, 2**20), st.booleans())
def test_crashes_at_random_points_change_nothing(parts: list[Scene], name: str, crashes: int, seed: int, markers: bool) -> None:
    """States from slices of different moments, the log read again from the cut: the same ids with the same bytes, none missing.

    And what stands in a restored state already is not said again: after the last crash nothing is said twice of a subject
    at or below its state's offset.
    """
    config, dice = SMALL_ONES[name], random.Random(seed)
    log = write(config, parts)
    hypothesis.assume(len(log) > 2)
    if markers and config is SMALL:
        log = with_markers(log, dice)
    engine = start(config)
    straight = told([out for record in log for out in step(engine, record)])
    lives = run_with_crashes(config, log, dice, crashes)
    expected = {output[0]: output for output in straight}
    assert len(expected) == len(straight)
    got: dict[str, tuple[str, str, bytes, int, bytes]] = {}
    for life in lives:
        assert len({output[0] for output in life}) == len(life)
        for output in life:
            assert output == expected[output[0]]
            got[output[0]] = output
    assert got.keys() == expected.keys()
    order = {output[0]: place for place, output in enumerate(straight)}
    for life in lives:
        places = [order[output[0]] for output in life]
        assert places == sorted(places)


@cases(100)
@hypothesis.given(scenes, st.sampled_from(sorted(SMALL_ONES)), st.integers(0, 2**20))
def test_records_at_or_below_a_subjects_offset_do_nothing_for_it(parts: list[Scene], name: str, seed: int) -> None:
    """An engine that is given states of its end and the log from an earlier cut says nothing of those subjects until the end."""
    config, dice = SMALL_ONES[name], random.Random(seed)
    log = write(config, parts)
    hypothesis.assume(len(log) > 2)
    cut = dice.randrange(len(log) - 1)
    engine = start(config)
    for record in log[: cut + 1]:
        step(engine, record)
    then = (engine.position, engine.log_time, engine.last_tick, engine.tick_count)
    for record in log[cut + 1 :]:
        step(engine, record)
    keys = sorted(engine.subject_keys())
    states = [engine.snapshot(key) for key in keys]
    again = start(config)
    again.restore(states, position=then[0], log_time=then[1], last_tick=then[2], tick_count=then[3], configurations=CONFIGS.__getitem__)
    for record in log[cut + 1 :]:
        assert [out.id for out in step(again, record) if out.key in keys] == []
    # both stand at the same place now, and go on alike
    further = write(config, [Scene("silence", 0, 0, (0, 0.0), 12, 1000, True, 0)])
    offset, tick = log[-1].offset, max(engine.last_tick, START // 1000)
    for n, record in enumerate(further):
        moved = record._replace(offset=offset + 1 + n, timestamp=(tick + 1 + n) * 1000)
        mine = [out for out in told(step(engine, moved)) if out[2] in keys]
        assert [out for out in told(step(again, moved)) if out[2] in keys] == mine
    assert sorted(key for key in again.subject_keys() if key in keys) == sorted(key for key in engine.subject_keys() if key in keys)


@cases(40)
@hypothesis.given(scenes, st.sampled_from(sorted(SMALL_ONES)))
def test_a_state_goes_through_bytes_unchanged(parts: list[Scene], name: str) -> None:
    """Every state, restored, is the same bytes again, at each place of the log."""
    config = SMALL_ONES[name]
    engine = start(config)
    for record in write(config, parts):
        step(engine, record)
        for key in engine.take_changed():
            state = engine.snapshot(key)
            again = start(config)
            again.restore(
                [state],
                position=engine.position,
                log_time=engine.log_time,
                last_tick=engine.last_tick,
                tick_count=engine.tick_count,
                configurations=CONFIGS.__getitem__,
            )
            assert state_offset(state) == engine.position
            assert msgspec.msgpack.decode(again.snapshot(key)) == msgspec.msgpack.decode(state)


def _contents(outs: list[Output]) -> dict[bytes, list[tuple[str, int, dict[str, Any]]]]:
    """What was said of each subject, in order, without positions."""
    found: dict[bytes, list[tuple[str, int, dict[str, Any]]]] = {}
    for out in map(plain, outs):
        value = dict(out.value)
        if "evidence" in value:
            value["evidence"] = {**value["evidence"], "first_offset": None, "last_offset": None}
        if out.topic != "dead-letters":
            found.setdefault(out.key, []).append((out.topic, out.ts, value))
    return found


@cases(150)
@hypothesis.given(scenes, st.sampled_from(sorted(SMALL_ONES)), st.integers(0, 2**20))
def test_any_batching_says_the_same(parts: list[Scene], name: str, seed: int) -> None:
    """The same points between the same ticks, one a record or in arrays of any size: equal content for each subject.

    Points refused for their time are left out of it: which those are depends on when a record arrives.
    """
    config, dice = SMALL_ONES[name], random.Random(seed)
    log = write(config, [part for part in parts if part.what not in ("refused", "arrays")])
    config = msgspec.structs.replace(config, time=msgspec.structs.replace(config.time, max_skew=Duration(60_000), max_age=Duration(10**9)))
    lone, batched = start(config), start(config)
    one: list[Output] = []
    other: list[Output] = []
    waiting: list[Any] = []
    for record in [*log, Record("tick", log[-1].offset + 1, log[-1].timestamp + 1000, b"")] if log else []:
        if record.kind == "tick":
            other += _send(batched, record.timestamp, waiting)
            waiting = []
            one += lone.tick(lone.position + 1, record.timestamp)
            other += batched.tick(batched.position + 1, record.timestamp)
            continue
        content = msgspec.msgpack.decode(record.value) if record.encoding else msgspec.json.decode(record.value)
        for point in content if isinstance(content, list) else [content]:
            one += lone.points(lone.position + 1, record.timestamp, msgspec.json.encode(point))
            waiting.append(point)
            if dice.random() < 0.3:
                other += _send(batched, record.timestamp, waiting)
                waiting = []
    assert _contents(one) == _contents(other)


def _send(engine: PartitionEngine, timestamp: int, points: list[Any]) -> list[Output]:
    # as if read in an order of its own: a batch may be stamped when its last point is
    return engine.points(engine.position + 1, timestamp, msgspec.json.encode(points)) if points else []


@cases(100)
@hypothesis.given(
    st.lists(st.tuples(st.integers(0, 40_000), st.integers(0, 10**6)), min_size=1, max_size=60, unique_by=lambda p: p[0]),
    st.integers(0, 2**20),
)
def test_any_order_within_the_lateness_gives_the_same_windows(points: list[tuple[int, int]], seed: int) -> None:
    """Points of different times, each out of order by the allowed lateness at most: the windows are those of the sorted order."""
    dice = random.Random(seed)
    lateness = int(DEFAULT.time.allowed_lateness)
    straight = sorted(points)
    twisted = sorted(points, key=lambda point: point[0] + dice.randint(0, lateness))
    # nothing may be late before the first point either
    assert _windows_of(straight) == _windows_of(twisted)


def _windows_of(points: list[tuple[int, int]]) -> list[dict[str, Any]]:
    engine = start(DEFAULT)
    outs: list[Out] = []
    for n, (ts, value) in enumerate([*points, (200_000, 0)]):
        body = {"subject": "alpha", "metric": "mood", "value": value / 1000, "ts": 1_000_000 + ts}
        outs += map(plain, engine.points(n, 1_300_000, json.dumps(body).encode()))
    return windows(outs) + windows(outs, 60_000)
