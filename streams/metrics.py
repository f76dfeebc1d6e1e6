"""The worker's figures for Prometheus, and its health, on a port of its own.

The hot path only counts in plain integers; they are read when Prometheus asks.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic
from typing import TYPE_CHECKING, Any

import faust
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from streams.outputs import LATENCY_BUCKETS_MS

if TYPE_CHECKING:
    from streams.worker import Worker

STALE_S = 30.0
"""A partition with lag whose checkpoint is older than this makes the worker unhealthy: six intervals have passed in vain."""


class RebalanceSensor(faust.Sensor):
    """Counts what Faust alone sees."""

    def __init__(self, metrics: Metrics) -> None:
        super().__init__()
        self._metrics = metrics

    def on_rebalance_start(self, app: Any) -> dict[str, Any]:  # noqa: ARG002 - Faust's signature
        """A rebalance begins."""
        self._metrics.rebalances += 1
        self._metrics.rebalancing_since = monotonic()
        return {}

    def on_rebalance_end(self, app: Any, state: dict[str, Any]) -> None:  # noqa: ARG002
        """Partitions are restored and records flow."""
        self._metrics.rebalance_seconds = monotonic() - self._metrics.rebalancing_since

    def on_stream_event_in(self, tp: Any, offset: int, stream: Any, event: Any) -> None:  # noqa: ARG002
        """A fetch round reaches the agent."""
        self._metrics.rounds += 1


class Metrics(Collector):
    """Collects the figures of a worker when asked (a custom collector of prometheus-client) and serves them."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self.rebalances = 0
        self.rebalancing_since = 0.0
        self.rebalance_seconds = 0.0
        self.rounds = 0
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._registry.register(self)
        self._server: ThreadingHTTPServer | None = None

    def collect(self) -> Iterator[Metric]:
        """The figures now."""
        worker = self._worker
        partitions = list(worker.partitions.values())
        now = monotonic()
        yield _counter(
            "iskra_worker_records", "Records applied, of partitions owned now.", "partition", {p.number: p.records for p in partitions}
        )
        yield _counter("iskra_worker_points", "Points in them.", "partition", {p.number: p.points for p in partitions})
        yield _counter(
            "iskra_worker_gaps", "Places where records of the log were missing.", "partition", {p.number: p.gaps for p in partitions}
        )
        yield _counter("iskra_worker_outputs", "Records sent.", "topic", worker.outputs.sent_by_topic)
        yield _counter("iskra_worker_dead_letters", "Records or items refused.", "reason", worker.outputs.dead_by_reason)
        yield _gauge(
            "iskra_worker_next_offset", "Offset of the next record to apply.", "partition", {p.number: p.next_offset for p in partitions}
        )
        yield GaugeMetricFamily("iskra_worker_partitions", "Partitions owned now.", len(partitions))
        yield _gauge("iskra_worker_lag", "Records not applied yet.", "partition", {p.number: worker.lag(p) for p in partitions})
        yield _gauge(
            "iskra_worker_subjects", "Subjects known.", "partition", {p.number: len(list(p.engine.subject_keys())) for p in partitions}
        )
        yield _gauge(
            "iskra_worker_checkpoint_seconds",
            "Length of the last checkpoint.",
            "partition",
            {p.number: p.checkpoint_seconds for p in partitions},
        )
        yield _gauge(
            "iskra_worker_checkpoint_age_seconds", "Age of the last one.", "partition", {p.number: now - p.committed_at for p in partitions}
        )
        yield GaugeMetricFamily("iskra_worker_restore_seconds", "Length of the last restore.", worker.restore_seconds)
        yield GaugeMetricFamily("iskra_worker_rebalance_seconds", "Length of the last rebalance.", self.rebalance_seconds)
        yield GaugeMetricFamily(
            "iskra_worker_unacknowledged", "Outputs that the broker has not acknowledged.", worker.outputs.unacknowledged
        )
        yield CounterMetricFamily("iskra_worker_rebalances", "Rebalances of the group seen.", self.rebalances)
        yield CounterMetricFamily("iskra_worker_fetch_rounds", "Fetch rounds.", self.rounds)
        yield CounterMetricFamily("iskra_worker_commits_refused", "Commits that a rebalance refused.", worker.checkpointer.refused)
        yield CounterMetricFamily("iskra_worker_current_rewritten", "Keys of slo.current written again.", worker.guard.rewritten)
        yield CounterMetricFamily("iskra_worker_ticks", "Ticks sent.", worker.ticker.sent)
        yield CounterMetricFamily(
            "iskra_worker_ticks_dropped", "Ticks given up, since they could not be written at once.", worker.ticker.dropped
        )
        yield CounterMetricFamily("iskra_worker_busy_seconds", "Time spent in rounds.", worker.processing.busy_s)
        yield self._latency()

    def _latency(self) -> Metric:
        latency = self._worker.outputs.latency
        buckets: list[tuple[str, float]] = []
        total = 0
        for bound, count in zip(LATENCY_BUCKETS_MS, latency.counts, strict=False):
            total += count
            buckets.append((str(bound / 1000), float(total)))
        buckets.append(("+Inf", float(total + latency.counts[-1])))
        family = HistogramMetricFamily("iskra_worker_verdict_seconds", "From a record's time to the acknowledgement of its statuses.")
        family.add_metric([], buckets, latency.sum_ms / 1000)
        return family

    def health(self) -> tuple[int, str]:
        """HTTP status and one line: whether this worker does its work."""
        worker = self._worker
        if not worker.ready:
            return 503, "starting or handing over"
        now = monotonic()
        for partition in list(worker.partitions.values()):
            if partition.waits_for is not None:
                return 503, f"partition {partition.number} waits for configuration {partition.waits_for}: `iskra config push`"
            if worker.lag(partition) and now - partition.committed_at > STALE_S:
                return 503, f"partition {partition.number}: no checkpoint for {now - partition.committed_at:.0f} s"
        return 200, "ok"

    def serve(self, host: str, port: int) -> None:
        """Serves on the address `host`; nothing if `port` is 0: /metrics, /healthz (it does its work), /livez (it is not stuck;
        to wait for others is no fault).

        Raises:
            OSError: the port is taken.
        """
        if not port:
            return
        metrics = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path.startswith("/metrics"):
                    self._answer(200, generate_latest(metrics._registry), CONTENT_TYPE_LATEST)
                elif self.path.startswith("/healthz"):
                    status, line = metrics.health()
                    self._answer(status, f"{line}\n".encode(), "text/plain; charset=utf-8")
                elif self.path.startswith("/livez"):
                    live = metrics._worker.watch.is_live
                    self._answer(200 if live else 503, b"ok\n" if live else b"the event loop hangs\n", "text/plain; charset=utf-8")
                else:
                    self._answer(404, b"/metrics, /healthz or /livez\n", "text/plain; charset=utf-8")

            def _answer(self, status: int, body: bytes, content_type: str) -> None:
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Nothing: scrapes are no news."""

        self._server = ThreadingHTTPServer((host, port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()

    def close(self) -> None:
        """Stops serving."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


def _counter(name: str, text: str, label: str, values: dict[Any, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([str(key)], value)
    return family


def _gauge(name: str, text: str, label: str, values: dict[Any, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([str(key)], value)
    return family
