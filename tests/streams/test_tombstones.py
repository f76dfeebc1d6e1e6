"""Subjects that were forgotten leave `slo.current`, whatever becomes of the checkpoint that names them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import cast

import pytest

from schemas.topics import HEADER_KIND, KIND_TICK
from streams.checkpointer import Checkpointer
from streams.current import CurrentGuard
from streams.outputs import Outputs
from tests.processors.settings import config
from tests.streams.fake import TOPIC, FakeWorker, LogRecord, World

START_MS = 1_762_000_000_000
SILENT_S = 50


class Guard:
    """Notes what it is told to write tombstones for."""

    def __init__(self) -> None:
        self.forgotten: list[tuple[int, list[bytes], int]] = []

    def forget(self, partition: int, subjects: Iterable[bytes], at: int) -> None:
        self.forgotten.append((partition, list(subjects), at))


def silent() -> list[LogRecord]:
    """One point, and ticks until its subject is forgotten."""
    point = b'{"subject":"s","metric":"clarity","value":0.8,"ts":%d}' % START_MS
    tick = ((HEADER_KIND, KIND_TICK),)
    return [
        LogRecord(0, START_MS, point),
        *(LogRecord(n, START_MS + n * 1_000, b"", tick) for n in range(1, SILENT_S + 5)),
    ]


@pytest.mark.parametrize("end", ["acknowledged", "cut off"])
def test_a_forgotten_subject_is_told_before_anything_is_waited_for(end: str) -> None:
    """The engine names it once: a checkpoint that the group cuts off as it shares anew must not swallow it."""

    async def work() -> None:
        world = World(config(time={"expire_after": SILENT_S, "idle_after": 30}, subjects=[]), silent())
        worker, guard = FakeWorker(world), Guard()
        checkpointer = Checkpointer(cast(Outputs, worker.outputs), cast(CurrentGuard, guard), TOPIC, slice_s=0.0, full_every_s=1e9)
        await worker.apply(len(world.log))
        before = worker.partition.epoch
        task = asyncio.ensure_future(checkpointer.checkpoint(worker.partition, worker))
        while worker.partition.epoch is before:  # noqa: ASYNC110 - the barrier: all is sent, nothing acknowledged
            await asyncio.sleep(0)
        if end == "acknowledged":
            while not task.done():
                worker.outputs.lane.send_all()
                worker.outputs.acknowledge(1_000)
                await asyncio.sleep(0)
        else:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert guard.forgotten == [(0, [b"default/s"], len(world.log) - 1)]

    asyncio.run(work())
