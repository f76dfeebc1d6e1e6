"""A load of points as producers make it: the SDK, at a steady rate, event times that are wall-clock times.

Run as a process of its own (`python -m benchmarks.load …`): it prints one JSON line with what was acknowledged.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.child import child
from benchmarks.engine import MIDDLE, NOISE
from iskra.client import Producer
from schemas.points import Point

STEP_S = 0.05


def produce(kafka: str, namespace: str, *, subjects: int, rate: int, seconds: float) -> dict[str, float]:
    """Sends `rate` points a second, spread over `subjects` × 4 series, for so many seconds; ends early on SIGTERM.

    Returns:
        `sent`, `acknowledged`, `given_up` (points) and `seconds`.
    """
    stop = False

    def ask(*_: object) -> None:
        nonlocal stop
        stop = True

    signal.signal(signal.SIGTERM, ask)
    rnd = random.Random(5)
    noise = [rnd.gauss(0, NOISE) for _ in range(8191)]
    series = [(f"load-{number:05d}", metric, middle) for number in range(subjects) for metric, middle in MIDDLE.items()]
    sent = at = 0
    began = time.monotonic()
    with Producer(kafka, namespace=namespace) as producer:
        while not stop and (passed := time.monotonic() - began) < seconds:
            due = min(int(passed * rate) - sent, rate)
            if due <= 0:
                time.sleep(STEP_S / 5)
                continue
            now = int(time.time() * 1000)
            points = []
            for _ in range(due):
                subject, metric, middle = series[at % len(series)]
                value = min(1.0, max(0.0, middle + noise[at % 8191]))
                points.append(Point(subject=subject, metric=metric, value=round(value, 4), ts=now))
                at += 1
            sent += producer.send_many(points)
            time.sleep(max(0.0, STEP_S - (time.monotonic() - began - passed)))
        producer.flush(30)
        return {"sent": sent, "acknowledged": producer.acknowledged, "given_up": producer.given_up, "seconds": time.monotonic() - began}


class Load:
    """A load process. `result()` ends it and gives what it was told by the brokers."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._result: dict[str, float] | None = None

    def result(self, stop: bool = True) -> dict[str, float]:
        """What was sent and acknowledged; ends the load first unless `stop` is False (then it waits for its end)."""
        if self._result is None:
            if stop:
                self.process.terminate()
            out, _ = self.process.communicate(timeout=180)
            self._result = json.loads(out.strip().splitlines()[-1])
        return self._result


@contextmanager
def load(kafka: str, namespace: str, *, subjects: int, rate: int, seconds: float) -> Iterator[Load]:
    """The load as a child process."""
    command = [sys.executable, "-m", "benchmarks.load", kafka, namespace, str(subjects), str(rate), str(seconds)]
    with child(command, told=subprocess.PIPE) as process:
        yield Load(process)


def main() -> None:
    """The command line: KAFKA NAMESPACE SUBJECTS RATE SECONDS."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kafka")
    parser.add_argument("namespace")
    parser.add_argument("subjects", type=int)
    parser.add_argument("rate", type=int)
    parser.add_argument("seconds", type=float)
    told = parser.parse_args()
    print(json.dumps(produce(told.kafka, told.namespace, subjects=told.subjects, rate=told.rate, seconds=told.seconds)))


if __name__ == "__main__":
    main()
