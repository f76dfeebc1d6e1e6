"""Every figure that the gateway tells Prometheus, with its meaning; the remedy stands in each text."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

_LATENCY = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """The registry of one gateway. Labels have few values: routes as written in the code, reasons of dead letters."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.requests = Counter(
            "iskra_gateway_requests_total",
            "HTTP requests by route and status; 5xx: look at /readyz",
            ["route", "status"],
            registry=self.registry,
        )
        self.latency = Histogram(
            "iskra_gateway_request_seconds", "Time to answer, by route", ["route"], buckets=_LATENCY, registry=self.registry
        )
        self.accepted = Counter("iskra_gateway_points_accepted_total", "Points that the broker acknowledged", registry=self.registry)
        self.rejected = Counter(
            "iskra_gateway_points_rejected_total",
            "Points refused over HTTP, by reason: the producer is at fault",
            ["reason"],
            registry=self.registry,
        )
        self.commands = Counter(
            "iskra_gateway_commands_total", "Commands that the broker acknowledged, by kind", ["command"], registry=self.registry
        )
        self.in_flight = Gauge(
            "iskra_gateway_publishing", "Publishing requests that wait for the broker; near the limit: 429 follows", registry=self.registry
        )
        self.clients = Gauge("iskra_gateway_ws_clients", "Browsers connected", registry=self.registry)
        self.sent = Counter("iskra_gateway_ws_messages_total", "Messages to browsers, by type", ["type"], registry=self.registry)
        self.dropped = Counter(
            "iskra_gateway_ws_dropped_total",
            "Clients cut off, by reason; slow: their network, or a tab in the background",
            ["reason"],
            registry=self.registry,
        )
        self.feed_lag = Gauge(
            "iskra_gateway_feed_lag_seconds",
            "Age of the newest status when it was read; grows while the worker or the broker is late",
            registry=self.registry,
        )
        self.feed_records = Counter("iskra_gateway_feed_records_total", "Records read, by short topic", ["topic"], registry=self.registry)
        self.part_up = Gauge("iskra_gateway_part_up", "1: the part answers, 0: it is away", ["part"], registry=self.registry)

    def text(self) -> bytes:
        """All figures in Prometheus' text format."""
        return generate_latest(self.registry)
