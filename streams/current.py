"""Keeps `slo.current` true: of each key the latest status must stand last.

What a paused worker writes when it goes on is as true as its successor's, but late: on a compacted topic it could stand
last for ever. So the owner of a partition reads its part of `slo.current`, from the beginning after a restore and then
on and on, a little behind, and writes again whatever it finds overtaken by something older. Records carry the input
offset in the header `at`; with index and number from the id it orders the statuses of a key.
"""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Callable, Iterable

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.headers import headers_of
from schemas.topics import HEADER_ID
from streams.outputs import HEADER_AT
from streams.recovery import offset_in, offset_of, read_range, reader, watermarks

log = structlog.get_logger(__name__)

Rewrite = Callable[[int, bytes, "bytes | None", "list[tuple[str, bytes]]"], None]
"""Called in the guard's thread: partition, key, value, headers of the record to write again."""

_LAST = (1 << 40) - 1
_ID = re.compile(rb"\d+-\d+-(\d{1,4})-(\d{1,7})-[^-]+")
"""An id with its index (below 10,000) and number."""


def order(at: int, id_: bytes) -> int | None:
    """Orders what is said of one key: input offset, then index in the array, then number; tombstones come last at theirs.

    None: no worker gives such an id.
    """
    if not id_:
        return at << 40 | _LAST
    found = _ID.fullmatch(id_)
    return None if found is None else at << 40 | int(found[1]) << 24 | int(found[2])


