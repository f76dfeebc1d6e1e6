"""A partition's world in memory: its log, the topics a worker writes, the group's commit. Crashes and zombies are input."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import msgspec
from faust.types import TP

from processors.engine import Output, PartitionEngine, Record
from schemas.config import Config
from streams.checkpointer import Checkpointer
from streams.checkpoints import HEADER_LINEAGE, decode_mark, newest_states
from streams.configs import Configs
from streams.current import CurrentGuard
from streams.epoch import Epoch
from streams.lane import LATER, Lane
from streams.outputs import HEADER_AT, Outputs
from streams.partition import Partition
from streams.processing import Processing
from streams.recovery import state_head

TOPIC = "t.metrics.points"


class LogRecord(NamedTuple):
    """A record as a batch holds it."""

    offset: int
    timestamp: int
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass
class World:
    """What survives a crash."""

    config: Config
    log: list[LogRecord]
    outputs: dict[str, bytes] = field(default_factory=dict)
    checkpoints: list[tuple[bytes, bytes | None, str, int]] = field(default_factory=list)
    committed: tuple[int, str] | None = None
    generation: int = 0

    def engine(self) -> PartitionEngine:
        """A new engine."""
        return PartitionEngine(self.config, topic=TOPIC, partition=0, partitions=1, live=False)

    def alone(self) -> dict[str, bytes]:
        """What the engine alone says to the log."""
        engine = self.engine()
        said: dict[str, bytes] = {}
        for record in self.log:
            kind = "tick" if record.headers else None
            for out in engine.apply(Record(record.offset, record.timestamp, record.value, kind), lambda _: self.config):
                said[out.id] = msgspec.json.encode(out.value)
        return said


class _Delivered(NamedTuple):
    place: int

    def offset(self) -> int:
        return self.place


class FakeOutputs:
    """Stands for `Outputs`: what is sent waits until `acknowledge`, in order, as an idempotent producer writes it.

    The lane is the real one; what it holds is sent by its `send_all`, and lost in a crash.
    """

    unacknowledged = 0

    def __init__(self, world: World) -> None:
        self._world = world
        self._waiting: deque[tuple[Any, Any]] = deque()
        self.lane = Lane(self._send)

    def new_epoch(self, before: Epoch | None = None) -> Epoch:
        """An epoch whose deliveries never fail."""
        return Epoch(lambda *_: None, before)

    def emit(self, epoch: Epoch, partition: int, outs: Iterable[Output], _record_offset: int, _record_ms: int) -> None:
        """Queues outputs."""
        for out in outs:
            epoch.sent += 1
            if out.topic in LATER:
                self.lane.add((0.0, epoch, partition, out))
            else:
                self._send(epoch, partition, out)

    def _send(self, epoch: Epoch, _partition: int, out: Output) -> None:
        self._waiting.append(((out.id, msgspec.json.encode(out.value)), epoch.delivered))

    def send_overdue(self) -> None:
        """Nothing is overdue: time is input, too."""

    def send_state(self, epoch: Epoch, _topic: str, _partition: int, key: bytes, value: bytes | None, headers: Any) -> None:
        """Queues a checkpoint record."""
        named = dict(headers)
        self._waiting.append(((key, value, named[HEADER_LINEAGE].decode(), int(named[HEADER_AT])), epoch.state_delivered))
        epoch.sent += 1

    def poll(self) -> int:
        """Nothing is due by itself."""
        return 0

    def acknowledge(self, count: int, *, heard: bool = True) -> None:
        """Writes the next `count` records to the topics; their sender hears of it unless it crashes first."""
        for _ in range(min(count, len(self._waiting))):
            what, callback = self._waiting.popleft()
            place = 0
            if len(what) == 2:
                assert self._world.outputs.setdefault(what[0], what[1]) == what[1], what[0]
            else:
                place = len(self._world.checkpoints)
                self._world.checkpoints.append(what)
            if heard:
                callback(None, _Delivered(place))


class FakeWorker:
    """One start of a worker on the world's partition: real processing and checkpoints over fake topics."""

    def __init__(self, world: World) -> None:
        self._world = world
        world.generation += 1
        self.generation = world.generation
        self.outputs = FakeOutputs(world)
        engine, next_offset, restored_to = world.engine(), 0, -1
        if world.committed is not None:
            next_offset, text = world.committed
            mark = decode_mark(text)
            assert mark is not None
            part = world.checkpoints[mark.first : mark.last + 1] if mark.first >= 0 else []
            states = newest_states(part, mark.lineage)
            restored_to = max((state_head(raw)[0] for raw in states.values()), default=-1)
            engine.restore(
                states.values(),
                position=next_offset - 1,
                log_time=mark.log_time,
                last_tick=mark.last_tick,
                tick_count=mark.ticks,
                configurations=lambda _: world.config,
            )
        self.partition = Partition(
            0, engine, self.outputs.new_epoch(), generation=self.generation, next_offset=next_offset, catch_up=len(world.log)
        )
        self.partition.restored_to = restored_to
        outputs = cast(Outputs, self.outputs)
        self._processing = Processing(
            {0: self.partition},
            outputs,
            cast(Configs, None),
            slice_s=0.0,
            max_unacknowledged=1,
            on_waiting=lambda _: None,
            on_caught_up=lambda _: None,
            on_gap=lambda _: None,
            reread=lambda _partition, _first, _last: [],
        )
        self._checkpointer = Checkpointer(outputs, cast(CurrentGuard, None), TOPIC, slice_s=0.0, full_every_s=1e9)
        self._tasks: list[asyncio.Task[Any]] = []

    async def commit_with_metadata(self, offsets: Mapping[TP, tuple[int, str]]) -> bool:
        """The group's coordinator: refuses older generations."""
        if self.generation != self._world.generation:
            return False
        self._world.committed = offsets[TP(TOPIC, 0)]
        return True

    async def apply(self, count: int) -> None:
        """Processes the next records in one fetch round, some of them read again."""
        begin = max(self.partition.next_offset, 0)
        await self._processing.round({0: [self._world.log[max(begin - 2, 0) : begin + count]]})

    def start_checkpoint(self) -> None:
        """Begins a checkpoint, which goes on while the rest does."""
        self._tasks = [task for task in self._tasks if not task.done()]
        self._tasks.append(asyncio.ensure_future(self._checkpointer.checkpoint(self.partition, self)))

    async def crash(self, written: int) -> None:
        """Ends at once; of what was on its way, `written` more records reach the topics, unheard."""
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self.outputs.acknowledge(written, heard=False)

    async def finish(self) -> None:
        """Runs to the end of the log and writes a last checkpoint."""
        await self.apply(len(self._world.log))
        self.start_checkpoint()
        await self.settle()

    async def settle(self) -> None:
        """All that is on its way is acknowledged and the checkpoints that were begun are done."""
        while not all(task.done() for task in self._tasks):
            await asyncio.sleep(0)
            self.outputs.lane.send_all()
            self.outputs.acknowledge(1_000_000)
