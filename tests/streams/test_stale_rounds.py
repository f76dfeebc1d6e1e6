"""A fetch round of an earlier assignment that arrives when its partition has been entered anew."""

from __future__ import annotations

import asyncio

from iskra import config_files
from tests.streams.fake import FakeWorker, LogRecord, World

POINT = b'{"subject":"alpha","metric":"clarity","value":0.8,"ts":%d}'
AT = 1_762_000_000_000


def test_it_is_not_taken_for_the_beginning_of_the_log() -> None:
    """The partition has no commit yet: what stands before the round is read all the same, and nothing of the round is applied twice."""
    log = [LogRecord(offset, AT + offset * 1000, POINT % (AT + offset * 1000)) for offset in range(40)]
    world = World(config_files.load(), log)

    async def work() -> None:
        worker = FakeWorker(world)
        await worker._processing.round({0: [log[20:30]]})
        assert worker.partition.next_offset == 0
        assert worker.partition.gap_at == 20
        worker.partition.gap_at = None  # the worker seeks, and reads on from there
        await worker.finish()
        await worker.settle()

    asyncio.run(work())
    assert world.outputs == world.alone()
