"""The sink process: two lanes, metrics, an orderly stop."""

from __future__ import annotations

import secrets
import signal
import sys
import threading
from wsgiref.simple_server import WSGIServer

import structlog
from prometheus_client import REGISTRY, CollectorRegistry, start_http_server

from schemas.topics import ACTIONS, ALERTS, BUDGET, CURRENT, DEAD_LETTERS, ESCALATIONS, POINTS, SIGNALS, STATUS, VOICES, WINDOWS
from sinks.clickhouse.lane import LaneRunner
from sinks.clickhouse.metrics import Metrics
from sinks.clickhouse.reader import Lane
from sinks.clickhouse.settings import Settings

OUTPUTS = (WINDOWS, STATUS, CURRENT, BUDGET, SIGNALS, VOICES, ALERTS, ACTIONS, ESCALATIONS, DEAD_LETTERS)
LANES = (Lane("outputs", OUTPUTS), Lane("points", (POINTS,)))
"""Outputs go apart from points."""


class Sink:
    """A sink of one namespace; `start`, then `stop`, both from one thread."""

    def __init__(self, settings: Settings, registry: CollectorRegistry = REGISTRY) -> None:
        me = f"{settings.instance}/{secrets.token_hex(6)}"
        metrics = Metrics(registry)
        self.stopping = threading.Event()
        self._runners = [LaneRunner(settings, lane, me, metrics, self.stopping) for lane in LANES]
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Starts the lanes; does not block."""
        self._threads = [threading.Thread(target=runner.run, daemon=True) for runner in self._runners]
        for thread in self._threads:
            thread.start()

    def stop(self, timeout: float) -> bool:
        """Lets the lanes insert what they hold, and ends them.

        Args:
            timeout: seconds to wait at the most; a block takes 0.3 s, five attempts at a store that is away 1 s.
        Returns:
            Whether they ended in time; if not, the pending round is finished by the next start.
        """
        self.stopping.set()
        for thread in self._threads:
            thread.join(timeout / len(self._threads))
        return not any(thread.is_alive() for thread in self._threads)

    def wait_ready(self, timeout: float) -> bool:
        """Whether all lanes read within `timeout` seconds."""
        return all(runner.ready.wait(timeout) for runner in self._runners)


def run(settings: Settings) -> None:
    """Runs a sink until SIGTERM or SIGINT."""
    import clickhouse_connect.driver.insert  # noqa: F401 - its first insert would import pandas for a second

    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # before any thread, so that all inherit it
    sys.setswitchinterval(0.001)
    log = structlog.get_logger("iskra.sink").bind(namespace=settings.namespace)
    server: WSGIServer | None = None
    if settings.metrics_port:
        server, _ = start_http_server(settings.metrics_port, settings.metrics_host)
    sink = Sink(settings)
    sink.start()
    log.info("started", instance=settings.instance, database=settings.database)
    signal.sigwait(signals)
    log.info("stopping")
    ended = sink.stop(20.0)
    if server is not None:
        server.shutdown()
    log.info("stopped", everything_inserted=ended)
