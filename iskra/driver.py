"""The virtual-time driver on Kafka: writes what `experiments.driver.schedule` says, and waits for the worker at barriers.

How it waits. The worker's /metrics say, for each partition, which record it applies next
(`iskra_worker_next_offset`), and how many of its outputs the broker has not acknowledged (`iskra_worker_unacknowledged`).
A barrier is passed when, in two readings one after the other, every partition stands behind its last tick and nothing
is unacknowledged. (Two: between the moment at which a record counts as applied and that at which its outputs are counted, lie
microseconds of the worker's loop, and a reading takes many turns of it.) Then every effect of what was written can be
read at the ends of the output topics. Committed offsets would not do: they move at checkpoints only.

Because nothing is written meanwhile, reactions at a barrier stand at the same virtual second at any speed: a run at
100× has the verdicts of one at 1×.
"""

from __future__ import annotations

import math
import re
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec
from confluent_kafka import KafkaError
from confluent_kafka import Producer as KafkaProducer

from experiments.driver import Barrier, Commands, Pace, Record, Source, schedule
from iskra.client import NotAcknowledged
from iskra.client.kafka import CLIENT_SETTINGS, hand_over, partition_count
from schemas.commands import encode_command
from schemas.partitioning import subject_key
from schemas.points import Point
from schemas.topics import HEADER_KIND, KIND_COMMAND, KIND_TICK, POINTS, full_name

ACKNOWLEDGE_S = 60.0
"""For the records of ten virtual seconds; a broker that was killed is back within 8 s."""
BARRIER_S = 60.0
"""For the worker to apply them; a worker that was killed is back within 6 s."""
# two lines of some hundred: a parser of the whole page takes longer than the worker's answer
_FIGURE = re.compile(r'^iskra_worker_(next_offset|unacknowledged)(?:\{partition="(\d+)"\})? (\S+)$', re.MULTILINE)
_LOOK_S = 0.005
"""Between two readings of the worker's metrics; one reading takes 3–10 ms."""


class BehindError(Exception):
    """The worker did not reach a barrier in time; the text says where it stands."""


class Progress(Protocol):
    """How far the worker is."""

    def reached(self, ends: dict[int, int]) -> bool:
        """Whether, of each partition, everything up to and with this offset is applied and its outputs are acknowledged."""


class WorkerProgress:
    """Progress as the /metrics of all workers of the namespace tell it. `urls` may change between calls.

    A worker that does not answer has reached nothing.
    """

    def __init__(self, urls: Callable[[], Sequence[str]]) -> None:
        self._urls = urls

    def reached(self, ends: dict[int, int]) -> bool:
        """See `Progress`; blocks for at most 2 s a worker."""
        return self._reading(ends) and self._reading(ends)

    def _reading(self, ends: dict[int, int]) -> bool:
        next_offsets: dict[int, float] = {}
        for url in self._urls():
            try:
                with urllib.request.urlopen(url, timeout=2.0) as answer:  # noqa: S310 - the address comes from who runs the stack
                    text = answer.read().decode()
            except OSError:
                return False
            for name, partition, value in _FIGURE.findall(text):
                if name == "next_offset":
                    next_offsets[int(partition)] = max(float(value), next_offsets.get(int(partition), 0))
                elif float(value):
                    return False
        return all(next_offsets.get(partition, -1) > end for partition, end in ends.items())


