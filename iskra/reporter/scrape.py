"""One look at the processes: their /metrics, summed to a `Snapshot`.

Processes count from their own starts, and come, go and fall silent one by one: over a sum of their counters the whole life
of one that was silent for a moment would be growth. So each counter is followed by itself, and it is differences that are summed.
"""

from __future__ import annotations

import concurrent.futures
import time
import urllib.request
from collections.abc import Mapping, Sequence

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from iskra.reporter.figures import PROMISES_MS, Snapshot
from schemas.topics import STATUS

ANSWER_TIMEOUT_S = 0.8
"""A look must be over before the next second's; a process that does not answer in time counts as silent."""

_COUNTERS: Mapping[str, tuple[str, ...]] = {
    "iskra_worker_points_total": ("points",),
    "iskra_worker_dead_letters_total": ("refused",),
    "iskra_worker_verdict_seconds_count": ("verdicts",),
    "iskra_worker_verdict_seconds_bucket": ("within",),
    "iskra_worker_gaps_total": ("errors",),
    "iskra_worker_commits_refused_total": ("errors",),
    "iskra_worker_ticks_dropped_total": ("errors",),
    "iskra_sink_retries_total": ("errors",),
    "iskra_sink_refused_total": ("errors",),
}
"""Sample → fields of the snapshot that its growth is added to."""

_LAGS = ("iskra_worker_lag", "iskra_sink_lag_records")

_Counter = tuple[str, frozenset[tuple[str, str]]]
"""Name and labels."""


class Scraper:
    """Asks all processes at once. `urls` are the addresses of their /metrics."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = list(urls)
        self._totals = Totals()
        self._pool = concurrent.futures.ThreadPoolExecutor(max(1, len(self._urls)), thread_name_prefix="scrape")

    def look(self) -> Snapshot:
        """The processes now; blocks for at most about a second."""
        began = time.monotonic()
        answers = list(self._pool.map(_ask, self._urls))
        took = [seconds for text, seconds in answers if text is not None]
        return self._totals.look(
            {url: text for url, (text, _) in zip(self._urls, answers, strict=True) if text is not None},
            at=began,
            answer_s=sum(took) / len(took) if took else 0.0,
            silent=len(answers) - len(took),
        )

    def close(self) -> None:
        """Ends the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class Totals:
    """What the processes have counted since they were first looked at. Pure."""

    def __init__(self) -> None:
        self._last: dict[str, dict[_Counter, float]] = {}
        self._grown = dict.fromkeys((field for fields in _COUNTERS.values() for field in fields), 0.0)

    def look(self, texts: Mapping[str, str], *, at: float, answer_s: float, silent: int) -> Snapshot:
        """One more look.

        Args:
            texts: by address, the answers of the processes that gave one, in Prometheus' text format; what is unknown is passed over.
            at, answer_s, silent: as in the snapshot.
        Returns:
            Counters that never fall: a process seen for the first time adds nothing to them, nor does a silent one; one that
            began anew adds all that it has counted since; so does a counter that was not there (of a partition that was given to it).
        """
        lag = 0.0
        for url, text in texts.items():
            last = self._last.get(url)
            found: dict[_Counter, float] = {}
            for sample in (sample for family in text_string_to_metric_families(text) for sample in family.samples):
                if sample.name in _LAGS:
                    lag += sample.value
                fields = _fields(sample)
                if fields:
                    counter = (sample.name, frozenset(sample.labels.items()))
                    found[counter] = sample.value
                    before = sample.value if last is None else last.get(counter, 0.0)
                    for field in fields:
                        self._grown[field] += sample.value - before if sample.value >= before else sample.value
            self._last[url] = found
        return Snapshot(at=at, lag=lag, answer_s=answer_s, silent=silent, **self._grown)


def _fields(sample: Sample) -> tuple[str, ...]:
    """The fields that the growth of a sample is added to."""
    if sample.name == "iskra_worker_verdict_seconds_bucket" and float(sample.labels["le"]) != PROMISES_MS[STATUS] / 1000:
        return ()
    fields = _COUNTERS.get(sample.name, ())
    if sample.name == "iskra_worker_dead_letters_total" and sample.labels.get("reason") == "engine_error":
        return (*fields, "errors")
    return fields


def _ask(url: str) -> tuple[str | None, float]:
    began = time.monotonic()
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_TIMEOUT_S) as answer:  # noqa: S310 - the address comes from who runs the processes
            return answer.read().decode(), time.monotonic() - began
    except (OSError, ValueError):
        return None, time.monotonic() - began
