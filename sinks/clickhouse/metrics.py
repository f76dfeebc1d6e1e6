"""What a sink tells of itself."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Metrics:
    """The sink's figures.

    `iskra_sink_rows_total` by table: rows inserted and acknowledged. `iskra_sink_lag_records` by topic and partition:
    records behind the end; growing: the store is slow or away. `iskra_sink_insert_seconds` by table: time of one
    block. `iskra_sink_retries_total` by lane: requests repeated; any: look at the store. `iskra_sink_refused_total`
    by lane: what was not well-formed (the worker's dead letters tell each). `iskra_sink_active` by lane: 1 while this
    sink writes, 0 while it stands by.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.rows = Counter("iskra_sink_rows_total", "Rows inserted.", ["table"], registry=registry)
        self.lag = Gauge("iskra_sink_lag_records", "Records behind the end of the partition.", ["topic", "partition"], registry=registry)
        self.insert_seconds = Histogram(
            "iskra_sink_insert_seconds",
            "Time of one block.",
            ["table"],
            buckets=(0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 30),
            registry=registry,
        )
        self.retries = Counter("iskra_sink_retries_total", "Requests to the store that were repeated.", ["lane"], registry=registry)
        self.refused = Gauge("iskra_sink_refused_total", "Points and records left out as not well-formed.", ["lane"], registry=registry)
        self.active = Gauge("iskra_sink_active", "1 while this sink writes.", ["lane"], registry=registry)
