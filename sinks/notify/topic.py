"""`escalations.events` as the notifier sees it: read whole from its beginning, written to as the ledger.

A consumer group decides which notifier has which partition. Offsets are committed behind what is settled, for people and
their tools to see; a notifier that takes a partition over reads it from the beginning all the same, since the ledger's
records of what is below stand above.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import msgspec
import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from schemas.headers import headers_of
from schemas.topics import ESCALATIONS, HEADER_BY, HEADER_ID, UNCOMMITTED, full_name
from sinks.notify.book import Due, Record
from sinks.notify.settings import Settings

BY = b"notify"
POLL_S = 0.05
MOST_RECORDS = 500
END = KafkaError._PARTITION_EOF  # noqa: SLF001 - its public name begins so
FATAL = KafkaError._FATAL  # noqa: SLF001 - likewise
REVOKE_S = 15.0
"""Before a partition is another's, attempts under way end (10 s at the most) and the ledger is written."""
FLUSH_S = 10.0
"""A broker that was killed takes writes again after 6 s."""
CLIENT = {
    "reconnect.backoff.ms": 50,
    "reconnect.backoff.max.ms": 200,
    "retry.backoff.ms": 50,
    "retry.backoff.max.ms": 200,
    "log_level": 3,
}


class Assigned(NamedTuple):
    """Partitions (perhaps none) are ours from now on; their records follow from the beginning."""

    partitions: list[int]


class Revoked(NamedTuple):
    """Partitions are another's from now on."""

    partitions: list[int]


class CaughtUp(NamedTuple):
    """The partition has been read up to its end."""

    partition: int


Event = Record | Assigned | Revoked | CaughtUp


