"""The reporter's loop: once a second a look, the formulas, one record."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import structlog

from iskra.client import ClientError
from iskra.reporter.figures import History, Latency
from iskra.reporter.probe import Probe
from iskra.reporter.scrape import Scraper

EVERY_S = 1.0
_RETRY_S = 0.5

log = structlog.get_logger(__name__)


def run(kafka: str, namespace: str, urls: Sequence[str], stop: threading.Event) -> int:
    """Reports until `stop` is set. A broker that is away is waited for; a process that is away is a figure.

    Returns:
        How many points were acknowledged.
    """
    history = History()
    lock = threading.Lock()

    def measured(latency: Latency) -> None:
        with lock:
            history.measured(latency)

    probe: Probe | None = None
    while probe is None and not stop.is_set():
        try:
            probe = Probe(kafka, namespace, measured)
        except ClientError as error:
            log.warning("waiting for the broker", error=str(error))
            stop.wait(_RETRY_S)
    if probe is None:
        return 0
    scraper = Scraper(urls)
    log.info("reporting", namespace=namespace, processes=len(urls))
    try:
        due = time.monotonic()
        while not stop.wait(max(0.0, due - time.monotonic())):
            look = scraper.look()
            with lock:
                vitals = history.vitals(look)
            probe.publish(vitals, time.time_ns() // 1_000_000)
            due = max(due + EVERY_S, time.monotonic())
    finally:
        scraper.close()
        probe.close()
    return probe.published