class Latest:
    """The latest of each key of one partition. Pure: records in, keys that need rewriting out."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[int, int]] = {}
        self._stale: dict[bytes, int] = {}

    def see(self, key: bytes, rank: int, offset: int) -> None:
        """Takes in the next record of `slo.current`: its key, its order, and the offset at which it stands there."""
        known = self._known.get(key)
        if known is None or rank >= known[0]:
            self._known[key] = (rank, offset)
            self._stale.pop(key, None)
        else:
            self._stale[key] = known[1]

    def take_stale(self) -> dict[bytes, int]:
        """Keys whose last record is not their latest, each with the offset of the latest. Told once."""
        stale, self._stale = self._stale, {}
        return stale

    def subjects(self) -> dict[bytes, int]:
        """Subjects with anything said of them, each with the greatest input offset of that."""
        found: dict[bytes, int] = {}
        for key, (rank, _) in self._known.items():
            subject = key.rpartition(b"/")[0]
            found[subject] = max(found.get(subject, -1), rank >> 40)
        return found

    def take_of(self, subjects: dict[bytes, int]) -> list[bytes]:
        """The keys (`tenant/subject/metric`) last said of these subjects at or before the given offsets; they leave memory."""
        keys = [key for key, (rank, _) in self._known.items() if rank >> 40 <= subjects.get(key.rpartition(b"/")[0], -1)]
        for key in keys:
            del self._known[key]
        return keys


class CurrentGuard:
    """A thread that reads the owned partitions of `slo.current`. `own`, `forget` and `close` may be called from any thread.

    Args:
        kafka, topic, inputs: bootstrap address, `slo.current` and the points topic by their full names.
        rewrite: see `Rewrite`. on_read: called in the guard's thread when it has read a partition to its end for the first
            time, with the subjects that it found.
    """

    def __init__(self, kafka: str, topic: str, inputs: str, rewrite: Rewrite, on_read: Callable[[int, dict[bytes, int]], None]) -> None:
        self._kafka = kafka
        self._topic = topic
        self._inputs = inputs
        self._ends: dict[int, int] = {}
        self._looked: set[int] = set()
        self._rewrite = rewrite
        self._on_read = on_read
        self._commands: queue.SimpleQueue[tuple[str, int, object]] = queue.SimpleQueue()
        self._latest: dict[int, Latest] = {}
        self._caught_up: set[int] = set()
        self._forgotten: dict[int, dict[bytes, int]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="current-guard", daemon=True)
        self.rewritten = 0

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def own(self, partition: int) -> None:
        """Begins with a partition, from its beginning; again if it was owned before."""
        self._commands.put(("own", partition, None))

    def disown(self, partition: int) -> None:
        """Lets a partition go."""
        self._commands.put(("disown", partition, None))

    def forget(self, partition: int, subjects: Iterable[bytes], at: int) -> None:
        """Writes tombstones for all metrics of these subjects, forgotten at the input offset `at`."""
        self._commands.put(("forget", partition, dict.fromkeys(subjects, at)))

    def close(self) -> None:
        """Ends the thread; blocks for at most a second."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(1.0)

    def _run(self) -> None:
        # statuses come in lumps here, so that the hot path is not disturbed by every one of them
        consumer = reader(self._kafka, **{"fetch.wait.max.ms": 500, "fetch.min.bytes": 65_536, "queued.max.messages.kbytes": 4_096})
        asker = reader(self._kafka)  # on a connection of its own: the other's fetches wait for half a second
        try:
            while not self._ended.is_set():
                try:
                    self._step(consumer, asker)
                except KafkaException as error:
                    log.warning("reading slo.current", error=str(error))
                    self._ended.wait(1.0)
        finally:
            consumer.close()
            asker.close()

    def _step(self, consumer: Consumer, asker: Consumer) -> None:
        self._obey(consumer)
        if not self._latest:
            self._ended.wait(0.1)
            return
        messages = consumer.consume(1_000, 0.3)
        self._looked.clear()  # what stands in them was caused by what was in the log before they came
        for message in messages:
            self._see(asker, message)
        for partition, latest in self._latest.items():
            for key, offset in latest.take_stale().items():
                self._write_again(partition, key, offset)
            if partition in self._caught_up and self._forgotten.get(partition):
                self._write_tombstones(partition, latest)

    def _obey(self, consumer: Consumer) -> None:
        while not self._commands.empty():
            what, partition, detail = self._commands.get()
            if what == "forget" and isinstance(detail, dict):
                self._forgotten.setdefault(partition, {}).update(detail)
                continue
            if partition in self._latest:
                consumer.incremental_unassign([TopicPartition(self._topic, partition)])
                del self._latest[partition]
            self._caught_up.discard(partition)
            self._forgotten.pop(partition, None)
            if what == "own":
                self._latest[partition] = Latest()
                consumer.incremental_assign([TopicPartition(self._topic, partition, 0)])

    def _see(self, asker: Consumer, message: Message) -> None:
        error = message.error()
        partition = message.partition() or 0
        if error is not None:
            at_end = error.code() == KafkaError._PARTITION_EOF  # noqa: SLF001 - librdkafka's name
            if at_end and partition in self._latest and partition not in self._caught_up:
                self._caught_up.add(partition)
                self._on_read(partition, self._latest[partition].subjects())
            return
        latest = self._latest.get(partition)
        headers = headers_of(message)
        key, at = message.key(), offset_in(headers.get(HEADER_AT))
        if latest is None or key is None or at is None or not self._is_in_log(asker, partition, at):
            return
        rank = order(at, headers.get(HEADER_ID, b""))
        if rank is not None:
            latest.see(key, rank, offset_of(message))

    def _is_in_log(self, asker: Consumer, partition: int, at: int) -> bool:
        """Whether the input offset exists: what claims a later one would be held for the latest for ever."""
        if at >= self._ends.get(partition, 0) and partition not in self._looked:
            _, self._ends[partition] = watermarks(asker, self._inputs, partition)
            self._looked.add(partition)
        return at < self._ends.get(partition, 0)

    def _write_again(self, partition: int, key: bytes, offset: int) -> None:
        consumer = reader(self._kafka)
        try:
            for message in read_range(consumer, self._topic, partition, offset, offset):
                if message.key() == key:
                    self.rewritten += 1
                    log.info(
                        "an older status stood last, the latest is written again", key=key.decode("utf-8", "replace"), partition=partition
                    )
                    self._rewrite(partition, key, message.value(), list(headers_of(message).items()))
        finally:
            consumer.close()

    def _write_tombstones(self, partition: int, latest: Latest) -> None:
        subjects = self._forgotten.pop(partition)
        for key in latest.take_of(subjects):
            at = subjects[key.rpartition(b"/")[0]]
            self._rewrite(partition, key, None, [(HEADER_AT, b"%d" % at)])
