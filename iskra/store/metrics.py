"""What the store tells of itself at /metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from iskra.store.engine import Engine


class Metrics:
    """The store's figures.

    `iskra_store_query_seconds` by kind (query, insert) and outcome (ok, error): rising p95 with steady load: look at
    parts and memory. `iskra_store_rows_inserted_total`. `iskra_store_running_queries`: at the number of connections
    for long, queries wait. `iskra_store_connections`: clients' connections.
    """

    def __init__(self, registry: CollectorRegistry, engine: Engine) -> None:
        self.queries = Histogram(
            "iskra_store_query_seconds",
            "Time from a request's head to its answer.",
            ["kind", "outcome"],
            buckets=(0.001, 0.002, 0.004, 0.008, 0.016, 0.05, 0.1, 0.5, 1, 5, 30, 300),
            registry=registry,
        )
        self.inserted = Counter(
            "iskra_store_rows_inserted_total", "Rows written by inserts, materialized views included.", registry=registry
        )
        self.connections = Gauge("iskra_store_connections", "Open connections of clients.", registry=registry)
        running = Gauge("iskra_store_running_queries", "Queries in the engine at this moment.", registry=registry)
        running.set_function(lambda: float(len(engine.running())))
