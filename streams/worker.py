"""One worker process: takes partitions, restores them, runs them, checkpoints them, hands them over."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
import threading
from time import monotonic, perf_counter
from typing import Any, cast

import structlog
import uvloop
from faust.types import TP

from schemas.topics import CURRENT, full_name
from streams import app as faust_app
from streams.checkpointer import Checkpointer
from streams.checkpoints import decode_mark, is_due
from streams.configs import Configs
from streams.current import CurrentGuard
from streams.errors import Fatal
from streams.metrics import Metrics, RebalanceSensor
from streams.outputs import Outputs
from streams.partition import Partition
from streams.processing import Processing
from streams.recovery import Rereader
from streams.settings import Settings
from streams.takeover import Takeover, keeps
from streams.ticks import Ticker
from streams.topics import check_topics
from streams.transport import Consumer, ConsumerThread
from streams.watch import Watch

log = structlog.get_logger(__name__)

STOP_S = 12.0
"""An orderly stop takes a second: the last checkpoint (`revoke_s`, 4 s at worst), leaving the group, flushing (5 s at worst)."""

HALTED_RETRY_S = 0.1
"""A partition is halted while the group shares anew, for 0.2 to 6 s."""

SWITCH_S = 0.0005
"""Threads change after so long: the client's thread gets its turn ten times as often as by default, for the latency."""


GC_THRESHOLDS = (4_000, 250, 100)
"""States are long-lived and hold no cycles: with the default (700, 10, 10) walking 10,000 subjects' takes a third of the time.
The young generation is small, since a walk of 20,000 objects stopped everything for 10 to 18 ms; the old one must be walked
all the same: tasks of the client hold fetched batches in cycles."""


