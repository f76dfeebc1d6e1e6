"""Checkpoints, restore and processing under any order of work, acknowledgements, crashes and zombies: offline, by hypothesis."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Iterable
from itertools import chain

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iskra import config_files
from processors.state import FORMAT
from schemas.topics import HEADER_KIND, KIND_TICK
from streams.checkpoints import Chain, Mark, decode_mark, encode_mark, newest_states
from streams.takeover import keeps
from tests.streams.fake import FakeWorker, LogRecord, World

CONFIG = config_files.load()
STATUSES = msgspec.structs.replace(CONFIG, living=None)
START_MS = 1_762_000_000_000

_APPLY = st.tuples(st.just("apply"), st.integers(1, 40))
_CHECKPOINT = st.tuples(st.just("checkpoint"), st.integers(0, 12))
_ACKNOWLEDGE = st.tuples(st.just("acknowledge"), st.integers(1, 60))
_SEND = st.tuples(st.just("send"), st.just(0))
_SETTLE = st.tuples(st.just("settle"), st.just(0))
_FAULT = st.one_of(
    st.tuples(st.just("crash"), st.integers(0, 20)),
    st.tuples(st.just("pause"), st.just(0)),
    st.tuples(st.just("zombie"), st.integers(1, 40)),
)
# work between faults, most of it with a checkpoint begun: so crashes meet every stage of one
ACTIONS = st.lists(
    st.tuples(_APPLY, _CHECKPOINT, _APPLY, st.one_of(_SEND, _SETTLE), _CHECKPOINT, _ACKNOWLEDGE, _FAULT), min_size=1, max_size=8
)


def log(seed: int, steps: int) -> list[LogRecord]:
    """Points of three subjects that cross bounds, fall silent now and then, and ticks."""
    chance = random.Random(seed)
    records: list[LogRecord] = []
    silent_until = [0, 0, 0]
    for step in range(steps):
        ts = START_MS + step * 1_000
        for subject in range(3):
            if chance.random() < 0.02:
                silent_until[subject] = step + chance.choice((5, 45))
            if step < silent_until[subject]:
                continue
            value = min(max(0.8 + 0.25 * math.sin(step / 9 + subject) + chance.gauss(0, 0.02), 0), 1)
            point = b'{"subject":"s%d","metric":"clarity","value":%.4f,"ts":%d}' % (subject, value, ts)
            records.append(LogRecord(len(records), ts, point))
        records.append(LogRecord(len(records), ts + 1_000, b"", ((HEADER_KIND, KIND_TICK),)))
    return records


async def play(world: World, actions: Iterable[tuple[str, int]]) -> None:
    """Plays the actions, then lets the last owner finish."""
    worker = FakeWorker(world)
    zombies: list[FakeWorker] = []
    for action, number in actions:
        if action == "apply":
            await worker.apply(number)
        elif action == "acknowledge":
            worker.outputs.acknowledge(number)
        elif action == "send":
            worker.outputs.lane.send_all()
        elif action == "checkpoint":
            worker.start_checkpoint()
            for _ in range(number):
                await asyncio.sleep(0)
        elif action == "settle":
            await worker.settle()
        elif action == "crash":
            await worker.crash(number)
            worker = FakeWorker(world)
        elif action == "pause":
            zombies.append(worker)
            worker = FakeWorker(world)
        elif zombies:
            zombie = zombies[number % len(zombies)]
            await zombie.apply(number)
            zombie.start_checkpoint()
            await asyncio.sleep(0)
            zombie.outputs.acknowledge(number)
            await asyncio.sleep(0)
    for zombie in zombies:
        await zombie.crash(5)
    await worker.finish()


@given(seed=st.integers(0, 50), phases=ACTIONS)
@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_order_of_crashes(seed: int, phases: list[tuple[tuple[str, int], ...]]) -> None:
    """Whatever crashes, pauses or overlaps: the topics hold exactly what the engine alone says, each id with one content."""
    # the living part crashes among the processors' tests, too; here one log in four has it
    world = World(STATUSES if seed % 4 else CONFIG, log(seed, 60))
    asyncio.run(play(world, chain.from_iterable(phases)))
    assert world.outputs == world.alone()
    assert world.committed is not None
    assert world.committed[0] == len(world.log)


def test_other_lineages_do_not_count() -> None:
    """Of each subject the state with the greatest input offset counts, of the mark's lineage alone; forgotten ones are absent."""
    records = [
        (b"a", b"a1", "mine", 1),
        (b"a", b"zombie", "other", 9),
        (b"b", b"b5", "mine", 5),
        (b"a", b"a3", "mine", 3),
        (b"b", b"b4", "mine", 4),
        (b"c", b"c2", "mine", 2),
        (b"c", None, "mine", 6),
    ]
    assert newest_states(records, "mine") == {b"a": b"a3", b"b": b"b5"}


def test_mark_fits_a_commit() -> None:
    """A mark survives being committed as text of about 150 bytes; anything else is no mark, nor is one of states in another format."""
    mark = Mark(FORMAT, 1_762_000_000_000, 1_762_000_000, 4_294_967_296, "0123456789ab", 10**12, 10**12 + 5, 123_456, "a1b2c3d4e5f6")
    assert decode_mark(encode_mark(mark)) == mark
    assert len(encode_mark(mark)) < 160
    assert decode_mark("") is None
    assert decode_mark('[2,0,0,0,"",0,0,0,""]') is None
    assert decode_mark(encode_mark(msgspec.structs.replace(mark, version=FORMAT - 1))) is None


def test_full_snapshots() -> None:
    """A chain begins with a full snapshot, starts anew past three times the subjects, daily, and after one given up half-way."""
    kept = Chain()
    assert kept.wants_full(10, 1, 0.0, 100.0)
    kept.written(50, 59, 10, full=True, now=0.0)
    assert not kept.wants_full(10, 10, 1.0, 100.0)
    kept.written(60, 79, 20, full=False, now=1.0)
    assert (kept.first, kept.last, kept.records) == (50, 79, 30)
    assert kept.wants_full(10, 1, 2.0, 100.0)
    assert not Chain(full_at=0.0).wants_full(10, 1, 99.0, 100.0)
    assert Chain(full_at=0.0).wants_full(10, 1, 100.0, 100.0)
    kept.spoilt()
    assert kept.wants_full(1000, 0, 3.0, 100.0)


def test_memory_is_kept_only_where_nobody_else_was() -> None:
    """Over a rebalance memory counts only if the generation went up by one and the commit is of this very lineage."""
    partition = FakeWorker(World(CONFIG, [])).partition
    mark = Mark(1, 0, 0, 0, "", -1, -1, 1, partition.chain.lineage)
    partition.committed = 5
    assert keeps(partition, partition.generation + 1, (5, mark))
    assert not keeps(partition, partition.generation + 2, (5, mark))
    assert not keeps(partition, partition.generation + 1, None)
    assert not keeps(partition, partition.generation + 1, (5, None))
    assert not keeps(partition, partition.generation + 1, (5, Mark(1, 0, 0, 0, "", -1, -1, 1, "other")))
    assert not keeps(None, 2, (5, mark))
    partition.committed = None
    assert keeps(partition, partition.generation + 1, None)
