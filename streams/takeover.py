"""Taking partitions: from a checkpoint where there is one, else from the beginning of the log."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from time import monotonic
from typing import Protocol

from faust.types import TP

from processors.engine import PartitionEngine
from schemas.config import Config
from schemas.topics import CHECKPOINTS, POINTS, full_name
from streams import recovery
from streams.checkpoints import Mark
from streams.configs import Configs
from streams.outputs import Outputs
from streams.partition import Partition
from streams.settings import Settings

Committed = tuple[int, "Mark | None"]
"""What a partition's commit says: the offset, and the mark (None: the commit is none of ours)."""


class Ends(Protocol):
    """Who knows the ends of logs: the consumer's thread."""

    async def ends(self, tps: list[TP]) -> dict[TP, int]:
        """The offset that the next record of each partition will have."""


def keeps(partition: Partition | None, generation: int, committed: Committed | None) -> bool:
    """Whether what is in memory of a partition is still the truth: nobody else can have had it since.

    Args:
        generation: of the group now. committed: what the broker has now.
    """
    if partition is None or generation != partition.generation + 1:
        return False
    if committed is None:
        return partition.committed is None
    return committed[1] is not None and committed[1].lineage == partition.chain.lineage


class Takeover:
    """Makes `Partition` objects. `count` is the number of partitions of the points topic."""

    def __init__(self, settings: Settings, configs: Configs, outputs: Outputs, count: int) -> None:
        self._settings = settings
        self._configs = configs
        self._outputs = outputs
        self._count = count
        self._points = full_name(settings.namespace, POINTS)
        self._checkpoints = full_name(settings.namespace, CHECKPOINTS)

    async def take(self, wanted: Mapping[int, Committed | None], generation: int, ends: Ends) -> list[Partition]:
        """The partitions as they stand at their commits, ready to read on. Waits while the broker, or a configuration, is away."""
        if not wanted:
            return []
        found_ends = await ends.ends([TP(self._points, number) for number in wanted])
        taken = []
        for number, found in wanted.items():
            mark = None if found is None else found[1]
            if mark is None or found is None:
                # by its number: a round of an earlier assignment may still be on its way, and must not be taken for the beginning
                next_offset, name = await self._beginning(number)
                engine, heads = self._engine(number, await self._configs.wait_for(name)), []
            else:
                next_offset = found[0]
                # one partition after the other: of 100,000 subjects the states are as large as what becomes of them
                own = await asyncio.to_thread(recovery.read_states, self._settings.kafka, self._checkpoints, number, mark)
                heads = [recovery.state_head(raw) for raw in own.values()]
                for name in {name for _, name in heads}:
                    await self._configs.wait_for(name)
                engine = await self._restored(number, mark, next_offset, own)
            partition = Partition(
                number,
                engine,
                self._outputs.new_epoch(),
                generation=generation,
                next_offset=next_offset,
                catch_up=found_ends[TP(self._points, number)],
            )
            partition.restored_to = max((offset for offset, _ in heads), default=-1)
            partition.committed = None if found is None else found[0]
            partition.committed_at = monotonic()
            taken.append(partition)
        return taken

    async def _restored(self, number: int, mark: Mark, next_offset: int, states: dict[bytes, bytes]) -> PartitionEngine:
        """An engine with these states, which are taken out one by one."""
        engine = self._engine(number, await self._configs.wait_for(mark.config))
        engine.restore(
            (states.pop(key) for key in list(states)),
            position=next_offset - 1,
            log_time=mark.log_time,
            last_tick=mark.last_tick,
            tick_count=mark.ticks,
            configurations=self._configs.body,
        )
        return engine

    async def _beginning(self, number: int) -> tuple[int, str]:
        """First offset and first configuration of a partition's log; ours is appended where no marker is."""
        first, found = await asyncio.to_thread(recovery.beginning, self._settings.kafka, self._points, number)
        if found is None:
            await self._configs.append_marker(number)
            # somebody else may have appended one just before
            first, found = await asyncio.to_thread(recovery.beginning, self._settings.kafka, self._points, number)
        return first, found or self._configs.own_hash

    def _engine(self, number: int, config: Config) -> PartitionEngine:
        return PartitionEngine(config, topic=self._points, partition=number, partitions=self._count, live=self._settings.is_live)
