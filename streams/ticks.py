"""Ticks: the pulse of a live partition, one a second, written into its own log so that a replay sees them in place.

A tick that cannot be written at once is dropped, never queued: during an outage of ours no second passes for anybody
(semantics §3, §7). So ticks have a producer of their own, with a short time-out, and at most one is under way a partition.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from functools import partial

from confluent_kafka import KafkaError, Message, Producer

from schemas.topics import HEADER_KIND, KIND_TICK

TIMEOUT_MS = 1_000
"""A tick not written within its second is given up."""

_AFTER_SECOND_S = 0.003
"""A tick is written this long after the second that it stands for, so that clocks of the broker a little behind agree."""


class Ticker:
    """Appends ticks to the partitions that `owned` lists at each second. `run` blocks its task only."""

    def __init__(self, kafka: str, points_topic: str, owned: Callable[[], Iterable[int]]) -> None:
        self._topic = points_topic
        self._owned = owned
        self._under_way: set[int] = set()
        self.sent = 0
        self.dropped = 0
        self._producer = Producer(
            {
                "bootstrap.servers": kafka,
                "linger.ms": 0,
                "acks": "all",
                "retries": 2,
                "message.timeout.ms": TIMEOUT_MS,
                "reconnect.backoff.max.ms": 200,
                "log_level": 2,
            }
        )

    async def run(self) -> None:
        """Ticks until cancelled, at the beginning of each second of the wall clock."""
        while True:
            now = time.time()
            due = int(now) + 1 + _AFTER_SECOND_S
            await asyncio.sleep(due - now)
            if time.time() - due > 0.9:
                # the process stood still (stopped, or starved): that second was ours to lose; go on with the present one
                continue
            self.tick()
            await asyncio.sleep(0.05)
            self._producer.poll(0)

    def tick(self) -> None:
        """Sends one tick to each owned partition that has none under way."""
        self._producer.poll(0)
        for partition in self._owned():
            if partition in self._under_way:
                self.dropped += 1
                continue
            self._under_way.add(partition)
            self._producer.produce(
                self._topic,
                b"",
                partition=partition,
                headers=[(HEADER_KIND, KIND_TICK)],
                on_delivery=partial(self._delivered, partition),
            )
            self.sent += 1

    def _delivered(self, partition: int, error: KafkaError | None, _message: Message) -> None:
        self._under_way.discard(partition)
        if error is not None:
            self.dropped += 1

    def close(self) -> None:
        """Gives up what is under way; blocks for at most 0.2 s."""
        self._producer.purge()
        self._producer.flush(0.2)