class LogWriter:
    """Writes points, ticks and commands with given record times. One thread at a time.

    Raises:
        iskra.client.ClientError: as `iskra.client.Producer`.
    """

    def __init__(self, kafka: str, namespace: str) -> None:
        self._topic = full_name(namespace, POINTS)
        self._failed: str | None = None
        self._ends: dict[int, int] = {}
        self._kafka = KafkaProducer(
            {
                **CLIENT_SETTINGS,
                "bootstrap.servers": kafka,
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": 2,
                "compression.type": "lz4",
                "message.max.bytes": 4_000_000,
                "log_level": 2,
            }
        )
        self.partitions = partition_count(self._kafka, self._topic, kafka, 10.0)

    def write(self, record: Record) -> None:
        """Hands one record over; it is acknowledged after `flush`. Waits while the client's queue is full."""
        key: bytes | None = None
        value = b""
        headers: dict[str, str | bytes | None] = {}
        if record.command is not None:
            headers[HEADER_KIND] = KIND_COMMAND
            key = subject_key(record.command.tenant, record.command.subject)
            value = encode_command(record.command)
        elif record.points is None:
            headers[HEADER_KIND] = KIND_TICK
        else:
            key = _key(record.points[0])
            value = msgspec.json.encode(record.points if len(record.points) > 1 else record.points[0])
        hand_over(self._kafka, self._topic, value, key, record.partition, self._delivered, timestamp=record.time, headers=headers)

    def flush(self) -> dict[int, int]:
        """Waits until everything is acknowledged.

        Returns:
            The offset of the last record of each partition that was written to.
        Raises:
            NotAcknowledged: the broker refused or did not answer within `ACKNOWLEDGE_S`; the run cannot go on.
        """
        left = self._kafka.flush(ACKNOWLEDGE_S)
        if left or self._failed:
            raise NotAcknowledged([], [self._failed or f"{left} records without an answer for {ACKNOWLEDGE_S:g} s"], pending=bool(left))
        return dict(self._ends)

    def _delivered(self, error: KafkaError | None, message: Any) -> None:
        if error is not None:
            self._failed = error.str()
        else:
            self._ends[message.partition()] = max(message.offset(), self._ends.get(message.partition(), -1))


def _key(point: Point) -> bytes:
    return subject_key(point.tenant, point.subject)


def drive(
    writer: LogWriter,
    source: Source,
    progress: Progress,
    *,
    start: int,
    seconds: int | None,
    speed: float = math.inf,
    at_barrier: Callable[[int], None] | None = None,
    commands: Commands | None = None,
    stop: threading.Event | None = None,
    batch_ms: int = 1000,
    barrier_timeout: float = BARRIER_S,
) -> int:
    """Writes a run in virtual time; blocks until it is over.

    Args:
        source, start, seconds, batch_ms, commands: as `experiments.driver.schedule`.
        progress: asked at every barrier.
        speed: virtual seconds a second; infinity: as fast as the worker follows.
        at_barrier: called with the virtual second when every effect up to it can be read; reactions belong here.
        stop: set it to end the run at the next barrier or pause; what was written stays.
        barrier_timeout: s, for the worker to reach one barrier.
    Returns:
        The last virtual second (epoch s) that was written and passed.
    Raises:
        BehindError: the worker did not reach a barrier in time. NotAcknowledged: the broker did not take the records.
    """
    ended = stop or threading.Event()
    pace = Pace(speed, start, time.monotonic())
    passed = start
    for step in schedule(source, start=start, seconds=seconds, partitions=writer.partitions, batch_ms=batch_ms, commands=commands):
        if isinstance(step, Record):
            wait = pace.wait(step.time, time.monotonic())
            if wait > 0 and ended.wait(wait):
                break
            writer.write(step)
            continue
        _hold(writer.flush(), progress, step, barrier_timeout, ended)
        if ended.is_set():
            break
        passed = step.second
        if at_barrier is not None:
            at_barrier(step.second)
        pace.held(step.second * 1000, time.monotonic())
    writer.flush()
    return passed


def _hold(ends: dict[int, int], progress: Progress, barrier: Barrier, timeout: float, ended: threading.Event) -> None:
    deadline = time.monotonic() + timeout
    while not progress.reached(ends):
        if time.monotonic() > deadline:
            raise BehindError(f"no worker has passed second {barrier.second} (offsets {ends}) within {timeout:g} s")
        if ended.wait(_LOOK_S):
            return
