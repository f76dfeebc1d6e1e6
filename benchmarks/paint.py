"""How soon a point is on somebody's screen.

`.venv/bin/python -m benchmarks.paint` starts a whole `iskra up`, opens Pulse in a real Chromium on one subject,
publishes points of it straight into Kafka and asks the page, which marks the moment after the frame that drew them
(`?measure`). Producer and page share one clock, so a figure is: point produced → drawn.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

import msgspec
from confluent_kafka import Producer
from playwright.sync_api import Page, sync_playwright

from benchmarks.machine import machine
from benchmarks.stack import up
from schemas.topics import LIVE_NAMESPACE, POINTS, full_name

METRICS = {"clarity": 0.80, "chaos": 0.45, "trust": 0.80, "pain": 0.30}
WARM_S = 5.0
"""Points before the measured ones: page, store and worker have met the subject by then."""
READY_S = 60.0
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync"]
_PAINTED = "performance.getEntriesByName('points-painted').map((mark) => mark.detail)"


def quantile(sorted_values: list[float], q: float) -> float:
    """The ⌈qn⌉-th smallest."""
    return sorted_values[max(0, math.ceil(q * len(sorted_values)) - 1)]


def _publish(producer: Producer, topic: str, subject: str, seconds: float, per_second: float) -> int:
    """Points of all metrics in turn, one a message, evenly; returns how many."""
    names = list(METRICS)
    begin = time.monotonic()
    sent = 0
    while True:
        due = begin + sent / per_second
        now = time.monotonic()
        if due - begin >= seconds:
            producer.flush(10)
            return sent
        if due > now:
            producer.poll(0)
            time.sleep(due - now)
        metric = names[sent % len(names)]
        value = METRICS[metric] + 0.01 * math.sin(sent)
        point = {"subject": subject, "metric": metric, "value": value, "ts": time.time_ns() // 1_000_000}
        producer.produce(topic, msgspec.json.encode(point), f"default/{subject}".encode())
        sent += 1


def _delays(marks: Iterable[dict[str, Any]], after: int) -> list[float]:
    return sorted(mark["at"] - ts for mark in marks for ts in mark["ts"] if ts >= after)


def _watch(page: Page, url: str, subject: str) -> None:
    page.goto(f"{url}/pulse?{urlencode({'measure': '', 'subject': subject})}")
    page.wait_for_selector("html[data-link=live]", timeout=READY_S * 1000)


def measure(kafka: str, url: str, namespace: str = LIVE_NAMESPACE, *, seconds: float = 20.0, per_second: float = 20.0) -> dict[str, Any]:
    """Delays in ms of points of one subject that somebody looks at, over a stack that runs.

    Args:
        url: of the gateway. seconds: how long is measured. per_second: points a second, over four metrics.

    Returns:
        `paint_p50_ms`, `paint_p99_ms`, `paint_max_ms`, and how many points were `painted` of those `published`.
    """
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        raise FileNotFoundError("Chromium is missing: apt-get install chromium")
    topic = full_name(namespace, POINTS)
    subject = f"paint-{time.time_ns() // 1_000_000}"
    producer = Producer({"bootstrap.servers": kafka, "linger.ms": 0, "partitioner": "murmur2_random"})
    _publish(producer, topic, subject, 1.0, per_second)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        try:
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            _watch(page, url, subject)
            _publish(producer, topic, subject, WARM_S, per_second)
            after = time.time_ns() // 1_000_000
            published = _publish(producer, topic, subject, seconds, per_second)
            page.wait_for_timeout(1_000)
            delays = _delays(page.evaluate(_PAINTED), after)
        finally:
            browser.close()
    if not delays:
        raise RuntimeError("no point was painted: is the worker running?")
    return {
        "paint_p50_ms": round(quantile(delays, 0.5), 1),
        "paint_p99_ms": round(quantile(delays, 0.99), 1),
        "paint_max_ms": round(delays[-1], 1),
        "painted": len(delays),
        "published": published,
    }


def main() -> None:
    """Prints one JSON document."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=20.0)
    options.add_argument("--per-second", type=float, default=20.0)
    chosen = options.parse_args()
    before = machine()
    with up() as stack:
        figures = measure(stack.urls["kafka"], stack.urls["gateway"], seconds=chosen.seconds, per_second=chosen.per_second)
    command = f"python -m benchmarks.paint --seconds {chosen.seconds:g} --per-second {chosen.per_second:g}"
    print(json.dumps({"bench": "paint", "figures": figures, "machine": before, "command": command}))


if __name__ == "__main__":
    main()
