"""Watches what runs in the background of a worker, so that it never stands still silently.

Three things were seen: a task of the Kafka client ends before the first assignment (a broker that has just started and
names no node), the client holds an error that it wants to hand to somebody before it goes on, and the group's leader
deals out partitions at a moment when a broker that was just fenced has none, so that everybody is content with nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

import structlog
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocol
from aiokafka.errors import KafkaError

from streams.app import WorkerApp
from streams.errors import Fatal, TransportDied
from streams.transport import Consumer

log = structlog.get_logger(__name__)

LOOK_S = 0.2
"""How often the transport is looked at."""
STALLED_S = 30.0
"""The client's thread answers within a millisecond; on a machine at fifty times its load within seconds."""
ORPHANS_S = 2.0
"""How often it is asked whether each partition has an owner; what is found twice is no rebalance under way."""
ANSWER_S = 3.0
"""For the broker's answer about the group; it takes milliseconds."""
LIVE_S = 10.0
"""An event loop that has not come round for so long hangs: slices of work last 4 ms, the longest record a second."""


class Watch:
    """Watches one worker.

    Args:
        count: partitions of the points topic. fail: ends the worker with an error.

    `beat` is when the event loop last came round (monotonic s).
    """

    def __init__(self, app: WorkerApp, count: Callable[[], int], fail: Callable[[BaseException], None]) -> None:
        self._app = app
        self._count = count
        self._fail = fail
        self._group = Group(app.settings.kafka, app.settings.group, app.points_topic)
        self.beat = monotonic()

    @property
    def is_live(self) -> bool:
        """Whether the event loop goes round. Thread-safe."""
        return monotonic() - self.beat < LIVE_S

    async def beats(self) -> None:
        """Notes that the event loop goes round."""
        while True:
            self.beat = monotonic()
            await asyncio.sleep(LOOK_S)

    async def transport(self) -> None:
        """Looks until a service of Faust or a task of the client has ended; then the worker ends with the reason."""
        while True:
            await asyncio.sleep(LOOK_S)
            consumer = self._app.consumer
            assert isinstance(consumer, Consumer)
            if self._app.crashed or consumer.crashed or self._app.should_stop:
                reason = getattr(self._app, "_crash_reason", None) or getattr(consumer, "_crash_reason", None)
                self._fail(reason if isinstance(reason, BaseException) else Fatal("a service of the transport ended"))
                return
            try:
                await asyncio.wait_for(consumer.thread.look(), STALLED_S)
            except TransportDied as error:
                self._fail(error)
                return
            except TimeoutError:
                self._fail(TransportDied(f"the thread of the Kafka client has not answered for {STALLED_S:g} s"))
                return

    async def orphans(self) -> None:
        """Joins the group anew whenever it is at rest and a partition belongs to nobody."""
        before: set[int] = set()
        try:
            while True:
                await asyncio.sleep(ORPHANS_S)
                found = await self._group.orphans(self._count())
                again, before = found & before, found
                if again:
                    log.warning("partitions belong to nobody; joining the group again", partitions=sorted(again))
                    consumer = self._app.consumer
                    assert isinstance(consumer, Consumer)
                    await consumer.thread.rejoin()
                    before = set()
        finally:
            await self._group.close()


class Group:
    """What the broker knows of the worker group.

    librdkafka aborts the process when its group requests meet a broker that dies (an assertion in rdkafka_queue.h), so
    the question goes through aiokafka.
    """

    def __init__(self, kafka: str, group: str, topic: str) -> None:
        self._kafka = kafka
        self._name = group
        self._topic = topic
        self._admin: AIOKafkaAdminClient | None = None

    async def orphans(self, count: int) -> set[int]:
        """Partitions of `count` that no member has; none while members come and go, or the broker is away. Takes up to 3 s."""
        try:
            async with asyncio.timeout(ANSWER_S):
                if self._admin is None:
                    self._admin = AIOKafkaAdminClient(bootstrap_servers=self._kafka, request_timeout_ms=2_000)
                    await self._admin.start()
                (response,) = await self._admin.describe_consumer_groups([self._name])
        except (KafkaError, OSError, TimeoutError):
            await self.close()
            return set()
        error, _, state, _, _, members = response.groups[0][:6]
        if error or state != "Stable":
            return set()
        owned: set[int] = set()
        for member in members:
            for topic, partitions in ConsumerProtocol.ASSIGNMENT.decode(member[4]).assignment:
                if topic == self._topic:
                    owned.update(partitions)
        return set(range(count)) - owned

    async def close(self) -> None:
        """Gives the connection up; the next question makes another."""
        admin, self._admin = self._admin, None
        if admin is not None:
            with suppress(KafkaError, OSError):
                await admin.close()
