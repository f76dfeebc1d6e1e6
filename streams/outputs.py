"""What leaves the worker: outputs and checkpoint records, counted until the broker has acknowledged them.

Everything of a partition that is sent between two checkpoints is an *epoch* (`streams.epoch`). A checkpoint may be committed
when nothing of its epoch or an earlier one is outstanding; that is the barrier. `flush()` would never return under traffic.
What nobody waits for goes by a lane of its own (`streams.lane`).
The producer is confluent-kafka's: 1.8 µs a message against 7.5 µs (aiokafka) and 300 µs (Faust).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import msgspec
import structlog
from confluent_kafka import KafkaError, Message, Producer

from processors.engine import Output
from schemas.topics import CURRENT, DEAD_LETTERS, HEADER_ID, STATUS, TOPICS, full_name
from streams.epoch import Epoch
from streams.errors import DeliveryFailed
from streams.lane import LATER, Lane

log = structlog.get_logger(__name__)

HEADER_AT = "at"
"""Header of records on `slo.current` and of states: the input offset at which they stand. The greater is the later."""

REST_S = 0.5
"""The producers' errors are heard so often while nothing is under way."""

REST_OF_LANE_S = 0.001
"""The lane's slices lie so far apart while no fetch rounds come."""

REST_BESIDE_ROUNDS_S = 0.025
"""And so far while they do: whoever reads windows (sink, gateway) works beside the verdicts, too, so what one closing leaves
goes over a second."""

ROUNDS_COME_S = 0.02
"""A round less than so long ago: more will come."""

VERDICTS_LINGER_MS = 1
"""Gathers what one fetch round causes: 40 % more throughput where outputs are many."""

BEHIND_LINGER_MS = 20
"""Nobody waits for these; the fewer requests, the sooner the broker gets round to a verdict."""

LATENCY_BUCKETS_MS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 100, 200, 500, 1000, 5000, 30_000)


_encode = msgspec.json.encode


class Latency:
    """How long after a record's time its statuses were acknowledged: a cumulative histogram in ms."""

    def __init__(self) -> None:
        self.counts = [0] * (len(LATENCY_BUCKETS_MS) + 1)
        self.sum_ms = 0.0

    def observe(self, ms: float) -> None:
        """Adds one duration."""
        self.sum_ms += ms
        self.counts[bisect_left(LATENCY_BUCKETS_MS, ms)] += 1


