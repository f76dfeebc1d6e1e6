"""How soon a verdict can be read: point produced → the status that it causes readable on its topic, everything running."""

from __future__ import annotations

import time
from statistics import quantiles
from typing import Any

import msgspec
from confluent_kafka import Producer

from benchmarks.load import load
from benchmarks.stack import up
from benchmarks.worker import consumer_at_end
from schemas.partitioning import partition_for, subject_key
from schemas.topics import DEFAULT_PARTITIONS, POINTS, STATUS, full_name

PROBE_VALUES = (0.94, 0.94, 1.0)
"""Of each probe: its first point is UNKNOWN (sparse), its second OK, its third takes the 3 s mean over the P0 bound: BLOCK."""
LEVELS = ("UNKNOWN", "OK", "BLOCK")
PROBES_PER_S = 15
WARM_UP_S = 40.0
"""A broker that has just started compiles its own code for about so long."""
LATE_S = 10.0


class _Subject(msgspec.Struct):
    subject: str
    level: str


def detect(*, rate: int = 10_000, seconds: int = 60, subjects: int = 1000) -> dict[str, Any]:
    """`status_p50_ms`, `status_p99_ms` at `rate_points_per_s`.

    A load of `rate` points a second flows by the SDK from a process of its own; this process sends single points of
    fresh subjects (no linger), each of which causes a status, and reads the status topic. From before `produce` until
    the message is here, by one monotonic clock.
    """
    with up() as running:
        kafka = running.urls["kafka"]
        with load(kafka, "iskra", subjects=subjects, rate=rate, seconds=seconds + WARM_UP_S + LATE_S) as source:
            time.sleep(WARM_UP_S)
            delays, lost = _probe(kafka, seconds)
            told = source.result()
    cuts = quantiles(delays, n=1000)
    return {
        "status_p50_ms": round(cuts[499], 2),
        "status_p99_ms": round(cuts[989], 2),
        "rate_points_per_s": round(told["acknowledged"] / told["seconds"]),
        "details": {
            "samples": len(delays),
            "lost": lost,
            "p90_ms": round(cuts[899], 2),
            "p999_ms": round(cuts[998], 2),
            "max_ms": round(max(delays), 2),
        },
    }


def _probe(kafka: str, seconds: float) -> tuple[list[float], int]:
    """Delays in ms, and how many statuses never came."""
    producer = Producer({"bootstrap.servers": kafka, "linger.ms": 0, "acks": "all", "enable.idempotence": True})
    topic = full_name("iskra", POINTS)
    # at offsets that stand before the first probe is sent: a consumer that is told "the end" finds it when it gets round to it
    consumer = consumer_at_end(kafka, DEFAULT_PARTITIONS, full_name("iskra", STATUS))
    decode = msgspec.json.Decoder(_Subject).decode
    waiting: dict[tuple[str, str], float] = {}
    delays: list[float] = []

    def read(timeout: float) -> None:
        for message in consumer.consume(100, timeout):
            now = time.perf_counter()
            told = decode(message.value() or b"{}")
            began = waiting.pop((told.subject, told.level), None)
            if began is not None:
                delays.append((now - began) * 1000)

    began = time.perf_counter()
    sent = 0
    pause = 1 / (PROBES_PER_S * len(PROBE_VALUES))
    while (passed := time.perf_counter() - began) < seconds:
        if passed >= sent * pause:
            number, step = divmod(sent, len(PROBE_VALUES))
            subject = f"probe-{number:05d}"
            key = subject_key("default", subject)
            point = {"subject": subject, "metric": "clarity", "value": PROBE_VALUES[step], "ts": int(time.time() * 1000)}
            value = msgspec.json.encode(point)
            waiting[(subject, LEVELS[step])] = time.perf_counter()
            producer.produce(topic, value, key, partition_for(key, DEFAULT_PARTITIONS))
            sent += 1
        producer.poll(0)
        read(0.001)
    deadline = time.perf_counter() + LATE_S
    while waiting and time.perf_counter() < deadline:
        read(0.02)
    consumer.close()
    return delays, len(waiting)
