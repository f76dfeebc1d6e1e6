"""The producer: points in, arrays by partition out, acknowledged by all replicas, in the order of each subject.

One thread in the background sends what has waited for the linger time and hears the broker's answers. Whoever sends
only appends, and waits when too much is unanswered: the buffer is bounded in points, so memory is, too.
"""

from __future__ import annotations

import functools
import itertools
import logging
import threading
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import Producer as KafkaProducer

from iskra.client.batching import Batch, Batcher, Refuse, Stopped
from iskra.client.errors import BufferFull, InvalidPoint, NotAcknowledged
from iskra.client.first_batch import FirstBatch
from iskra.client.kafka import CLIENT_SETTINGS, partition_count
from schemas.points import DEFAULT_TENANT, Point
from schemas.topics import LIVE_NAMESPACE, POINTS, full_name

_CHUNK = 512
"""Points taken under one hold of the lock: about half a millisecond, so that answers and linger are never late."""

_LONGEST_POLL = 0.05
"""s; `close` waits for the thread's last poll."""

_log = logging.getLogger("iskra.client")


class Producer:
    """Publishes points. Thread-safe; one for a process is enough. As a context manager it flushes on exit.

    Args:
        kafka: bootstrap address, `HOST:PORT[,…]`.
        namespace: prefix of the topics' names.
        linger_ms: how long a point may wait for others of its partition, ms; 0: each call sends at once.
        batch_points: points in one message at the most, up to 10,000.
        batch_bytes: bytes of one message at the most, up to 1,000,000.
        buffer_points: points taken and not yet acknowledged; beyond it sending waits (back-pressure).
        block_timeout: how long it waits then, s. A broker that restarts is back within 8 s; the default bears much worse.
        delivery_timeout: how long one point is tried before it is given up, s; twice that at the most while nothing of its
            partition was ever acknowledged.
        connect_timeout: how long the first answer of a broker may take, s.
        compression: `lz4`, `none`, `zstd`, `gzip` or `snappy`; lz4 makes the log a quarter as large at no measurable cost.
    Raises:
        Unreachable: no broker answered within `connect_timeout`.
        UnknownTopic: the namespace has no points topic.
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        kafka: str,
        *,
        namespace: str = LIVE_NAMESPACE,
        linger_ms: float = 5.0,
        batch_points: int = 1000,
        batch_bytes: int = 900_000,
        buffer_points: int = 100_000,
        block_timeout: float = 60.0,
        delivery_timeout: float = 120.0,
        connect_timeout: float = 10.0,
        compression: str = "lz4",
    ) -> None:
        if buffer_points < 1:
            raise ValueError(f"buffer_points: expected 1 or more, got {buffer_points}")
        if not 0 <= linger_ms <= 60_000:
            raise ValueError(f"linger_ms: expected 0 to 60000, got {linger_ms}")
        self._topic = full_name(namespace, POINTS)
        self._linger = linger_ms / 1000
        self._buffer_points = buffer_points
        self._block_timeout = block_timeout
        self._kafka = KafkaProducer(
            {
                **CLIENT_SETTINGS,
                "bootstrap.servers": kafka,
                "acks": "all",
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
                # the batches have lingered already
                "linger.ms": 0,
                "compression.type": compression,
                "delivery.timeout.ms": int(delivery_timeout * 1000),
                "message.max.bytes": 2_000_000,
                # our own bound in points is the narrower one: a message holds at least one
                "queue.buffering.max.messages": max(buffer_points + 1, 1000),
                "queue.buffering.max.kbytes": 2**21 - 1,
            },
            logger=_log,
        )
        self._delivery_timeout = delivery_timeout
        partitions = partition_count(self._kafka, self._topic, kafka, connect_timeout)
        self._batcher = Batcher(partitions, batch_points, batch_bytes)
        self._first = FirstBatch(partitions)
        self._changed = threading.Condition()
        self._serials = itertools.count()
        self._inflight: dict[int, Batch] = {}
        self._outstanding = 0
        self._acknowledged = 0
        self._failed: list[Batch] = []
        self._failed_points = 0
        self._given_up = 0
        self._reasons: dict[str, None] = {}
        self._closed = False
        self._stop = False
        self._thread = threading.Thread(target=self._run, name="iskra-producer", daemon=True)
        self._thread.start()

    @property
    def acknowledged(self) -> int:
        """Points that the broker has acknowledged so far."""
        return self._acknowledged

    @property
    def outstanding(self) -> int:
        """Points taken and neither acknowledged nor given up."""
        return self._outstanding

    @property
    def given_up(self) -> int:
        """Points that were given up so far, told or not."""
        return self._given_up

    def send(
        self, subject: str, metric: str, value: float, ts: int | str | None = None, tenant: str = DEFAULT_TENANT, source: str | None = None
    ) -> None:
        """Takes one point; it is sent within the linger time. Waits while the buffer is full.

        Args:
            subject: 1–128 letters, digits and `. _ : -`; so are `tenant` and `source`.
            metric: `[a-z][a-z0-9_]{0,63}`.
            value: finite, |value| ≤ 10⁹; 0 to 1 for the four vitals.
            ts: event time, epoch ms or RFC 3339 with a zone; None: now.
        Raises:
            InvalidPoint: which field, what was expected; nothing was taken.
            BufferFull: no room within `block_timeout`; nothing was taken.
            NotAcknowledged: as many points as the buffer holds were given up and nobody has asked (`flush`).
            RuntimeError: the producer is closed.
        """
        when = time.time_ns() // 1_000_000 if ts is None else ts
        self._take([Point(subject=subject, metric=metric, value=value, ts=when, tenant=tenant, source=source)], None, 0, 0)
        if not self._linger:
            self._send_open()

    def send_many(self, points: Iterable[Point], refuse: Refuse | None = None) -> int:
        """Takes points, in order, as `send` does; a long or endless iterable is taken as it comes.

        Args:
            points: not kept, not changed.
            refuse: called with (index, InvalidPoint) for each bad point, and the rest goes on. None: a bad point ends the call.
        Returns:
            How many were taken.
        Raises:
            InvalidPoint: `index` says which; all before it were taken, it and those after it not.
            BufferFull: `taken` says how many were taken before.
            NotAcknowledged, RuntimeError: as `send`.
        """
        iterator = iter(points)
        chunk_size = min(_CHUNK, self._buffer_points)
        taken = start = 0
        while chunk := list(itertools.islice(iterator, chunk_size)):
            taken += self._take(chunk, refuse, start, taken)
            start += len(chunk)
        if not self._linger:
            self._send_open()
        return taken

    def flush(self, timeout: float = 30.0) -> None:
        """Sends everything taken so far and waits until it is acknowledged.

        Args:
            timeout: s. What must fit: the broker's answer, at the worst its restart (8 s) and a few retries.
        Raises:
            NotAcknowledged: what was given up since the last call, or is still unanswered (`pending`).
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            self._produce(self._batcher.due(float("inf")))
            mark = next(self._serials)
            while self._inflight and next(iter(self._inflight)) < mark:
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    break
            waiting = [batch for serial, batch in self._inflight.items() if serial < mark]
            if waiting or self._failed:
                raise self._not_acknowledged(waiting)

    def close(self, timeout: float = 30.0) -> None:
        """Flushes, then ends; what is unanswered after `timeout` seconds is given up. A second call does nothing.

        Raises:
            NotAcknowledged: the points that were given up (`pending` is false).
        """
        with self._changed:
            if self._closed:
                return
            self._closed = True
        lost: NotAcknowledged | None = None
        try:
            self.flush(timeout)
        except NotAcknowledged as error:
            lost = NotAcknowledged(error.points, error.reasons, pending=False)
        with self._changed:
            self._stop = True
            self._changed.notify_all()
        self._thread.join()
        self._kafka.purge(blocking=False)
        if lost is not None:
            raise lost

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self.close()
        except NotAcknowledged as lost:
            if error is None:
                raise
            error.add_note(str(lost))

    def _take(self, points: list[Point], refuse: Refuse | None, start: int, taken: int) -> int:
        with self._changed:
            if self._closed:
                raise RuntimeError("the producer is closed")
            self._wait_for_room(len(points), taken)
            stopped: Stopped | None = None
            try:
                added, full = self._batcher.fill(points, time.monotonic(), refuse, start)
            except Stopped as error:
                stopped, added, full = error, error.added, error.full
            if not self._outstanding and added:
                self._changed.notify_all()  # the background thread sleeps while there is nothing to do
            self._outstanding += added
            self._produce(full)
            if stopped is not None:
                raise InvalidPoint(str(stopped), stopped.index)
            return added

    def _wait_for_room(self, points: int, taken: int) -> None:
        if self._failed_points >= self._buffer_points:
            raise self._not_acknowledged([])
        if self._outstanding + points <= self._buffer_points:
            return
        deadline = time.monotonic() + self._block_timeout
        while self._outstanding + points > self._buffer_points:
            left = deadline - time.monotonic()
            if left <= 0:
                reasons = "; ".join(self._reasons) or "the broker does not answer"
                raise BufferFull(f"{self._outstanding} points wait for {self._block_timeout:g} s: {reasons}", taken)
            self._changed.wait(left)

    def _produce(self, batches: list[Batch]) -> None:
        """Hands batches to the client library; called under the lock, so that their order is that of the points."""
        for batch in batches:
            serial = next(self._serials)
            self._inflight[serial] = batch
            if self._first.admit(serial, batch) and (refused := self._hand_over(serial, batch)) is not None:
                self._advance(batch.partition, refused)

    def _hand_over(self, serial: int, batch: Batch) -> KafkaError | None:
        """Gives a batch to the client library; what it refuses at once (the topic is gone) is given up, with its error."""
        try:
            self._kafka.produce(
                self._topic,
                value=batch.message(),
                key=batch.key,
                partition=batch.partition,
                on_delivery=functools.partial(self._answered, serial),
            )
        except KafkaException as refused:
            error: KafkaError = refused.args[0]
            self._settle(serial, error)
            return error
        return None

    def _advance(self, partition: int, error: KafkaError | None) -> None:
        """After the answer to a batch of the partition: what waited behind it goes, or is given up."""
        while True:
            given_up, going = self._first.answered(partition, error is None, time.monotonic() - self._delivery_timeout)
            for serial in given_up:
                self._settle(serial, error)
            refused = [reason for serial, batch in going if (reason := self._hand_over(serial, batch)) is not None]
            if not refused:
                return
            error = refused[-1]

    def _send_open(self) -> None:
        with self._changed:
            self._produce(self._batcher.due(float("inf")))

    def _answered(self, serial: int, error: KafkaError | None, _message: Any) -> None:
        with self._changed:
            self._advance(self._settle(serial, error), error)

    def _settle(self, serial: int, error: KafkaError | None) -> int:
        """Books a batch as acknowledged or given up, and returns its partition."""
        batch = self._inflight.pop(serial)
        count = len(batch.items)
        self._outstanding -= count
        if error is None:
            self._acknowledged += count
        else:
            self._failed.append(batch)
            self._failed_points += count
            self._given_up += count
            self._reasons[error.str()] = None
        self._changed.notify_all()
        return batch.partition

    def _not_acknowledged(self, waiting: list[Batch]) -> NotAcknowledged:
        points = [point for batch in (*self._failed, *waiting) for point in batch.points()]
        reasons = list(self._reasons)
        self._failed, self._failed_points, self._reasons = [], 0, {}
        return NotAcknowledged(points, reasons, pending=bool(waiting))

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._outstanding and not self._stop:
                    self._changed.wait()
                if self._stop:
                    return
                now = time.monotonic()
                self._produce(self._batcher.due(now - self._linger))
                oldest = self._batcher.oldest()
            # an answer ends the poll at once; else it ends when the oldest open batch, or one opened meanwhile, is due
            wait = min(self._linger or _LONGEST_POLL, _LONGEST_POLL)
            if oldest is not None:
                wait = max(0.0, min(wait, oldest + self._linger - now))
            try:
                self._kafka.poll(wait)
            except KafkaException:  # told through the delivery reports
                _log.exception("poll")
