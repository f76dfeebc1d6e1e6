"""Writes checkpoints, in the order that `streams.checkpoints` tells."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from time import monotonic, perf_counter
from typing import Protocol

import msgspec
from faust.types import TP

from processors.state import FORMAT
from schemas.topics import CHECKPOINTS
from streams.checkpoints import HEADER_LINEAGE, Mark, encode_mark
from streams.current import CurrentGuard
from streams.epoch import Epoch
from streams.outputs import HEADER_AT, Outputs
from streams.partition import Partition


class Commits(Protocol):
    """Who commits: the consumer's thread."""

    async def commit_with_metadata(self, offsets: Mapping[TP, tuple[int, str]]) -> bool:
        """False: refused, since the group is moving or has moved."""


REST_FACTOR = 4
"""After each slice so many times its length is left to everything else: 1,000 subjects of a partition take about 0.6 s."""


class Checkpointer:
    """One checkpoint at a time, so that slices of several do not add up.

    Args:
        points_topic: full name. slice_s: processing gets its turn after so long. full_every_s: age at which a chain starts anew.
    """

    def __init__(self, outputs: Outputs, guard: CurrentGuard, points_topic: str, *, slice_s: float, full_every_s: float) -> None:
        self._outputs = outputs
        self._guard = guard
        self._points_topic = points_topic
        self._slice_s = slice_s
        self._full_every_s = full_every_s
        self._turn = asyncio.Lock()
        self.refused = 0

    async def checkpoint(self, partition: Partition, commits: Commits) -> bool:
        """One checkpoint; waits for its acknowledgements, so for ever while the broker is away.

        After a restore there is none before the log is read up to where every restored state stands: the engine has its
        subjects at different offsets until then, and a state says one.

        Returns:
            Whether it is committed, or there was nothing new. If not, the next one makes up for it.
        """
        async with self._turn:
            if partition.engine.position < 0 or partition.engine.position + 1 == partition.committed:
                partition.committed_at = monotonic()
                return True
            if partition.engine.position < partition.restored_to:
                return False
            began = perf_counter()
            try:
                done = await self._checkpoint(partition, commits)
            except BaseException:
                partition.chain.spoilt()
                raise
            partition.checkpoint_seconds = perf_counter() - began
            partition.committed_at = monotonic()
            return done

    async def _checkpoint(self, partition: Partition, commits: Commits) -> bool:
        engine, chain = partition.engine, partition.chain
        # 1. the cut
        cut = engine.position
        mark = Mark(
            version=FORMAT,
            log_time=engine.log_time,
            last_tick=engine.last_tick,
            ticks=engine.tick_count,
            config=engine.config_hash,
            first=-1,
            last=-1,
            generation=partition.generation,
            lineage=chain.lineage,
        )
        changed, forgotten = engine.take_changed(), engine.forgotten()
        subjects = list(engine.subject_keys())
        if forgotten:  # told before anything is waited for: the engine names them once
            known = set(subjects)
            self._guard.forget(partition.number, [key for key in forgotten if key not in known], cut)
        full = chain.wants_full(len(subjects), len(changed), monotonic(), self._full_every_s)
        # 2. the states
        epoch = partition.epoch
        count = await self._send_states(partition, epoch, subjects if full else changed)
        count += self._send_tombstones(partition, epoch, forgotten)
        # 3. the barrier; what still waits in the lane counts in the epoch, too
        partition.epoch = self._outputs.new_epoch(epoch)
        await epoch.empty()
        chain.written(epoch.first, epoch.last, count, full, monotonic())
        # 4. the commit
        text = encode_mark(msgspec.structs.replace(mark, first=chain.first, last=chain.last))
        if not await commits.commit_with_metadata({TP(self._points_topic, partition.number): (cut + 1, text)}):
            self.refused += 1
            return False
        partition.committed = cut + 1
        return True

    async def _send_states(self, partition: Partition, epoch: Epoch, keys: list[bytes]) -> int:
        engine, send, number = partition.engine, self._outputs.send_state, partition.number
        lineage = (HEADER_LINEAGE, partition.chain.lineage.encode())
        count = 0
        deadline = perf_counter() + self._slice_s
        for key in keys:
            try:
                state: bytes | None = engine.snapshot(key)
            except KeyError:
                # forgotten since the cut: an older state must not be taken for the one that stood at the cut
                state = None
            send(epoch, CHECKPOINTS, number, key, state, [lineage, (HEADER_AT, b"%d" % engine.position)])
            count += 1
            if perf_counter() > deadline:
                self._outputs.poll()
                # verdicts go before states: most of the time is theirs, unless the partition is being handed over
                await asyncio.sleep(0 if partition.halted else REST_FACTOR * self._slice_s)
                deadline = perf_counter() + self._slice_s
        return count

    def _send_tombstones(self, partition: Partition, epoch: Epoch, forgotten: list[bytes]) -> int:
        if not forgotten:
            return 0
        engine = partition.engine
        known = set(engine.subject_keys())
        gone = [key for key in forgotten if key not in known]
        headers = [(HEADER_LINEAGE, partition.chain.lineage.encode()), (HEADER_AT, b"%d" % engine.position)]
        for key in gone:
            self._outputs.send_state(epoch, CHECKPOINTS, partition.number, key, None, headers)
        return len(gone)
