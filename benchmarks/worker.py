"""A filled points topic, and a worker that empties it: `iskra bench ingest`, `detect` and `scale` stand on this.

Each function works on a broker that runs, in a namespace whose topics exist.
"""

from __future__ import annotations

import math
import random
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import psutil
from confluent_kafka import Consumer, Producer, TopicPartition

from benchmarks.child import child
from schemas.config import Config, config_hash, to_json
from schemas.partitioning import partition_for
from schemas.topics import CONFIG, DEFAULT_PARTITIONS, HEADER_KIND, KIND_CONFIG, KIND_TICK, POINTS, full_name

METRICS = (b"clarity", b"chaos", b"trust", b"pain")
_MIDDLE = (0.80, 0.45, 0.80, 0.30)
START_MS = 1_762_000_000_000
WAIT_S = 180.0
_SAMPLE = re.compile(rb"^(iskra_worker_[a-z_]+)(\{[^}]*\})? ([0-9.e+]+)$", re.MULTILINE)


def bulk_producer(kafka: str, **extra: Any) -> Producer:
    """A producer of large batches; nothing is waited for."""
    return Producer(
        {"bootstrap.servers": kafka, "linger.ms": 20, "batch.size": 1_000_000, "queue.buffering.max.messages": 1_000_000, **extra}
    )


def produce(producer: Producer, *args: Any, **kwargs: Any) -> None:
    """`Producer.produce`; while its queue is full it waits."""
    while True:
        try:
            producer.produce(*args, **kwargs)
        except BufferError:
            producer.poll(0.05)
        else:
            return


def begin(kafka: str, namespace: str, config: Config, partitions: int = DEFAULT_PARTITIONS) -> None:
    """Publishes the configuration and puts its marker at the beginning of each partition."""
    producer = bulk_producer(kafka)
    name = config_hash(config).encode()
    producer.produce(full_name(namespace, CONFIG), to_json(config), name, 0)
    producer.flush()
    for partition in range(partitions):
        headers: Any = [(HEADER_KIND, KIND_CONFIG)]
        producer.produce(full_name(namespace, POINTS), name, None, partition, timestamp=START_MS, headers=headers)
    producer.flush()


def fill(
    kafka: str, namespace: str, *, points: int, subjects: int, every_ms: int, array: int = 1, partitions: int = DEFAULT_PARTITIONS
) -> int:
    """Fills the points topic: all series of `subjects` × 4 metrics get a point each `every_ms` of event time, with ticks.

    Values swing slowly through the bands' edges, each subject in its own phase, so that statuses change now and then. The
    same arguments give the same log.

    Args:
        points: at least so many. array: points a message (of one partition each).
    Returns:
        How many points were written.
    """
    producer = bulk_producer(kafka)
    topic = full_name(namespace, POINTS)
    keys = [f"default/s{number:05d}".encode() for number in range(subjects)]
    places = [partition_for(key, partitions) for key in keys]
    rnd = random.Random(7)
    noise = [rnd.gauss(0, 0.01) for _ in range(4093)]
    written = step = 0
    while written < points:
        ts = START_MS + step * every_ms
        pending: list[list[bytes]] = [[] for _ in range(partitions)]
        for number, key in enumerate(keys):
            swing = 0.06 * math.sin(ts / 60_000 + number)
            for index, metric in enumerate(METRICS):
                value = min(max(_MIDDLE[index] + swing + noise[written % 4093], 0.0), 1.0)
                point = b'{"subject":"%b","metric":"%b","value":%.4f,"ts":%d}' % (key[8:], metric, value, ts)
                written += 1
                if array == 1:
                    produce(producer, topic, point, key, places[number], timestamp=ts)
                    continue
                group = pending[places[number]]
                group.append(point)
                if len(group) == array:
                    produce(producer, topic, b"[%b]" % b",".join(group), None, places[number], timestamp=ts)
                    group.clear()
        for partition, group in enumerate(pending):
            if group:
                produce(producer, topic, b"[%b]" % b",".join(group), None, partition, timestamp=ts)
        if ts // 1000 != (ts + every_ms) // 1000:
            for partition in range(partitions):
                second = (ts // 1000 + 1) * 1000
                produce(producer, topic, b"", None, partition, timestamp=second, headers=[(HEADER_KIND, KIND_TICK)])
        producer.poll(0)
        step += 1
    producer.flush()
    return written


@contextmanager
def worker(kafka: str, namespace: str, *options: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A worker as a child process; gives it and the port of its metrics."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = [sys.executable, "-m", "iskra", "worker", "--kafka", kafka, "--namespace", namespace, "--metrics-port", str(port), *options]
    with child(command) as process:
        yield process, port


def scrape(port: int) -> dict[str, float]:
    """The worker's figures, summed over labels; empty while it does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            body = answer.read()
    except (urllib.error.URLError, OSError):
        return {}
    found: dict[str, float] = {}
    for name, _, value in _SAMPLE.findall(body):
        found[name.decode()] = found.get(name.decode(), 0.0) + float(value)
    return found


class Drain(NamedTuple):
    """How one worker emptied a topic, from the first record that it was seen to have applied to the last output acknowledged.

    Attributes:
        points, outputs: in that time. seconds, cpu_s: by the clock, and of the worker's processor time. rss_mb: greatest seen.
    """

    points: int
    outputs: int
    seconds: float
    cpu_s: float
    rss_mb: int


def drain(kafka: str, namespace: str, written: int, *options: str) -> Drain:
    """Lets one worker, with these options, empty a topic that holds `written` points.

    Raises:
        RuntimeError: it did not within `WAIT_S`.
    """
    with worker(kafka, namespace, *options) as (process, port):
        watched = psutil.Process(process.pid)
        deadline = time.monotonic() + WAIT_S
        began = 0.0
        first: dict[str, float] = {}
        rss = 0.0
        while time.monotonic() < deadline and process.poll() is None:
            figures = scrape(port)
            now = time.monotonic()
            done = figures.get("iskra_worker_points_total", 0.0)
            if done and not began:
                began, first = now, figures
                cpu = sum(watched.cpu_times()[:2])
            with suppress(psutil.Error):
                rss = max(rss, watched.memory_info().rss / 1e6)
            if done >= written and figures["iskra_worker_unacknowledged"] == 0:
                return Drain(
                    round(done - first["iskra_worker_points_total"]),
                    round(figures["iskra_worker_outputs_total"] - first["iskra_worker_outputs_total"]),
                    now - began,
                    sum(watched.cpu_times()[:2]) - cpu,
                    round(rss),
                )
            time.sleep(0.1)
    raise RuntimeError(f"the worker did not empty the topic within {WAIT_S:g} s, exit code {process.poll()}")


def consumer_at_end(kafka: str, partitions: int, *topics: str) -> Consumer:
    """A consumer that reads what is written to some topics from now on."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": "iskra.bench",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 100,
            "fetch.queue.backoff.ms": 1,
        }
    )
    places = [TopicPartition(topic, partition) for topic in topics for partition in range(partitions)]
    for place in places:
        place.offset = consumer.get_watermark_offsets(place, timeout=10)[1]
    consumer.assign(places)
    return consumer
