"""`iskra reporter`: Iskra's own figures as points of the subject `iskra`."""

from __future__ import annotations

import signal
import threading

import click

from iskra.settings import kafka_option, namespace_option


@click.command(epilog="Example: iskra reporter --kafka 127.0.0.1:9092 --metrics http://127.0.0.1:9101/metrics")
@kafka_option
@namespace_option
@click.option("--metrics", "urls", multiple=True, metavar="URL", help="/metrics of a worker, sink or gateway; to be repeated for each.")
def command(kafka: str, namespace: str, urls: tuple[str, ...]) -> None:
    """Watch the running processes, and publish four vitals of the subject `iskra` once a second.

    clarity: verdicts in time; chaos: how much their latency varies; trust: points accepted; pain: lag and errors.
    The formulas: docs/reporter.md. Waits for a broker that is away; SIGTERM: orderly stop.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    from iskra.reporter.run import run

    run(kafka, namespace, urls, stop)
