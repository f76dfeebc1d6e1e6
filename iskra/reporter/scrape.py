"""One look at the processes: their /metrics, summed to a `Snapshot`."""

from __future__ import annotations

import concurrent.futures
import time
import urllib.request
from collections.abc import Iterable, Sequence

from prometheus_client.parser import text_string_to_metric_families

from iskra.reporter.figures import PROMISES_MS, Snapshot
from schemas.topics import STATUS

ANSWER_TIMEOUT_S = 0.8
"""A look must be over before the next second's; a process that does not answer in time counts as silent."""

_SUMS = {
    "points": ("iskra_worker_points_total",),
    "refused": ("iskra_worker_dead_letters_total",),
    "lag": ("iskra_worker_lag", "iskra_sink_lag_records"),
    "errors": (
        "iskra_worker_gaps_total",
        "iskra_worker_commits_refused_total",
        "iskra_worker_ticks_dropped_total",
        "iskra_sink_retries_total",
        "iskra_sink_refused_total",
    ),
}
"""Field of the snapshot → samples that are added up for it."""


class Scraper:
    """Asks all processes at once. `urls` are the addresses of their /metrics."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = list(urls)
        self._pool = concurrent.futures.ThreadPoolExecutor(max(1, len(self._urls)), thread_name_prefix="scrape")

    def look(self) -> Snapshot:
        """The processes now; blocks for at most about a second."""
        began = time.monotonic()
        answers = list(self._pool.map(_ask, self._urls))
        texts = [(text, took) for text, took in answers if text is not None]
        return summed(
            (text for text, _ in texts),
            at=began,
            answer_s=sum(took for _, took in texts) / len(texts) if texts else 0.0,
            silent=len(answers) - len(texts),
        )

    def close(self) -> None:
        """Ends the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def summed(texts: Iterable[str], *, at: float, answer_s: float, silent: int) -> Snapshot:
    """A snapshot from the processes' answers in Prometheus' text format; what is unknown is passed over."""
    totals = dict.fromkeys(("points", "refused", "verdicts", "within", "lag", "errors"), 0.0)
    field_of = {sample: field for field, samples in _SUMS.items() for sample in samples}
    for text in texts:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                field = field_of.get(sample.name)
                if field is not None:
                    totals[field] += sample.value
                    if sample.name == "iskra_worker_dead_letters_total" and sample.labels.get("reason") == "engine_error":
                        totals["errors"] += sample.value
                elif sample.name == "iskra_worker_verdict_seconds_count":
                    totals["verdicts"] += sample.value
                elif sample.name == "iskra_worker_verdict_seconds_bucket" and float(sample.labels["le"]) == PROMISES_MS[STATUS] / 1000:
                    totals["within"] += sample.value
    return Snapshot(at=at, answer_s=answer_s, silent=silent, **totals)


def _ask(url: str) -> tuple[str | None, float]:
    began = time.monotonic()
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_TIMEOUT_S) as answer:  # noqa: S310 - the address comes from who runs the processes
            return answer.read().decode(), time.monotonic() - began
    except (OSError, ValueError):
        return None, time.monotonic() - began
