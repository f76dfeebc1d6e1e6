"""How fast a worker empties a filled topic, and how soon it answers: `iskra bench ingest` and `detect` stand on this.

Each function works on a broker that runs, in a namespace whose topics exist; it fills the topic by itself, starts one
worker as a child process and gives its figures as a dictionary.
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
from typing import Any

import psutil
from confluent_kafka import Consumer, Producer, TopicPartition

from schemas.config import Config, config_hash, to_json
from schemas.partitioning import partition_for
from schemas.topics import CONFIG, DEFAULT_PARTITIONS, HEADER_KIND, KIND_CONFIG, KIND_TICK, POINTS, full_name

METRICS = (b"clarity", b"chaos", b"trust", b"pain")
_MIDDLE = (0.80, 0.45, 0.80, 0.30)
START_MS = 1_762_000_000_000
WAIT_S = 180.0
_SAMPLE = re.compile(rb"^(iskra_worker_[a-z_]+)(\{[^}]*\})? ([0-9.e+]+)$", re.MULTILINE)


def _producer(kafka: str, **extra: Any) -> Producer:
    return Producer(
        {"bootstrap.servers": kafka, "linger.ms": 20, "batch.size": 1_000_000, "queue.buffering.max.messages": 1_000_000, **extra}
    )


def _produce(producer: Producer, *args: Any, **kwargs: Any) -> None:
    while True:
        try:
            producer.produce(*args, **kwargs)
        except BufferError:
            producer.poll(0.05)
        else:
            return


def begin(kafka: str, namespace: str, config: Config, partitions: int = DEFAULT_PARTITIONS) -> None:
    """Publishes the configuration and puts its marker at the beginning of each partition."""
    producer = _producer(kafka)
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

    Values swing slowly through the bands' edges, each subject in its own phase, so that statuses change now and then.

    Args:
        points: at least so many. array: points a message (of one partition each).
    Returns:
        How many points were written.
    """
    producer = _producer(kafka)
    topic = full_name(namespace, POINTS)
    keys = [f"default/s{number:05d}".encode() for number in range(subjects)]
    places = [partition_for(key, partitions) for key in keys]
    noise = [random.Random(7).gauss(0, 0.01) for _ in range(4093)]
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
                    _produce(producer, topic, point, key, places[number], timestamp=ts)
                    continue
                group = pending[places[number]]
                group.append(point)
                if len(group) == array:
                    _produce(producer, topic, b"[%b]" % b",".join(group), None, places[number], timestamp=ts)
                    group.clear()
        for partition, group in enumerate(pending):
            if group:
                _produce(producer, topic, b"[%b]" % b",".join(group), None, partition, timestamp=ts)
        if ts // 1000 != (ts + every_ms) // 1000:
            for partition in range(partitions):
                second = (ts // 1000 + 1) * 1000
                _produce(producer, topic, b"", None, partition, timestamp=second, headers=[(HEADER_KIND, KIND_TICK)])
        producer.poll(0)
        step += 1
    producer.flush()
    return written


@contextmanager
def worker(kafka: str, namespace: str, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A worker as a child process; gives it and the port of its metrics."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = [sys.executable, "-m", "iskra", "worker", "--kafka", kafka, "--namespace", namespace, "--metrics-port", str(port), *options]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        yield process, port
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


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


def drain(kafka: str, namespace: str, written: int) -> dict[str, Any]:
    """Lets one worker empty the topic.

    Returns:
        `points_per_s` from the first record applied to the last output acknowledged, `seconds`, `outputs_per_s`, `rss_mb`,
        `cpu_us_per_point` of the worker.
    """
    with worker(kafka, namespace) as (process, port):
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
                seconds = now - began
                counted = done - first["iskra_worker_points_total"]
                outputs = figures["iskra_worker_outputs_total"] - first["iskra_worker_outputs_total"]
                return {
                    "points_per_s": round(counted / seconds),
                    "seconds": round(seconds, 2),
                    "points": written,
                    "outputs_per_s": round(outputs / seconds),
                    "rss_mb": round(rss),
                    "cpu_us_per_point": round((sum(watched.cpu_times()[:2]) - cpu) / counted * 1e6, 2),
                }
            time.sleep(0.1)
    raise RuntimeError(f"the worker did not empty the topic within {WAIT_S:g} s, exit code {process.poll()}")


def worker_points(kafka: str, namespace: str, config: Config, points: int = 2_000_000) -> dict[str, Any]:
    """`worker_points_per_s`: 1,000 subjects × 4 metrics, 10 points a second each, one point a message."""
    begin(kafka, namespace, config)
    written = fill(kafka, namespace, points=points, subjects=1_000, every_ms=100)
    figures = drain(kafka, namespace, written)
    return {"worker_points_per_s": figures["points_per_s"], "details": figures}


def worker_arrays(kafka: str, namespace: str, config: Config, points: int = 5_000_000) -> dict[str, Any]:
    """`worker_array_points_per_s`: the same in arrays of 50."""
    begin(kafka, namespace, config)
    written = fill(kafka, namespace, points=points, subjects=1_000, every_ms=100, array=50)
    figures = drain(kafka, namespace, written)
    return {"worker_array_points_per_s": figures["points_per_s"], "details": figures}


def worker_sparse(kafka: str, namespace: str, config: Config, points: int = 1_600_000) -> dict[str, Any]:
    """`worker_sparse_points_per_s`: 10,000 subjects × 4 metrics, one point a second each, one point a message."""
    begin(kafka, namespace, config)
    written = fill(kafka, namespace, points=points, subjects=10_000, every_ms=1_000)
    figures = drain(kafka, namespace, written)
    return {"worker_sparse_points_per_s": figures["points_per_s"], "details": figures}


def consumer_at_end(kafka: str, topic: str, partitions: int) -> Consumer:
    """A consumer that reads what is written to a topic from now on."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": "iskra.bench",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 100,
            "fetch.queue.backoff.ms": 1,
        }
    )
    ends = [TopicPartition(topic, p, consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=10)[1]) for p in range(partitions)]
    consumer.assign(ends)
    return consumer
