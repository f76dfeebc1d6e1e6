"""Many subjects that each say little: what a worker needs for 100,000 of them at one point in 10 s, and what it keeps."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import psutil
from confluent_kafka import Consumer, TopicPartition

from benchmarks.engine import MIDDLE, NOISE
from benchmarks.stack import broker, fresh_namespace
from benchmarks.worker import START_MS, begin, bulk_producer, produce, scrape, worker
from schemas.config import Config
from schemas.partitioning import partition_for, subject_key
from schemas.topics import DEFAULT_PARTITIONS, HEADER_KIND, KIND_TICK, POINTS, full_name

EVERY_S = 10
"""Each series has one point in so many seconds of event time."""
AHEAD = 200_000
"""Points that the log may be ahead of the worker: enough that it never waits, and little is left after the end."""
LOOK_S = 0.5
"""Between two looks at the worker: to tell its figures costs it a few ms."""
GROWN_S = 15.0
"""Between two entries of how memory and event time grew."""
WAIT_S = 180.0
"""For what was begun: to apply the last of the log, to keep a checkpoint, to restore it."""


class Subjects:
    """Subjects with four vitals around their middles, each swinging in its own phase, and the log that they write.

    A subject sends its four points in one message, and a tenth of the subjects sends in each second.
    """

    def __init__(self, number: int, partitions: int = DEFAULT_PARTITIONS) -> None:
        rnd = random.Random(13)
        self._noise = [rnd.gauss(0, NOISE) for _ in range(8191)]
        self._partitions = partitions
        self._groups: list[list[tuple[int, bytes, int, bytes]]] = [[] for _ in range(EVERY_S)]
        for which in range(number):
            name = f"s{which:06d}"
            key = subject_key("default", name)
            self._groups[which % EVERY_S].append((which, key, partition_for(key, partitions), name.encode()))

    def second(self, number: int) -> list[tuple[int, bytes, bytes]]:
        """The messages of a second of event time (from 0), all at its beginning: partition, key, value."""
        ts = START_MS + number * 1000
        found = []
        for which, key, partition, name in self._groups[number % EVERY_S]:
            swing = 0.05 * math.sin(number / 60 + which)
            points = []
            for place, (metric, middle) in enumerate(MIDDLE.items()):
                value = min(max(middle + swing + self._noise[(4 * which + place + 31 * number) % 8191], 0.0), 1.0)
                points.append(b'{"subject":"%b","metric":"%b","value":%.4f,"ts":%d}' % (name, metric.encode(), value, ts))
            found.append((partition, key, b"[%b]" % b",".join(points)))
        return found


class Log:
    """Writes the log, a second after the other, with a tick at the end of each in every partition."""

    def __init__(self, kafka: str, namespace: str, subjects: Subjects) -> None:
        self._producer = bulk_producer(kafka, log_level=0)  # it outlives the broker, and would say so
        self._topic = full_name(namespace, POINTS)
        self._subjects = subjects
        self.seconds = 0
        self.points = 0

    def write(self) -> None:
        """One second of event time."""
        ts = START_MS + self.seconds * 1000
        for partition, key, value in self._subjects.second(self.seconds):
            produce(self._producer, self._topic, value, key, partition, timestamp=ts)
            self.points += len(MIDDLE)
        for partition in range(DEFAULT_PARTITIONS):
            headers: Any = [(HEADER_KIND, KIND_TICK)]
            produce(self._producer, self._topic, b"", None, partition, timestamp=ts + 1000, headers=headers)
        self.seconds += 1
        self._producer.poll(0)

    def flush(self) -> None:
        """Waits until all is acknowledged."""
        self._producer.flush(WAIT_S)


class _Watched:
    """A worker that runs: its memory and what it has applied."""

    def __init__(self, pid: int, port: int) -> None:
        self._process = psutil.Process(pid)
        self._port = port
        self.rss_mb = 0

    def look(self) -> dict[str, float]:
        """The worker's figures now (empty while it does not answer); the greatest memory is noted.

        Raises:
            RuntimeError: it has ended.
        """
        try:
            self.rss_mb = max(self.rss_mb, round(self._process.memory_info().rss / 1e6))
        except psutil.Error:
            raise RuntimeError("the worker has ended") from None
        return scrape(self._port)

    def cpu_s(self) -> float:
        """Processor time so far."""
        return sum(self._process.cpu_times()[:2])


class Moment(NamedTuple):
    """How far a worker had come: seconds by the clock, event time applied, points a second since the moment before, memory."""

    wall_s: float
    event_s: float
    points_per_s: int
    rss_mb: int


def moments(seen: list[tuple[float, float, int]], per_event_s: float, every_s: float = GROWN_S) -> list[Moment]:
    """How it grew, in steps of at least `every_s` and the last one.

    Args:
        seen: (clock, points applied, rss_mb) as looked at. per_event_s: points of a second of event time.
    """
    found: list[Moment] = []
    began, done, _ = before = seen[0]
    for number, now in enumerate(seen[1:], 2):
        if now[0] - before[0] >= every_s or (number == len(seen) and now[0] > before[0]):
            rate = (now[1] - before[1]) / (now[0] - before[0])
            found.append(Moment(round(now[0] - began, 1), round((now[1] - done) / per_event_s, 1), round(rate), now[2]))
            before = now
    return found


def _feed(log: Log, watched: _Watched, seconds: float) -> tuple[list[tuple[float, float, int]], float]:
    """Keeps the log ahead of the worker for so long from the first point applied; gives what was seen, and µs of processor a point."""
    seen: list[tuple[float, float, int]] = []
    cpu = 0.0
    looked = 0.0
    waits_until = time.monotonic() + WAIT_S
    while not seen or time.monotonic() - seen[0][0] < seconds:
        if not seen and time.monotonic() > waits_until:
            raise RuntimeError(f"the worker has applied nothing within {WAIT_S:g} s")
        done = seen[-1][1] if seen else 0.0
        if log.points - done < AHEAD:
            log.write()
        elif (rest := looked + LOOK_S - time.monotonic()) > 0:
            time.sleep(rest)
        if time.monotonic() - looked >= LOOK_S:
            looked = time.monotonic()
            points = watched.look().get("iskra_worker_points_total", 0.0)
            if points:
                if not seen:
                    cpu = watched.cpu_s()
                seen.append((time.monotonic(), points, watched.rss_mb))
    spent = watched.cpu_s() - cpu
    log.flush()
    return seen, spent / max(1.0, seen[-1][1] - seen[0][1]) * 1e6


def _until(is_so: Callable[[], bool], watched: _Watched) -> bool:
    """Whether something comes to be within `WAIT_S`; the worker's memory is watched meanwhile."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        watched.look()
        if is_so():
            return True
        time.sleep(LOOK_S)
    return False


