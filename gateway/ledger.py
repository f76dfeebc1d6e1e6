"""Takes points to the log: one idempotent producer, acknowledged by the broker before anybody is told "accepted".

Order per subject is kept: a request's points of one partition go in one array or in several in order, and the producer
is idempotent, so a retry inside it neither doubles nor reorders.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka import Message as KafkaMessage

from schemas.topics import MAX_MESSAGE_BYTES, POINTS, UNCOMMITTED, full_name

log = structlog.get_logger()

LINGER_MS = 2
MESSAGE_TIMEOUT_MS = 4000
"""How long the producer tries; a second less than a request waits (`Limits.ack`), so that the request learns of it."""
QUEUE_KBYTES = 128 * 1024
QUEUE_MESSAGES = 100_000
PROBE_S = 0.9
END = KafkaError._PARTITION_EOF  # noqa: SLF001 - its public name begins so


class Record(NamedTuple):
    """One message to send; `partition` -1: by its key; `timestamp` (epoch ms) 0: now."""

    topic: str
    partition: int
    key: bytes
    value: bytes
    headers: list[tuple[str, str | bytes | None]]
    timestamp: int = 0


class Busy(Exception):
    """The producer's queue is full: 429, come back in a moment."""


class Away(Exception):
    """The broker did not acknowledge: 503; the text says why."""