class Outputs:
    """The producer of a process. Owned by the event loop's thread; only `close` blocks, and that for a bounded time.

    A failed delivery calls `fail` with a `DeliveryFailed`; nothing of its epoch is then ever acknowledged, so no
    checkpoint passes over it.
    """

    def __init__(self, kafka: str, namespace: str, fail: Callable[[BaseException], None]) -> None:
        self._fail = fail
        self._names = {spec.name: full_name(namespace, spec.name) for spec in TOPICS}
        self._current = self._names[CURRENT]
        self._closed = False
        self._sent = asyncio.Event()
        self.sent_by_topic: dict[str, int] = dict.fromkeys(self._names, 0)
        self.dead_by_reason: dict[str, int] = {}
        self.latency = Latency()
        self.producer = self._connect(kafka, f"{namespace}.worker", VERDICTS_LINGER_MS)
        # states and what waits in the lane go by a connection of their own: ten megabytes must not stand before a verdict
        self._behind = self._connect(kafka, f"{namespace}.worker.behind", BEHIND_LINGER_MS)
        self._lane = Lane(partial(self._send_output, self._behind))
        self._round_at = 0.0

    def _connect(self, kafka: str, client: str, linger_ms: int) -> Producer:
        return Producer(
            {
                "bootstrap.servers": kafka,
                "client.id": client,
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": linger_ms,
                "batch.num.messages": 10_000,
                "batch.size": 1_000_000,
                "message.max.bytes": 4 * 1024 * 1024,
                "queue.buffering.max.messages": 400_000,
                "queue.buffering.max.kbytes": 65_536,
                # a broker that is away is waited for, for ever: nothing is lost, and back-pressure bounds what waits
                "message.timeout.ms": 0,
                "reconnect.backoff.max.ms": 200,
                "retry.backoff.max.ms": 200,
                "error_cb": self._on_error,
                "log_level": 3,
                "partitioner": "murmur2_random",
            }
        )

    def new_epoch(self, before: Epoch | None = None) -> Epoch:
        """The next epoch of a partition, after `before`."""
        return Epoch(self._on_failure, before)

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            self._fail(DeliveryFailed(f"the producer cannot go on: {error.str()}"))
        elif error.code() not in (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN):  # noqa: SLF001 - librdkafka's names
            log.warning("producer", error=error.str())

    def _on_failure(self, error: KafkaError, message: Message) -> None:
        if not self._closed:
            self._fail(DeliveryFailed(f"{message.topic()} {message.partition()}: {error.str()}"))

    def emit(self, epoch: Epoch, partition: int, outs: Iterable[Output], record_offset: int, record_ms: int) -> None:
        """Sends what one input record caused.

        Args:
            epoch: the partition's present one. partition: where input and outputs stand.
            record_offset: offset of the input record. record_ms: its time (for the latency).
        """
        counts = self.sent_by_topic
        now = 0.0
        for out in outs:
            topic = out.topic
            counts[topic] += 1
            if topic in LATER:
                now = now or time.monotonic()
                self._lane.add((now, epoch, partition, out))
                epoch.sent += 1
            elif topic == STATUS:
                self._send_status(epoch, partition, out, record_offset, record_ms)
            else:
                if topic == DEAD_LETTERS:
                    reason: str = out.value.reason  # type: ignore[attr-defined]
                    self.dead_by_reason[reason] = self.dead_by_reason.get(reason, 0) + 1
                epoch.sent += 1
                self._send_output(self.producer, epoch, partition, out)
        if now:
            self._lane.send_excess()
        self._sent.set()

    def _send_output(self, producer: Producer, epoch: Epoch, partition: int, out: Output) -> None:
        """Sends an output that is counted already."""
        headers = [(HEADER_ID, out.id.encode())]
        self._produce(producer, self._names[out.topic], _encode(out.value), out.key, partition, epoch.delivered, out.ts, headers)

    def _send_status(self, epoch: Epoch, partition: int, out: Output, record_offset: int, record_ms: int) -> None:
        """Sends a status to its topic and to `slo.current`."""
        key, ts = out.key, out.ts
        producer, body, header = self.producer, _encode(out.value), (HEADER_ID, out.id.encode())
        told = partial(self._status_delivered, epoch, record_ms)
        full_key = b"%b/%b" % (key, out.value.metric.encode())  # type: ignore[attr-defined]
        epoch.sent += 2
        self.sent_by_topic[CURRENT] += 1
        self._produce(producer, self._names[STATUS], body, key, partition, told, ts, [header])
        headers = [header, (HEADER_AT, b"%d" % record_offset)]
        self._produce(producer, self._names[CURRENT], body, full_key, partition, epoch.delivered, ts, headers)

    def _status_delivered(self, epoch: Epoch, record_ms: int, error: KafkaError | None, message: Message) -> None:
        self.latency.observe(max(0.0, time.time() * 1000 - record_ms))
        epoch.delivered(error, message)

    def send(
        self, epoch: Epoch, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]
    ) -> None:
        """Sends one record other than an output of the engine (corrections and tombstones on `slo.current`)."""
        epoch.sent += 1
        self._produce(self.producer, self._names[topic], value, key, partition, epoch.delivered, 0, headers)
        self._sent.set()
        self.sent_by_topic[topic] += 1

    def send_state(
        self, epoch: Epoch, topic: str, partition: int, key: bytes, value: bytes | None, headers: list[tuple[str, bytes]]
    ) -> None:
        """Sends a checkpoint record, whose place on the checkpoint log is noted in the epoch."""
        epoch.sent += 1
        self._produce(self._behind, self._names[topic], value, key, partition, epoch.state_delivered, 0, headers)
        self._sent.set()
        self.sent_by_topic[topic] += 1

    def _produce(
        self,
        producer: Producer,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        partition: int,
        callback: Callable[[KafkaError | None, Message], None],
        timestamp: int,
        headers: list[tuple[str, Any]],
    ) -> None:
        while True:
            try:
                # by position: half a microsecond less; the sixth is another name of the fifth
                producer.produce(topic, value, key, partition, callback, None, timestamp, headers)
            except BufferError:
                if self._closed:
                    raise
                # one record may cause more outputs than the queue holds (100,000 subjects' windows close at one tick)
                producer.poll(0.02)
            else:
                break

    async def deliver(
        self, topic: str, partition: int, key: bytes | None, value: bytes, headers: list[tuple[str, bytes]], timestamp: int = 0
    ) -> int:
        """Sends one record outside any epoch and waits for its acknowledgement; `timestamp` is its time in ms, 0: the present.

        Returns:
            Its offset.
        Raises:
            DeliveryFailed: it was refused for good.
        """
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def delivered(error: KafkaError | None, message: Message) -> None:
            if done.done():
                return
            if error is None:
                done.set_result(message.offset() or 0)
            else:
                done.set_exception(DeliveryFailed(f"{message.topic()} {partition}: {error.str()}"))

        self._produce(self.producer, self._names[topic], value, key, partition, delivered, timestamp, headers)
        self._sent.set()
        return await done

    def poll(self) -> int:
        """Runs the delivery callbacks that are due; never blocks."""
        return int(self.producer.poll(0)) + int(self._behind.poll(0))

    @property
    def unacknowledged(self) -> int:
        """Records that wait, are on their way, or are acknowledged and not yet counted."""
        return len(self._lane) + len(self.producer) + len(self._behind)

    def send_overdue(self) -> None:
        """To be called again and again while rounds come: what has waited too long is sent."""
        self._round_at = time.monotonic()
        self._lane.send_overdue()

    def send_waiting(self) -> None:
        """Sends all that waits. Blocks for some 40 ms."""
        self._lane.send_all()

    async def below(self, count: int) -> None:
        """Waits until fewer than `count` are unacknowledged."""
        while self.unacknowledged >= count:
            self._lane.send_slice()
            if not self.poll():
                await asyncio.sleep(0.001)
            else:
                await asyncio.sleep(0)

    async def poll_forever(self, is_idle: Callable[[], bool]) -> None:
        """Runs callbacks: every 2 ms while something is under way, else when something is sent. Sends what waits while nobody works.

        While the lane rests beside rounds, callbacks are run by these, or after the rest.

        Args:
            is_idle: whether no fetch round is under way.
        """
        while True:
            self.poll()
            if self._lane and is_idle():
                self._lane.send_slice()
                # longer than a turn of the loop: on its way to its agent a round takes several, and not a slice in each
                rounds_come = time.monotonic() - self._round_at < ROUNDS_COME_S
                await asyncio.sleep(REST_BESIDE_ROUNDS_S if rounds_come else REST_OF_LANE_S)
                continue
            if not self.unacknowledged:
                self._sent.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._sent.wait(), REST_S)
            await asyncio.sleep(0.002)

    def close(self, seconds: float) -> None:
        """Blocks for at most `seconds` until all is acknowledged; what is not then is written again after the next start."""
        self._closed = True
        deadline = time.monotonic() + seconds
        with contextlib.suppress(BufferError):
            self._lane.send_all()
        for producer in (self.producer, self._behind):
            producer.flush(max(0.0, deadline - time.monotonic()))
