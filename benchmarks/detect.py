"""How soon a verdict can be read: point produced → the status, or the activation of a voice, that it causes readable on its
topic, everything running; and how many activations a second when many voices speak at once."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import chain, cycle
from statistics import quantiles
from typing import Any, NamedTuple

import msgspec
from confluent_kafka import Consumer, Producer

from benchmarks.load import load
from benchmarks.stack import up
from benchmarks.worker import consumer_at_end, produce
from schemas.partitioning import partition_for, subject_key
from schemas.topics import DEFAULT_PARTITIONS, POINTS, STATUS, VOICES, full_name


class Step(NamedTuple):
    """A point of a probe. `topic` and `told`: what it must cause, a level on the status topic or a voice that speaks; "": nothing
    that is waited for."""

    metric: str
    value: float
    topic: str = ""
    told: str = ""


STATUSES = (Step("clarity", 0.94, STATUS, "UNKNOWN"), Step("clarity", 0.94, STATUS, "OK"), Step("clarity", 1.0, STATUS, "BLOCK"))
"""The first point is UNKNOWN (sparse), the second OK, the third takes the 3 s mean over the P0 bound: BLOCK."""
PUBLISHED = (Step("ethical_violation", 1.0, VOICES, "iskriv"),)
"""Iskriv's critical rule is this published signal alone: the subject's first point activates him."""
JUDGED = (Step("trust", 0.5), Step("trust", 0.5), Step("pain", 0.5), Step("pain", 0.5, VOICES, "anhantra"))
"""`trust < 0.6 and pain > 0.4`: two points make a vital known, so the fourth activates Anhantra, and none before it."""
PROBES = (STATUSES, PUBLISHED, STATUSES, JUDGED)
"""What fresh subjects send, in turns: a voice as often as three statuses."""
PROBES_PER_S = 30
WARM_UP_S = 40.0
"""A broker that has just started compiles its own code for about so long."""
LATE_S = 10.0
STORM = 10_000
"""Subjects whose voices speak at once: more than any part holds in a buffer."""


class _Said(msgspec.Struct):
    """What is read of a status (`level`) and of an event of a voice (`voice`, `event`)."""

    subject: str
    level: str = ""
    voice: str = ""
    event: str = ""


_decode = msgspec.json.Decoder(_Said).decode


def cause_of(topic: str, value: bytes) -> tuple[str, str, str]:
    """Topic (short name), subject and what was told: the level of a status, the voice of an activation; "": something else."""
    said = _decode(value)
    if topic == STATUS:
        return topic, said.subject, said.level
    return topic, said.subject, said.voice if said.event == "activated" else ""


def detect(
    *, rate: int = 10_000, seconds: int = 60, subjects: int = 1000, warm_up: float = WARM_UP_S, storm: int = STORM
) -> dict[str, Any]:
    """`status_p50_ms`, `status_p99_ms`, `voice_p50_ms`, `voice_p99_ms` at `rate_points_per_s`; then `voice_activations_per_s`.

    A load of `rate` points a second flows by the SDK from a process of its own; this process sends single points of
    fresh subjects (no linger), each of which causes a status or a voice's activation, and reads the two topics. From before
    `produce` until the message is here, by one monotonic clock. Afterwards, without the load, `storm` fresh subjects send one
    point each as fast as it goes: activations ÷ the time from before the first point to the last activation read.
    """
    with up() as running:
        kafka = running.urls["kafka"]
        with load(kafka, "iskra", subjects=subjects, rate=rate, seconds=seconds + warm_up + LATE_S) as source:
            time.sleep(warm_up)
            delays, lost = _probe(kafka, seconds)
            told = source.result()
        many = _storm(kafka, storm)
    return {
        **_percentiles("status", delays[STATUS]),
        **_percentiles("voice", delays[VOICES]),
        "voice_activations_per_s": many.pop("per_s"),
        "rate_points_per_s": round(told["acknowledged"] / told["seconds"]),
        "details": {"status": _tail(delays[STATUS], lost[STATUS]), "voice": _tail(delays[VOICES], lost[VOICES]), "storm": many},
    }


def _percentiles(name: str, delays: list[float]) -> dict[str, float]:
    cuts = quantiles(delays, n=1000)
    return {f"{name}_p50_ms": round(cuts[499], 2), f"{name}_p99_ms": round(cuts[989], 2)}


def _tail(delays: list[float], lost: int) -> dict[str, float]:
    cuts = quantiles(delays, n=1000)
    return {
        "samples": len(delays),
        "lost": lost,
        "p90_ms": round(cuts[899], 2),
        "p999_ms": round(cuts[998], 2),
        "max_ms": round(max(delays), 2),
    }


class _Wire:
    """Sends single points and reads what they cause."""

    def __init__(self, kafka: str, *topics: str) -> None:
        self._producer = Producer({"bootstrap.servers": kafka, "linger.ms": 0, "acks": "all", "enable.idempotence": True})
        self._topic = full_name("iskra", POINTS)
        self._names = {full_name("iskra", topic): topic for topic in topics}
        # at offsets that stand before the first probe is sent: a consumer that is told "the end" finds it when it gets round to it
        self._consumer: Consumer = consumer_at_end(kafka, DEFAULT_PARTITIONS, *self._names)
        self.waiting: dict[tuple[str, str, str], float] = {}
        self.delays: dict[str, list[float]] = {topic: [] for topic in topics}

    def send(self, subject: str, step: Step) -> None:
        """Sends the point of a step, of this instant."""
        key = subject_key("default", subject)
        point = {"subject": subject, "metric": step.metric, "value": step.value, "ts": int(time.time() * 1000)}
        value = msgspec.json.encode(point)
        if step.topic:
            self.waiting[(step.topic, subject, step.told)] = time.perf_counter()
        produce(self._producer, self._topic, value, key, partition_for(key, DEFAULT_PARTITIONS))

    def read(self, timeout: float) -> None:
        """Takes what has come, or waits up to `timeout` s for what comes first. One by one: `consume` would wait for many."""
        self._producer.poll(0)
        message = self._consumer.poll(timeout)
        while message is not None:
            now = time.perf_counter()
            topic = self._names[message.topic() or ""]
            began = self.waiting.pop(cause_of(topic, message.value() or b"{}"), None)
            if began is not None:
                self.delays[topic].append((now - began) * 1000)
            message = self._consumer.poll(0)

    def read_on(self, patience: float) -> float:
        """Reads until nothing is waited for, or nothing of it has come for `patience` s; gives when the last of it came."""
        last = time.perf_counter()
        while self.waiting and time.perf_counter() < last + patience:
            left = len(self.waiting)
            self.read(0.02)
            if len(self.waiting) < left:
                last = time.perf_counter()
        return last

    def close(self) -> dict[str, int]:
        """Ends it; gives how much of what was waited for never came, by topic."""
        self._producer.flush(LATE_S)
        self._consumer.close()
        return {topic: sum(waited[0] == topic for waited in self.waiting) for topic in self.delays}


def schedule(probes: Iterable[tuple[Step, ...]]) -> Iterable[tuple[str, Step]]:
    """The points of fresh subjects, one after the other: the name of the subject, and the step."""
    return chain.from_iterable([(f"probe-{number:05d}", step) for step in probe] for number, probe in enumerate(probes))


def _probe(kafka: str, seconds: float) -> tuple[dict[str, list[float]], dict[str, int]]:
    """Delays in ms, and how many never came, by topic."""
    wire = _Wire(kafka, STATUS, VOICES)
    pause = len(PROBES) / sum(map(len, PROBES)) / PROBES_PER_S
    points = iter(schedule(cycle(PROBES)))
    sent = 0
    began = time.perf_counter()
    while (passed := time.perf_counter() - began) < seconds:
        if passed >= sent * pause:
            wire.send(*next(points))
            sent += 1
        else:
            wire.read(sent * pause - passed)
    wire.read_on(LATE_S)
    return wire.delays, wire.close()


def _storm(kafka: str, number: int) -> dict[str, Any]:
    """The first point of each subject as fast as they can be sent."""
    wire = _Wire(kafka, VOICES)
    began = time.perf_counter()
    for which in range(number):
        wire.send(f"storm-{which:05d}", PUBLISHED[0])
    sent = time.perf_counter()
    ended = wire.read_on(LATE_S)
    delays = wire.delays[VOICES]
    return {
        "per_s": round(len(delays) / (ended - began)),
        "activations": len(delays),
        "lost": wire.close()[VOICES],
        "sending_s": round(sent - began, 2),
        "seconds": round(ended - began, 2),
    }
