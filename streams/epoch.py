"""Epochs: what was sent between two checkpoints of a partition, counted until the broker has acknowledged it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from confluent_kafka import KafkaError, Message


class Epoch:
    """What was sent for one partition between two checkpoints.

    Args:
        before: the partition's epoch before this one, which may still have something outstanding: a checkpoint that was given
            up at its barrier leaves that to the next one.
    """

    __slots__ = ("_before", "_on_failure", "_waiter", "acknowledged", "first", "last", "sent")

    def __init__(self, on_failure: Callable[[KafkaError, Message], None], before: Epoch | None = None) -> None:
        self.sent = 0
        self.acknowledged = 0
        self.first = -1
        self.last = -1
        self._on_failure = on_failure
        self._before = before
        self._waiter: asyncio.Future[None] | None = None

    def delivered(self, error: KafkaError | None, message: Message) -> None:
        """Delivery callback of outputs."""
        if error is not None:
            self._on_failure(error, message)
            return
        self.acknowledged += 1
        if self._waiter is not None and self.acknowledged == self.sent:
            self._wake()

    def state_delivered(self, error: KafkaError | None, message: Message) -> None:
        """Delivery callback of checkpoint records: notes where they stand, too."""
        if error is None:
            offset = message.offset() or 0
            if self.first < 0 or offset < self.first:
                self.first = offset
            if offset > self.last:
                self.last = offset
        self.delivered(error, message)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def empty(self) -> None:
        """Waits until all that was sent is acknowledged, here and before. The epoch must be over: nothing is sent in it any more."""
        if self._before is not None:
            await self._before.empty()
            self._before = None
        while self.acknowledged < self.sent:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        self._waiter = None