class Worker:
    """Everything of one process. `run` returns the exit code; it blocks until SIGTERM, SIGINT or a fatal error."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.partitions: dict[int, Partition] = {}
        self._done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.outputs = Outputs(settings.kafka, settings.namespace, self.fail)
        self.configs = Configs(settings.kafka, settings.namespace, settings.config, self.outputs)
        self.app = faust_app.build(settings, self._on_round, self._wanted_offset)
        self._rereader = Rereader(settings.kafka, self.app.points_topic)
        self.processing = Processing(
            self.partitions,
            self.outputs,
            self.configs,
            slice_s=settings.slice_s,
            max_unacknowledged=settings.max_unacknowledged,
            on_waiting=self._on_waiting,
            on_caught_up=self._on_caught_up,
            on_gap=self._on_gap,
            reread=self._rereader.read,
        )
        self.ticker = Ticker(settings.kafka, self.app.points_topic, self._ticking)
        self.guard = CurrentGuard(
            settings.kafka,
            full_name(settings.namespace, CURRENT),
            self.app.points_topic,
            self._rewrite_threadsafe,
            self._current_read_threadsafe,
        )
        self.checkpointer = Checkpointer(
            self.outputs,
            self.guard,
            self.app.points_topic,
            slice_s=settings.checkpoint_slice_s,
            full_every_s=settings.full_every_s,
        )
        self.watch = Watch(self.app, lambda: self._count, self.fail)
        self.restore_seconds = 0.0
        self.ready = False
        self._count = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loop = asyncio.get_running_loop()
        self.metrics = Metrics(self)
        self.app.sensors.add(RebalanceSensor(self.metrics))
        self.app.on_rebalance_complete.connect(self._on_rebalance_complete)
        self.app.on_partitions_revoked.connect(cast(Any, self._on_revoked))

    # --- life ---

    async def run(self) -> int:
        """Works until told to stop; gives the exit code: 0 in order, 1 a fatal error (start it again)."""
        for sign in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(sign, self._stop, 0)
        self.metrics.serve(self.settings.metrics_host, self.settings.metrics_port)
        self._background(self.watch.beats())
        self._background(self.outputs.poll_forever(self.processing.is_idle))
        try:
            partitions = await self._until_stopped(check_topics(self.settings.kafka, self.settings.namespace))
            if partitions is None:
                return self._done.result()
            self._count = partitions
            await self._until_stopped(self.configs.refresh())
            self.guard.start()
            self._background(self.watch.transport())
            await self._until_stopped(self.app.start())
            if not self._done.done():
                self._background(self.watch.orphans())
                self._background(self._checkpoint_forever())
                if self.settings.is_ticking:
                    self._background(self.ticker.run())
                log.info("started", group=self.settings.group, partitions=partitions, instance=self.settings.instance_id)
            code = await asyncio.shield(self._done)
        except Fatal as error:
            log.error("ends", error=str(error))
            code = 1
        except Exception:
            log.exception("ends")
            code = 1
        await self._shut_down(orderly=code == 0)
        return code

    async def _until_stopped(self, coroutine: Any) -> Any:
        """The coroutine's result; None if the worker was told to stop first."""
        task = asyncio.ensure_future(coroutine)
        await asyncio.wait({task, self._done}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task
        return None

    def _stop(self, code: int) -> None:
        if not self._done.done():
            last = threading.Timer(STOP_S, _leave_at_last)
            last.daemon = True
            last.start()
            self._done.set_result(code)

    def fail(self, error: BaseException) -> None:
        """Ends the process with exit code 1, with one line that says why. Thread-safe."""

        def end() -> None:
            if not self._done.done():
                log.error("ends; to be started again, it recovers from its last checkpoint", error=str(error) or repr(error))
                self._done.set_result(1)

        self._loop.call_soon_threadsafe(end)

    def _background(self, coroutine: Any) -> None:
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)

        def ended(finished: asyncio.Task[Any]) -> None:
            self._tasks.discard(finished)
            if not finished.cancelled() and (error := finished.exception()) is not None:
                log.error("background task", exc_info=error)
                self.fail(error)

        task.add_done_callback(ended)

    async def _shut_down(self, *, orderly: bool) -> None:
        """Last checkpoints, then the transport, then the producers; each with its own bound."""
        self.ready = False
        if orderly:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self._hand_over(list(self.partitions.values())), self.settings.revoke_s)
        for partition in self.partitions.values():
            partition.halted = True
        for task in list(self._tasks):
            task.cancel()
        if orderly:
            with contextlib.suppress(Exception, asyncio.CancelledError):
                await asyncio.wait_for(self.app.stop(), STOP_S)
        self.ticker.close()
        self.guard.close()
        self.outputs.close(1.0 if orderly else 0.2)
        self.configs.close()
        self._rereader.close()
        self.metrics.close()
        log.info("stopped", orderly=orderly)

    # --- records ---

    async def _on_round(self, round_: Any) -> None:
        try:
            await self.processing.round(round_)
        except Exception as error:
            # the engine takes its own defects to dead-letters; what comes here is a defect of the worker
            log.exception("processing")
            self.fail(error)
            raise

    def _on_waiting(self, partition: Partition) -> None:
        self.app.consumer.pause_partitions({self._tp(partition.number)})
        self._background(self._wait_for_config(partition))

    async def _wait_for_config(self, partition: Partition) -> None:
        name = partition.waits_for
        if name is None:
            return
        log.info("marker of a configuration that is not here yet", partition=partition.number, config=name)
        await self.configs.wait_for(name)
        if self.partitions.get(partition.number) is partition and not partition.halted:
            await self.processing.go_on(partition)
            if partition.waits_for is None:
                self.app.consumer.resume_partitions({self._tp(partition.number)})

    def _on_caught_up(self, partition: Partition) -> None:
        if partition.engine.config_hash != self.configs.own_hash:
            self._background(self.configs.append_marker(partition.number))

    def _on_gap(self, partition: Partition) -> None:
        self._background(self._mend_gap(partition))

    async def _mend_gap(self, partition: Partition) -> None:
        """Reads on where records are missing; those that the log has no more are told and given up."""
        tp = self._tp(partition.number)
        expected = partition.next_offset
        begin = await self.thread.begin(tp)
        if begin > expected:
            partition.gaps += 1
            partition.next_offset = begin
            log.error(
                "records are missing: the log was cut before they were read; verdicts go on from what there is",
                partition=partition.number,
                expected=expected,
                log_begins=begin,
            )
        else:
            log.warning("records were skipped on their way, reading them again", partition=partition.number, offset=expected)
        await self.thread.seek_one(tp, partition.next_offset)
        partition.gap_at = None

    def _wanted_offset(self, number: int) -> int | None:
        partition = self.partitions.get(number)
        return None if partition is None else partition.next_offset

    def lag(self, partition: Partition) -> int:
        """Records of its log that are not applied yet, as far as the last fetch told. Thread-safe."""
        try:
            end = self.thread.highwater(self._tp(partition.number))
        except Exception:  # noqa: BLE001 - in the middle of a rebalance the client asserts; the next look will tell
            return 0
        return max(0, (end or 0) - partition.next_offset)

    def _ticking(self) -> list[int]:
        return [number for number, partition in self.partitions.items() if not partition.halted] if self.ready else []

    def _tp(self, number: int) -> TP:
        return TP(self.app.points_topic, number)

    @property
    def thread(self) -> ConsumerThread:
        """The consumer's thread."""
        return cast(Consumer, self.app.consumer).thread

    # --- rebalances ---

    async def _on_revoked(self, _app: Any, revoked: set[TP], **_: Any) -> None:
        """Before partitions may go to somebody else: last checkpoints. Memory is kept until it is known who has them."""
        owned = [partition for partition in self.partitions.values() if self._tp(partition.number) in revoked]
        if owned:
            try:
                await asyncio.wait_for(self._hand_over(owned), self.settings.revoke_s)
            except TimeoutError:
                log.warning("no last checkpoint in time; the next owner reads on from the one before")

    async def _hand_over(self, partitions: list[Partition]) -> None:
        for partition in partitions:
            partition.halted = True
        await self.processing.still()
        self.outputs.send_waiting()
        for partition in partitions:
            await self.checkpointer.checkpoint(partition, self.thread)

    async def _on_rebalance_complete(self, *_: Any, **__: Any) -> None:
        """Makes memory and assignment agree; Faust seeks and resumes only after this."""
        began = perf_counter()
        generation = int(self.app.consumer_generation_id)
        assigned = {tp.partition for tp in self.app.consumer.assignment()}
        try:
            committed = await self.thread.committed_with_metadata([self._tp(number) for number in assigned])
            marks = {tp.partition: (offset, decode_mark(text)) for tp, (offset, text) in committed.items()}
            kept = {number for number in assigned if keeps(self.partitions.get(number), generation, marks.get(number))}
            for number in list(self.partitions):
                if number not in kept:
                    self.partitions.pop(number).halted = True
                    self.guard.disown(number)
            takeover = Takeover(self.settings, self.configs, self.outputs, self._count)
            for partition in await takeover.take({number: marks.get(number) for number in assigned - kept}, generation, self.thread):
                if generation != self.app.consumer_generation_id:
                    return
                self._enter(partition)
            for number in kept:
                partition = self.partitions[number]
                partition.generation = generation
                partition.halted = False
                partition.waits_for = None
                partition.gap_at = None
                partition.backlog.clear()
        except Exception as error:
            if generation != self.app.consumer_generation_id:
                return  # moved again meanwhile: the next one does it
            log.exception("restore")
            self.fail(error)
            raise
        self.restore_seconds = perf_counter() - began
        self.ready = True
        gc.collect()
        gc.freeze()  # what was restored lives long: the collector need not walk it again and again
        log.info("owns", partitions=sorted(assigned), kept=sorted(kept), generation=generation, seconds=round(self.restore_seconds, 3))

    def _enter(self, partition: Partition) -> None:
        self.partitions[partition.number] = partition
        self.guard.own(partition.number)
        if partition.catch_up is not None and partition.next_offset >= partition.catch_up:
            partition.catch_up = None
            self._on_caught_up(partition)

    # --- checkpoints ---

    async def _checkpoint_forever(self) -> None:
        every = self.settings.checkpoint_every_s
        while True:
            await asyncio.sleep(min(0.1, every / 10))
            now = monotonic()
            for partition in list(self.partitions.values()):
                since = partition.next_offset - max(partition.committed or 0, 0)
                if not partition.halted and is_due(now - partition.committed_at, every, self.lag(partition), since):
                    await self.checkpointer.checkpoint(partition, self.thread)

    # --- slo.current ---

    def _rewrite_threadsafe(self, number: int, key: bytes, value: bytes | None, headers: list[tuple[str, bytes]]) -> None:
        self._loop.call_soon_threadsafe(self._rewrite, number, key, value, headers)

    def _current_read_threadsafe(self, number: int, subjects: dict[bytes, int]) -> None:
        self._loop.call_soon_threadsafe(self._current_read, number, subjects)

    def _current_read(self, number: int, subjects: dict[bytes, int]) -> None:
        """Subjects on `slo.current` that are not known any more: a predecessor forgot them and went before it said so there."""
        partition = self.partitions.get(number)
        if partition is not None:
            position = partition.engine.position
            known = set(partition.engine.subject_keys())
            self.guard.forget(number, [key for key, at in subjects.items() if key not in known and at <= position], position)

    def _rewrite(
        self, number: int, key: bytes, value: bytes | None, headers: list[tuple[str, bytes]], asked: Partition | None = None
    ) -> None:
        """Writes once more what the guard found. It tells each once, so that a partition that is halted is waited for."""
        partition = self.partitions.get(number)
        if partition is None or (asked is not None and partition is not asked):
            return  # another's, or begun anew: then its guard reads it again, and finds it
        if partition.halted:
            self._loop.call_later(HALTED_RETRY_S, self._rewrite, number, key, value, headers, partition)
        else:
            self.outputs.send(partition.epoch, CURRENT, number, key, value, headers)


def _leave_at_last() -> None:
    """Ends a process whose orderly stop hangs: without its last checkpoint nothing is lost, the next start replays a little more."""
    log.warning("the orderly stop took too long; leaving without the last checkpoint", seconds=STOP_S)
    sys.stderr.flush()
    os._exit(0)


def run(settings: Settings) -> int:
    """Runs a worker until it is told to stop; gives the process's exit code."""
    sys.setswitchinterval(SWITCH_S)
    gc.set_threshold(*GC_THRESHOLDS)
    # the client's thread makes a loop of its own: by the policy it is a uvloop, too
    uvloop.install()

    async def main() -> int:
        code = await Worker(settings).run()
        # Nothing is left to save, and a thread of the transport that waits for a broker must not hold the process.
        # Where it failed, whoever started it starts it again, from the last checkpoint.
        sys.stderr.flush()
        os._exit(code)

    return asyncio.run(main())