class Ledger:
    """The producer and its polling thread."""

    def __init__(self, kafka: str, namespace: str, loop: asyncio.AbstractEventLoop) -> None:
        self._settings: dict[str, Any] = {
            "bootstrap.servers": kafka,
            "acks": "all",
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            "linger.ms": LINGER_MS,
            "compression.type": "lz4",
            "message.timeout.ms": MESSAGE_TIMEOUT_MS,
            "message.max.bytes": MAX_MESSAGE_BYTES,
            "queue.buffering.max.kbytes": QUEUE_KBYTES,
            "queue.buffering.max.messages": QUEUE_MESSAGES,
            "reconnect.backoff.max.ms": 200,
            "retry.backoff.max.ms": 200,
            "socket.connection.setup.timeout.ms": 5000,
            "allow.auto.create.topics": False,
            "log_level": 2,
        }
        self._loop = loop
        self.suspect: Callable[[], None] = lambda: None
        """Told, on the loop, when something failed that may mean that the broker is away."""
        self._topic = full_name(namespace, POINTS)
        self._producer = self._new()
        self._broken = False
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="ledger", daemon=True)
        self.partitions = 0
        self._has_logs = False

    def start(self) -> None:
        """Begins to serve acknowledgements."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Blocks until everything taken is acknowledged or `timeout` seconds have passed."""
        left = self._producer.flush(timeout)
        if left:
            log.warning("not acknowledged at the end", messages=left)
        self._ending.set()
        self._thread.join(1.0)

    def _poll(self) -> None:
        while not self._ending.is_set():
            self._producer.poll(0.1)

    def _new(self) -> Producer:
        return Producer({**self._settings, "error_cb": self._on_error})

    def _on_error(self, error: KafkaError) -> None:
        self._broken = self._broken or bool(error.fatal())
        self._call(self.suspect)

    def _renew(self) -> None:
        """Puts a fresh producer in the place of one that lost its place in the log for good and refuses everything.

        What the old one still holds was not acknowledged and is given up: 503.
        """
        log.info("producer begins anew")
        old, self._producer, self._broken = self._producer, self._new(), False
        threading.Thread(target=_give_up, args=(old,), name="ledger-old", daemon=True).start()

    def _call(self, function: Callable[..., None], *arguments: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return

    async def probe(self) -> None:
        """Succeeds when the broker answers and every partition of the points topic takes writes.

        Raises:
            Away: which of that is not so.
        """
        try:
            metadata = await asyncio.to_thread(self._producer.list_topics, self._topic, PROBE_S)
        except KafkaException as error:
            raise Away(str(error.args[0])) from None
        topic = metadata.topics[self._topic]
        if topic.error is not None:
            self._has_logs = False
            raise Away(f"topic {self._topic}: {topic.error.str()}")
        leaderless = [number for number, each in topic.partitions.items() if each.leader < 0]
        if leaderless or not topic.partitions:
            raise Away(f"topic {self._topic}: no leader for partitions {leaderless}")
        if not self._has_logs:
            await asyncio.to_thread(self._look_for_logs, len(topic.partitions))
        self.partitions = len(topic.partitions)
        if self._broken:
            self._renew()

    def _look_for_logs(self, count: int) -> None:
        """Of a topic just made a broker names the leaders before it has made the logs, and a producer's first records can
        then be acknowledged and lost (`iskra/client/first_batch.py` tells how): nothing is taken before each has its log.

        Raises:
            Away: a partition does not answer for its log.
        """
        reader = Consumer({"bootstrap.servers": self._settings["bootstrap.servers"], "group.id": "iskra-gateway", "log_level": 2})
        try:
            for partition in range(count):
                reader.get_watermark_offsets(TopicPartition(self._topic, partition), timeout=PROBE_S)
        except KafkaException as error:
            raise Away(f"topic {self._topic}, partition {partition}: {error.args[0].str()}") from None
        finally:
            reader.close()
        self._has_logs = True  # noted here: whoever asked may wait no longer, and need not ask again

    async def end_time(self, topic: str, partition: int) -> int:
        """The time (epoch ms) of the partition's last record; 1 where it has none, since 0 would be the present.

        Raises:
            Away: the broker did not tell within a second or two.
        """
        return await asyncio.to_thread(self._end_time, TopicPartition(topic, partition))

    def _end_time(self, place: TopicPartition) -> int:
        settings = {**UNCOMMITTED, "group.id": "iskra-gateway", "enable.partition.eof": True, "fetch.wait.max.ms": 10, "log_level": 2}
        reader = Consumer({**settings, "bootstrap.servers": self._settings["bootstrap.servers"]})
        try:
            low, high = reader.get_watermark_offsets(place, timeout=PROBE_S)
            if low >= high:
                return 1
            back, latest = 1, 0
            reader.assign([TopicPartition(place.topic, place.partition, high - back)])
            deadline = time.monotonic() + 2 * PROBE_S
            while time.monotonic() < deadline:
                last = reader.poll(0.1)
                if last is None:
                    continue
                error = last.error()
                if error is None:
                    latest = max(latest, int(last.timestamp()[1]))
                    if (last.offset() or 0) >= high - 1:
                        return max(1, latest)
                elif error.code() != END:
                    raise Away(error.str())
                elif latest or high - back <= low:
                    return max(1, latest)
                else:
                    back *= 10  # only a transaction's marks stood there, which nobody is given
                    reader.assign([TopicPartition(place.topic, place.partition, max(low, high - back))])
        except KafkaException as error:
            raise Away(str(error.args[0])) from None
        finally:
            reader.close()
        raise Away(f"topic {place.topic}, partition {place.partition}: its last record did not come")

    async def append(self, records: list[Record], within: float) -> int:
        """Sends all records and returns once the broker has acknowledged every one: the offset of that acknowledged last (−1: none).

        Raises:
            Busy: the queue has no room for all of them; none is written, unless it is full of bytes.
            Away: one was not acknowledged within `within` seconds; each may or may not have been written.
        """
        if len(self._producer) + len(records) > QUEUE_MESSAGES:
            raise Busy
        done: asyncio.Future[int] = self._loop.create_future()
        waiting = _Waiting(len(records), lambda error, offset: self._call(_resolve, done, error, offset))
        producer = self._producer
        for sent, record in enumerate(records):
            try:
                producer.produce(
                    record.topic,
                    record.value,
                    record.key,
                    record.partition,
                    on_delivery=waiting.delivered,
                    timestamp=record.timestamp,
                    headers=record.headers,
                )
            except BufferError:
                waiting.give_up(len(records) - sent, None)
                raise Busy from None
            except KafkaException as error:
                waiting.give_up(len(records) - sent, error.args[0])
                break
        if not records:
            return -1
        try:
            async with asyncio.timeout(within):
                return await done
        except TimeoutError:
            self.suspect()
            raise Away(f"not acknowledged within {within:g} s") from None


def _give_up(producer: Producer) -> None:
    producer.purge()
    producer.flush(1.0)


def _resolve(done: asyncio.Future[int], error: KafkaError | None, offset: int) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(offset)
    else:
        done.set_exception(Away(error.str()))


class _Waiting:
    """Counts the acknowledgements of one request; called by the polling thread (and by `append` when it gives up)."""

    def __init__(self, left: int, finished: Callable[[KafkaError | None, int], None]) -> None:
        self._left = left
        self._offset = -1
        self._error: KafkaError | None = None
        self._finished = finished
        self._lock = threading.Lock()

    def delivered(self, error: KafkaError | None, message: KafkaMessage) -> None:
        """The producer's callback."""
        self.give_up(1, error, -1 if error is not None else message.offset() or 0)

    def give_up(self, n: int, error: KafkaError | None, offset: int = -1) -> None:
        """`n` records are settled, with an error or none."""
        with self._lock:
            self._left -= n
            self._error = self._error or error
            self._offset = max(self._offset, offset)
            if self._left == 0:
                self._finished(self._error, self._offset)