class _Offsets:
    """What the broker says of the points topic: its ends, and the offsets that the workers' group has committed."""

    def __init__(self, kafka: str, namespace: str) -> None:
        self._consumer = Consumer({"bootstrap.servers": kafka, "group.id": f"{namespace}.worker", "enable.auto.commit": False})
        self._places = [TopicPartition(full_name(namespace, POINTS), partition) for partition in range(DEFAULT_PARTITIONS)]

    def are_committed(self) -> bool:
        """Whether the commits stand at the ends."""
        ends = [self._consumer.get_watermark_offsets(place, timeout=10)[1] for place in self._places]
        return [place.offset for place in self._consumer.committed(self._places, timeout=10)] == ends

    def close(self) -> None:
        """Ends it."""
        self._consumer.close()


def scale(config: Config, *, seconds: int = 120, subjects: int = 100_000) -> dict[str, Any]:
    """`worker_rss_mb`, `points_per_s`, `checkpoint_kept`: a worker with everything on and `subjects` × 4 metrics.

    For `seconds` a log is written as fast as the worker takes it, so that event time runs as fast as it can: `times_real` of
    the wall's. After that the worker applies the rest and keeps a checkpoint (its commit stands at the end of the log), is
    killed, and another one restores: `checkpoint_kept` is whether it then knows every subject.

    Returns:
        Besides, `details`: memory and event time as they grew, the length of checkpoint and restore, memory after it.
    """
    per_event_s = subjects * len(MIDDLE) / EVERY_S
    with broker() as kafka:
        namespace = fresh_namespace(kafka)
        begin(kafka, namespace, config)
        log = Log(kafka, namespace, Subjects(subjects))
        offsets = _Offsets(kafka, namespace)
        with worker(kafka, namespace) as (process, port):
            watched = _Watched(process.pid, port)
            seen, cpu_us = _feed(log, watched, seconds)
            began = time.monotonic()
            is_committed = _until(offsets.are_committed, watched)
            kept_s = time.monotonic() - began
            process.kill()
            process.wait()
        offsets.close()
        with worker(kafka, namespace) as (process, port):
            other = _Watched(process.pid, port)
            is_restored = _until(lambda: other.look().get("iskra_worker_subjects") == subjects, other)
            restore_s = other.look().get("iskra_worker_restore_seconds", 0.0)
    points_per_s = (seen[-1][1] - seen[0][1]) / (seen[-1][0] - seen[0][0])
    return {
        "worker_rss_mb": watched.rss_mb,
        "points_per_s": round(points_per_s),
        "times_real": round(points_per_s / per_event_s, 2),
        "checkpoint_kept": is_committed and is_restored,
        "details": {
            "subjects": subjects,
            "points": log.points,
            "event_s": log.seconds,
            "cpu_us_per_point": round(cpu_us, 2),
            "grown": [moment._asdict() for moment in moments(seen, per_event_s)],
            "to_checkpoint_s": round(kept_s, 1),
            "restore_s": round(restore_s, 1),
            "restored_rss_mb": other.rss_mb,
        },
    }
