"""What a notifier tells of itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from sinks.notify.notifier import Notifier


class Metrics(Collector):
    """The notifier's figures.

    `iskra_notify_ended_total` by channel and state (`sent`, `failed`, `cancelled`): steps that have ended; any `failed`:
    somebody was not told, the ledger says who and why. `iskra_notify_attempts_total` by adapter and outcome (`taken`,
    `later`, `refused`). `iskra_notify_delay_seconds` by channel: from due to sent. `iskra_notify_pending` and
    `iskra_notify_oldest_seconds` by channel: steps on their way, and how long the oldest has been; growing: the receiver is
    away. `iskra_notify_lag_records` by partition: records not read yet; growing: the notifier is too slow.
    `iskra_notify_unreadable_total`: records of the topic that could not be read; any is a defect.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.ended = Counter("iskra_notify_ended", "Steps that have ended.", ["channel", "state"], registry=registry)
        self.attempts = Counter("iskra_notify_attempts", "Attempts to tell a receiver.", ["adapter", "outcome"], registry=registry)
        self.delay = Histogram(
            "iskra_notify_delay_seconds",
            "From due to sent.",
            ["channel"],
            buckets=(0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 60, 300, 900, 3600),
            registry=registry,
        )
        self._notifier: Notifier | None = None
        registry.register(self)

    def watch(self, notifier: Notifier) -> None:
        """Tells this notifier's present state, too; label values that alerts look at exist from the start."""
        self._notifier = notifier
        for channel in notifier.channels:
            self.delay.labels(channel)
            for state in ("sent", "failed", "cancelled"):
                self.ended.labels(channel, state)

    def collect(self) -> Iterator[Metric]:
        """The state now."""
        notifier = self._notifier
        pending = GaugeMetricFamily("iskra_notify_pending", "Steps on their way.", labels=["channel"])
        oldest = GaugeMetricFamily("iskra_notify_oldest_seconds", "For how long the oldest of them has been due.", labels=["channel"])
        lag = GaugeMetricFamily("iskra_notify_lag_records", "Records not read yet.", labels=["partition"])
        unreadable = GaugeMetricFamily("iskra_notify_unreadable_total", "Records that could not be read.")
        if notifier is not None:
            for name, channel in notifier.channels.items():
                pending.add_metric([name], channel.size)
                oldest.add_metric([name], notifier.age_s(channel.oldest))
            for partition, behind in notifier.lag.items():
                lag.add_metric([str(partition)], behind)
            unreadable.add_metric([], notifier.unreadable)
        yield from (pending, oldest, lag, unreadable)
