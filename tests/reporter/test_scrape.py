"""From the processes' /metrics to figures: what each has counted since the look before."""

from __future__ import annotations

from iskra.reporter.figures import Snapshot
from iskra.reporter.scrape import Totals

WORKER = """\
# TYPE iskra_worker_points counter
iskra_worker_points_total{partition="0"} 70.0
iskra_worker_points_total{partition="1"} 30.0
# TYPE iskra_worker_dead_letters counter
iskra_worker_dead_letters_total{reason="invalid"} 4.0
iskra_worker_dead_letters_total{reason="engine_error"} 1.0
# TYPE iskra_worker_lag gauge
iskra_worker_lag{partition="0"} 7.0
# TYPE iskra_worker_gaps counter
iskra_worker_gaps_total{partition="0"} 2.0
# TYPE iskra_worker_verdict_seconds histogram
iskra_worker_verdict_seconds_bucket{le="0.015"} 5.0
iskra_worker_verdict_seconds_bucket{le="0.02"} 8.0
iskra_worker_verdict_seconds_bucket{le="+Inf"} 9.0
iskra_worker_verdict_seconds_count 9.0
iskra_worker_verdict_seconds_sum 0.1
"""
SINK = "# TYPE iskra_sink_lag_records gauge\niskra_sink_lag_records 3.0\n# TYPE x gauge\nx 5.0\n"


def points(**partitions: int) -> str:
    """The answer of a worker that has counted so many points."""
    lines = (f'iskra_worker_points_total{{partition="{name}"}} {count}' for name, count in partitions.items())
    return "\n".join(["# TYPE iskra_worker_points counter", *lines, ""])


def grown(*looks: dict[str, str]) -> list[float]:
    """The points after each of the looks, given as answers by process."""
    totals = Totals()
    return [totals.look(texts, at=0.0, answer_s=0.0, silent=0).points for texts in looks]


def test_the_processes_answers_are_summed() -> None:
    """Over partitions and processes; unknown figures are passed over; an engine error is an error, too."""
    totals = Totals()
    nothing = "".join(line if line.startswith("#") else f"{line.rpartition(' ')[0]} 0.0\n" for line in WORKER.splitlines(keepends=True))
    first = totals.look({"a": nothing, "b": SINK}, at=0.5, answer_s=0.01, silent=1)
    assert first == Snapshot(at=0.5, lag=3, answer_s=0.01, silent=1)
    look = totals.look({"a": WORKER, "b": SINK}, at=1.5, answer_s=0.01, silent=1)
    assert look == Snapshot(at=1.5, points=100, refused=5, verdicts=9, within=8, lag=10, errors=3, answer_s=0.01, silent=1)


def test_the_life_before_the_first_look_is_not_growth() -> None:
    """Neither at the reporter's start nor where a process answers for the first time."""
    assert grown({"a": points(p0=1000)}, {"a": points(p0=1010), "b": points(p1=5000)}, {"b": points(p1=5001)}) == [0, 10, 11]


def test_a_process_that_misses_an_answer_adds_what_it_counted_meanwhile() -> None:
    """Not its whole life, which one missed look of two processes took for the last minute; and nothing while it is silent."""
    both = {"a": points(p0=1000), "b": points(p1=5000)}
    assert grown(both, {"a": points(p0=1010)}, {"a": points(p0=1020), "b": points(p1=5003)}) == [0, 10, 23]


def test_a_process_that_began_anew_adds_what_it_counted_since() -> None:
    """One of several: the others' counters are not touched by it."""
    both = {"a": points(p0=1000), "b": points(p1=5000)}
    assert grown(both, {"a": points(p0=1010), "b": points(p1=20)}, {"a": points(p0=1010), "b": points(p1=50)}) == [0, 30, 60]


def test_a_partition_that_goes_to_another_worker_is_counted_where_it_is() -> None:
    """A worker counts those that it owns, each from when it got it: one that is gone takes nothing away, one that came adds its own."""
    before = {"a": points(p0=1000, p1=5000), "b": points(p2=7)}
    after = {"a": points(p0=1001), "b": points(p2=8, p1=30)}
    assert grown(before, after, {"a": points(p0=1001, p1=4), "b": points(p2=8)}) == [0, 32, 36]
