"""The fast engine against the literal implementation on random logs, output by output, ids included."""

from __future__ import annotations

from collections import Counter

import hypothesis
from hypothesis import strategies as st

from processors.engine import PartitionEngine
from schemas.config import Config
from tests.processors.both import differences, plain
from tests.processors.profiles import cases
from tests.processors.settings import DEFAULT, OTHER_BOUNDS, SMALL, SMALL_ONES, TOPIC
from tests.processors.streams import Record, Scene, scene, scenes, write
from tests.reference import Out, Reference


def step_engine(engine: PartitionEngine, record: Record, config: Config = SMALL) -> list[Out]:
    """One record through the engine; `config` is what a marker names."""
    match record.kind:
        case "tick":
            outs = engine.tick(record.offset, record.timestamp, record.origin)
        case "config":
            outs = engine.configure(record.offset, record.timestamp, config)
        case _:
            outs = engine.points(record.offset, record.timestamp, record.value, record.encoding, record.origin)
    return [plain(out) for out in outs]


def step_reference(reference: Reference, record: Record, config: Config = SMALL) -> list[Out]:
    """The same through the literal implementation."""
    match record.kind:
        case "tick":
            return reference.tick(record.offset, record.timestamp, record.origin)
        case "config":
            reference.configure(record.timestamp, config)
            return []
        case _:
            return reference.points(record.offset, record.timestamp, record.value, record.encoding, record.origin)


def compare(config: Config, log: list[Record], *, partitions: int = 1, live: bool = True) -> list[Out]:
    """Runs a log through both and compares after each record; all outputs."""
    engine = PartitionEngine(config, topic=TOPIC, partition=0, partitions=partitions, live=live)
    reference = Reference(config, topic=TOPIC, partition=0, partitions=partitions, live=live)
    outs: list[Out] = []
    for number, record in enumerate(log):
        got, expected = step_engine(engine, record), step_reference(reference, record)
        assert got == expected, f"record {number}: {record}\n{differences(got, expected)}"
        outs += expected
    assert sorted(engine.subject_keys()) == sorted(reference.subjects)
    assert engine.forgotten() == reference.forgotten
    return outs


def tell(outs: list[Out]) -> None:
    """Reports what a log reached, for hypothesis' statistics."""
    for what in Counter(
        f"{out.value['level']} {out.value['priority'] or out.value['reason']}" for out in outs if out.topic == "slo.status"
    ):
        hypothesis.event(what)


@cases(500)
@hypothesis.given(scenes, st.sampled_from(sorted(SMALL_ONES)), st.sampled_from((1, 1, 2)), st.booleans(), st.booleans())
def test_random_logs(parts: list[Scene], name: str, partitions: int, live: bool, replay: bool) -> None:
    """Drifts, storms, silences, outages, late, refused and equal points, arrays, odd ticks: engine and law say the same."""
    config = SMALL_ONES[name]
    tell(compare(config, write(config, parts, replay=replay), partitions=partitions, live=live))


@cases(60)
@hypothesis.given(st.lists(scene, min_size=1, max_size=25))
def test_random_logs_under_the_configuration_that_comes_with_iskra(parts: list[Scene]) -> None:
    """The same with windows of 30 s, and scenes enough to fill them."""
    tell(compare(DEFAULT, write(DEFAULT, parts)))


@cases(80)
@hypothesis.given(st.lists(st.tuples(st.lists(scene, max_size=4), st.booleans()), min_size=1, max_size=3))
def test_random_logs_with_changes_of_the_configuration(parts: list[tuple[list[Scene], bool]]) -> None:
    """A marker changes bounds, times, rungs and tenants from its place in the log on; rungs that stay keep their state."""
    engine = PartitionEngine(SMALL, topic=TOPIC, partition=0, partitions=1)
    reference = Reference(SMALL, topic=TOPIC)
    log = write(SMALL, [part for group, _ in parts for part in group])
    marks = {len(write(SMALL, [part for group, _ in parts[: n + 1] for part in group])): other for n, (_, other) in enumerate(parts)}
    outs: list[Out] = []
    for number, record in enumerate(log):
        if number in marks:
            config = OTHER_BOUNDS if marks[number] else SMALL
            marker = record._replace(kind="config", offset=record.offset * 2)
            assert step_engine(engine, marker, config) == step_reference(reference, marker, config) == []
        # offsets of a log rise, so a marker takes every second place
        record = record._replace(offset=record.offset * 2 + 1)
        got, expected = step_engine(engine, record), step_reference(reference, record)
        assert got == expected, f"record {number}: {record}\n{differences(got, expected)}"
        outs += expected
    tell(outs)
