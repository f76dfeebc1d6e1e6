"""How soon people are told, and how many alerts at once: point produced → the notifier's request, everything running."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx
import msgspec
from confluent_kafka import Producer

from benchmarks.load import load
from benchmarks.receiver import SECRET, SECRET_ENV, Receiver, Request, receiver
from benchmarks.stack import up
from iskra.config_files import DEFAULT_DIR
from schemas.partitioning import partition_for, subject_key
from schemas.topics import DEFAULT_PARTITIONS, POINTS, full_name

VALUES = (0.94, 0.94, 1.0)
"""Of each subject: its first point is UNKNOWN (sparse), its second OK, its third takes the 3 s mean over the P0 bound: an alert."""
PROBES_PER_S = 15
WARM_UP_S = 40.0
"""A broker that has just started compiles its own code for about so long."""
LATE_S = 15.0
KNOWN_S = 60.0
"""A worker takes 10,000 new subjects in a second or two; on a busy machine it takes longer."""
STORM = 10_000
"""Alerts at once: more than any part holds in a buffer."""


class _Points:
    """Sends single points of clarity, each in a message of its own."""

    def __init__(self, kafka: str) -> None:
        self._producer = Producer({"bootstrap.servers": kafka, "linger.ms": 0, "acks": "all", "enable.idempotence": True})
        self._topic = full_name("iskra", POINTS)

    def send(self, subject: str, value: float, ts: int | None = None) -> float:
        """Sends one, of this instant or of `ts` (ms); gives the time before it (monotonic s)."""
        key = subject_key("default", subject)
        point = {"subject": subject, "metric": "clarity", "value": value, "ts": ts or int(time.time() * 1000)}
        at = time.monotonic()
        self._producer.produce(self._topic, msgspec.json.encode(point), key, partition_for(key, DEFAULT_PARTITIONS))
        self._producer.poll(0)
        return at

    def flush(self) -> None:
        """Waits until all is acknowledged."""
        self._producer.flush(60)


def alerts(*, rate: int = 10_000, seconds: int = 60, subjects: int = 1000) -> dict[str, Any]:
    """`notify_p99_ms` while `rate` points a second flow, then `alerts_per_s` of a storm: `STORM` subjects fail at once.

    The receiver is a webhook in a process of its own, so its signature, too, is in the time. A storm's rate is the number
    of its alerts divided by the time from before its first failing point to the arrival of the last request.
    """
    os.environ[SECRET_ENV] = SECRET
    with tempfile.TemporaryDirectory(prefix="iskra-bench-") as folder, receiver() as far:
        config = Path(folder) / "config"
        shutil.copytree(DEFAULT_DIR, config)
        far.configure(config)
        with up("--config", str(config)) as running:
            kafka = running.urls["kafka"]
            points = _Points(kafka)
            with load(kafka, "iskra", subjects=subjects, rate=rate, seconds=seconds + WARM_UP_S + LATE_S) as source:
                time.sleep(WARM_UP_S)
                far.taken()
                delays, lost = _probe(points, far, seconds)
                told = source.result()
            storm = _storm(points, far, running.metrics["worker"])
    cuts = quantiles(delays, n=1000)
    return {
        "notify_p99_ms": round(cuts[989], 2),
        "alerts_per_s": storm.pop("per_s"),
        "details": {
            "samples": len(delays),
            "lost": lost,
            "p50_ms": round(cuts[499], 2),
            "p90_ms": round(cuts[899], 2),
            "p999_ms": round(cuts[998], 2),
            "max_ms": round(max(delays), 2),
            "rate_points_per_s": round(told["acknowledged"] / told["seconds"]),
            "storm": storm,
        },
    }


def _probe(points: _Points, far: Receiver, seconds: float) -> tuple[list[float], int]:
    """Delays in ms, and how many alerts nobody was told of."""
    sent: dict[str, float] = {}
    pause = 1 / (PROBES_PER_S * len(VALUES))
    began = time.monotonic()
    number = 0
    while (passed := time.monotonic() - began) < seconds:
        if passed < number * pause:
            time.sleep(0.001)
            continue
        which, step = divmod(number, len(VALUES))
        sent[f"probe-{which:05d}"] = points.send(f"probe-{which:05d}", VALUES[step])
        number += 1
    points.flush()
    complete = {f"probe-{which:05d}" for which in range(number // len(VALUES))}
    requests = _await(far, complete)
    return [(requests[subject].at - sent[subject]) * 1000 for subject in complete & requests.keys()], len(complete - requests.keys())


def _await(far: Receiver, subjects: set[str]) -> dict[str, Request]:
    """The first request about each subject, as they come; those that are missing when `LATE_S` pass without any are lost."""
    found: dict[str, Request] = {}
    deadline = time.monotonic() + LATE_S
    while subjects - found.keys() and time.monotonic() < deadline:
        for request in far.taken():
            if request.kind == "trigger" and request.subject in subjects:
                found.setdefault(request.subject, request)
                deadline = time.monotonic() + LATE_S
        time.sleep(0.2)
    return found


def _settled(worker: str) -> bool:
    """Whether the worker has applied everything, twice in a row: its lag is looked up now and then."""
    for _ in range(2):
        time.sleep(1.0)
        lags = re.findall(r"^iskra_worker_lag\{[^}]*\} (\S+)", httpx.get(worker, timeout=30).text, re.MULTILINE)
        if not lags or any(float(lag) for lag in lags):
            return False
    return True


def _storm(points: _Points, far: Receiver, worker: str) -> dict[str, Any]:
    """Every subject's third point as fast as they can be sent, once the worker knows them all from the first two."""
    names = [f"storm-{number:05d}" for number in range(STORM)]
    first = int(time.time() * 1000)
    for step, value in enumerate(VALUES[:2]):
        for name in names:
            points.send(name, value, first + step)
        points.flush()
    deadline = time.monotonic() + KNOWN_S
    while not _settled(worker) and time.monotonic() < deadline:
        pass
    far.taken()
    began = time.monotonic()
    for name in names:
        points.send(name, VALUES[2], first + 2)  # within the 3 s that are looked at, however long the sending takes
    points.flush()
    found = _await(far, set(names))
    whole = max(request.at for request in found.values()) - began
    return {"per_s": round(len(found) / whole), "alerts": len(found), "lost": STORM - len(found), "seconds": round(whole, 2)}