class Topic:
    """Reads and writes the topic. Methods belong to one event loop; the clients work in a thread of their own.

    Args:
        revoked: called before partitions are given up; may wait for what is under way, up to `REVOKE_S`.
    Raises:
        KafkaException: from `poll`, what no waiting mends: another process runs under our instance's name, or the ledger
            takes nothing from this one any more; the next start is served again.
    """

    def __init__(self, settings: Settings, revoked: Callable[[list[int]], Any]) -> None:
        self._topic = full_name(settings.namespace, ESCALATIONS)
        self._live = settings.live
        self._revoked = revoked
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kafka")
        self._log = structlog.get_logger("iskra.notify")
        self._events: list[Event] = []
        self._unacknowledged = 0
        self._refused: KafkaError | None = None
        self._acknowledged: list[tuple[Due, Callable[[Due], None]]] = []
        self._encode = msgspec.json.Encoder().encode
        self._producer = Producer(
            # nobody waits for the ledger, and a storm's ends in few requests cost the broker a fraction
            {**CLIENT, "bootstrap.servers": settings.kafka, "enable.idempotence": True, "linger.ms": 25, "message.timeout.ms": 0},
            logger=None,
        )
        self._consumer = Consumer(
            {
                **CLIENT,
                **UNCOMMITTED,
                "bootstrap.servers": settings.kafka,
                "group.id": f"{settings.namespace}.sink.notify",
                "group.instance.id": settings.instance,  # a restart within the session takes its partitions back at once
                "session.timeout.ms": 6_000,
                "heartbeat.interval.ms": 1_000,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "earliest",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 100,
                "fetch.queue.backoff.ms": 2,
                "topic.metadata.refresh.interval.ms": 5_000,  # a topic that is not there yet is found soon
            },
            logger=None,
        )
        self._consumer.subscribe([self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost)

    async def poll(self) -> list[Event]:
        """What came, in order; waits up to `POLL_S` for the first. What was acknowledged meanwhile is told to who wrote it."""
        events = await self._loop.run_in_executor(self._thread, self._gather)
        self._tell_acknowledged()
        return events

    def write(self, due: Due, state: str, reason: str | None, done: Callable[[Due], None]) -> None:
        """Appends the end of a due to the ledger, keyed and partitioned as it is; `done` is called when the broker has it."""
        event = msgspec.structs.replace(due.event, state=state, reason=reason)

        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is None:
                self._acknowledged.append((due, done))
            else:
                self._log.error("the ledger could not be written; trying again", id=due.id, error=error.str())
                self._loop.call_soon_threadsafe(self._loop.call_later, 1.0, produce)

        def produce() -> None:
            try:
                self._producer.produce(
                    self._topic,
                    self._encode(event),
                    due.key,
                    due.partition,
                    timestamp=int(time.time() * 1000) if self._live else due.timestamp,
                    headers=[(HEADER_ID, f"{due.id}-{state}".encode()), (HEADER_BY, BY)],
                    on_delivery=delivered,
                )
            except BufferError:
                self._loop.call_later(0.1, produce)
            except KafkaException as error:  # a producer that lost its place in the log takes nothing any more
                self._refused = error.args[0]

        self._unacknowledged += 1
        produce()

    async def written(self, seconds: float) -> bool:
        """Whether everything that was written is acknowledged within so many seconds."""
        deadline = self._loop.time() + seconds
        while self._unacknowledged and self._loop.time() < deadline:
            self._producer.poll(0)
            self._tell_acknowledged()
            await asyncio.sleep(0.005)
        return not self._unacknowledged

    def _tell_acknowledged(self) -> None:
        acknowledged, self._acknowledged = self._acknowledged, []
        self._unacknowledged -= len(acknowledged)
        for due, done in acknowledged:
            done(due)

    async def commit(self, positions: Mapping[int, int]) -> None:
        """Commits where each partition is settled up to; a broker that is away is asked again the next time."""
        offsets = [TopicPartition(self._topic, partition, offset) for partition, offset in positions.items()]
        await self._loop.run_in_executor(self._thread, self._commit, offsets)

    async def lag(self, partitions: list[int]) -> dict[int, int]:
        """Records between our position and the end, by partition, as far as they are known."""
        return await self._loop.run_in_executor(self._thread, self._lag, partitions)

    async def close(self) -> None:
        """Leaves; what was written should be acknowledged before."""
        await self._loop.run_in_executor(self._thread, self._consumer.close)
        self._thread.shutdown()

    def _gather(self) -> list[Event]:
        """Runs in the thread. One message at a time, so that changes of the assignment stand between the right ones."""
        if self._refused is not None:
            raise KafkaException(self._refused)
        self._events = events = list[Event]()
        message = self._consumer.poll(POLL_S)
        while message is not None:
            self._take(message)
            if len(events) >= MOST_RECORDS:
                break
            message = self._consumer.poll(0)
        self._producer.poll(0)
        return events

    def _take(self, message: Message) -> None:
        error, partition = message.error(), message.partition() or 0
        if error is not None:
            if error.code() == END:
                self._events.append(CaughtUp(partition))
            elif error.fatal() or error.code() == FATAL:
                raise KafkaException(error)
            elif error.code() != KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - said every moment while the broker is away
                self._log.info("reading", error=error.str())
            return
        named = headers_of(message)
        identity = named.get(HEADER_ID, b"").decode("utf-8", "replace")
        value, key = message.value() or b"", message.key() or b""
        timestamp, offset = message.timestamp()[1], message.offset() or 0
        self._events.append(Record(partition, offset, key, timestamp, value, identity, named.get(HEADER_BY) == BY))

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for partition in partitions:
            partition.offset = OFFSET_BEGINNING
        self._events.append(Assigned([partition.partition for partition in partitions]))
        consumer.assign(partitions)

    def _on_revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        numbers = [partition.partition for partition in partitions]
        waiting = asyncio.run_coroutine_threadsafe(self._revoked(numbers), self._loop)
        try:
            waiting.result(REVOKE_S)
        except TimeoutError:
            waiting.cancel()  # they may come back: what is due then must not be given up by what waited before
            self._log.warning("attempts were still under way when their partitions were given up", partitions=numbers)
        self._events.append(Revoked(numbers))

    def _on_lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._events.append(Revoked([partition.partition for partition in partitions]))

    def _commit(self, offsets: list[TopicPartition]) -> None:
        try:
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            self._log.info("not committed", error=error.args[0].str())

    def _lag(self, partitions: list[int]) -> dict[int, int]:
        found = {}
        for position in self._consumer.position([TopicPartition(self._topic, partition) for partition in partitions]):
            _, high = self._consumer.get_watermark_offsets(position, cached=True)
            if high >= 0:
                found[position.partition] = max(0, high - max(position.offset, 0))
        return found
