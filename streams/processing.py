"""The hot loop: records of fetch rounds into the engines, their outputs to the producer, in short slices."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from time import perf_counter
from typing import Any

from streams.configs import Configs
from streams.outputs import Outputs
from streams.partition import Partition
from streams.transport import Round

_LOOK = 16
"""The clock is looked at every 16 records and after each that may be long, an array or a tick: a look costs 50 ns, a record 2–4 µs,
an array of 100 points whose windows close 3 ms."""

_ARRAY = ord("[")


class Processing:
    """Applies records, one partition after another, one task at a time.

    Args:
        partitions: the owned ones; changed by the owner of this object.
        slice_s: the event loop is handed over after so long. max_unacknowledged: above it nothing is applied.
        on_waiting: called with a partition that met a marker whose body is not here.
        on_caught_up: called with a partition that has reached the end which its log had when it was taken.
        on_gap: called with a partition of which records did not come; nothing of it is applied until its `gap_at` is None.
        reread: gives the records of a partition from one offset to another, also those that stop a batch; blocks.
    """

    def __init__(
        self,
        partitions: dict[int, Partition],
        outputs: Outputs,
        configs: Configs,
        *,
        slice_s: float,
        max_unacknowledged: int,
        on_waiting: Callable[[Partition], None],
        on_caught_up: Callable[[Partition], None],
        on_gap: Callable[[Partition], None],
        reread: Callable[[int, int, int], list[Any]],
    ) -> None:
        self._partitions = partitions
        self._outputs = outputs
        self._configs = configs
        self._slice_s = slice_s
        self._max_unacknowledged = max_unacknowledged
        self._on_waiting = on_waiting
        self._on_caught_up = on_caught_up
        self._on_gap = on_gap
        self._reread = reread
        self._turn = asyncio.Lock()
        self._deadline = 0.0
        self.busy_s = 0.0

    def is_idle(self) -> bool:
        """Whether nothing is being applied."""
        return not self._turn.locked()

    async def round(self, round_: Round) -> None:
        """Applies one fetch round. What belongs to partitions that are not ours any more is left out."""
        async with self._turn:
            began = perf_counter()
            self._deadline = began + self._slice_s
            for number, batches in round_.items():
                partition = self._partitions.get(number)
                if partition is not None:
                    await self._batches(partition, batches)
            self._outputs.send_overdue()
            self._outputs.poll()
            self.busy_s += perf_counter() - began

    async def go_on(self, partition: Partition) -> None:
        """Applies what came to a partition while it waited for a configuration."""
        async with self._turn:
            self._deadline = perf_counter() + self._slice_s
            partition.waits_for = None
            held = list(partition.backlog)
            partition.backlog.clear()
            await self._batches(partition, held)

    async def still(self) -> None:
        """Waits until no task is inside the loop; partitions that are halted have then stopped for good."""
        async with self._turn:
            pass

    async def _batches(self, partition: Partition, batches: Sequence[Any]) -> None:
        anew: list[Any] = []
        for batch in batches:
            if partition.halted or partition.gap_at is not None:
                return
            if partition.waits_for is not None:
                partition.backlog.append(batch)
            elif isinstance(batch, list):
                await self._records(partition, batch)
            elif batch.is_control_batch:
                if batch.base_offset > partition.next_offset:
                    partition.gap_at = batch.base_offset
                    self._on_gap(partition)
                    return
                partition.next_offset = max(partition.next_offset, batch.next_offset)
            elif anew:
                await self._records(partition, [record for record in anew if batch.base_offset <= record.offset < batch.next_offset])
            else:
                try:
                    await self._records(partition, batch)
                except UnicodeDecodeError:
                    # at a header's name that is no UTF-8 aiokafka's batch stops for good: from there on the round is read in another way
                    first = partition.next_offset
                    if partition.engine.position >= first:
                        raise  # it came of applying a record
                    last = max((each.next_offset for each in batches if not isinstance(each, list)), default=first) - 1
                    anew = await asyncio.to_thread(self._reread, partition.number, first, last)
                    if partition.halted:
                        return
                    partition.waits_for = None  # a marker before it is among them
                    await self._records(partition, [record for record in anew if record.offset < batch.next_offset])
        if partition.catch_up is not None and partition.next_offset >= partition.catch_up and not partition.halted:
            partition.catch_up = None
            self._on_caught_up(partition)

    async def _records(self, partition: Partition, batch: Iterable[Any]) -> None:
        points_of = partition.engine.points
        emit = self._outputs.emit
        number = partition.number
        epoch = partition.epoch
        expected = partition.next_offset
        count = points = unseen = 0
        coming = iter(batch)
        try:
            for record in coming:
                offset = record.offset
                if offset != expected:
                    if offset < expected:
                        continue
                    partition.gap_at = offset
                    self._on_gap(partition)
                    break
                if record.headers:
                    unseen = _LOOK
                    outs = partition.special(record, self._configs)
                    if outs is None:
                        partition.next_offset = offset
                        partition.backlog.extend(([record], list(iter(coming.__next__, None))))  # a batch refuses a second `iter`
                        self._on_waiting(partition)
                        break
                else:
                    value = record.value or b""
                    if value[:1] == b"[":
                        points += value.count(b'"metric"')
                        unseen = _LOOK
                    else:
                        points += 1
                    outs = points_of(offset, record.timestamp, value)
                expected = partition.next_offset = offset + 1
                if outs:
                    emit(epoch, number, outs, offset, record.timestamp)
                count += 1
                unseen += 1
                if unseen >= _LOOK:
                    unseen = 0
                    if perf_counter() > self._deadline:
                        await self._breathe()
                        if partition.halted:
                            break
                        epoch = partition.epoch
        finally:
            partition.records += count
            partition.points += points

    async def _breathe(self) -> None:
        """Lets everything else have its turn; holds on while too much is unacknowledged."""
        self._outputs.send_overdue()
        self._outputs.poll()
        if self._outputs.unacknowledged > self._max_unacknowledged:
            await self._outputs.below(self._max_unacknowledged // 2)
        else:
            await asyncio.sleep(0)
        self._deadline = perf_counter() + self._slice_s
