"""The demonstration's dry run over a real broker with a small worker: played to its end, told as it is read."""

from __future__ import annotations

import threading

import pytest
from rich.text import Text

from iskra.dry_run import DryRun
from tests.small_worker import SmallWorker

pytestmark = pytest.mark.kafka


class Notes:
    """Remembers what is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, text: str | Text, at: int | None = None) -> None:
        """Noted."""
        self.lines.append(f"{'' if at is None else '@ '}{text}")


def test_a_run_is_told_and_judged_and_the_next_one_is_another_subject(kafka: str, namespace: str) -> None:
    """What is announced happens, beside a healthy subject; a second run begins behind the first, with a subject of its own."""
    worker = SmallWorker(kafka, namespace)
    notes = Notes()
    runs = 0

    def enough() -> bool:
        nonlocal runs
        runs += 1
        return runs == 2

    try:
        show = DryRun(kafka, namespace, worker, notes, speed=1000, stop=threading.Event(), name="chaos-storm", others=("bravo",))
        told = show.run(enough)
    finally:
        worker.close()
    assert [run.passed for run in told] == [True, True], [outcome for run in told for outcome in run.outcomes if not outcome.met]
    assert told[0].subject != told[1].subject
    assert told[1].start >= told[0].start + 15 * 60
    assert "@ action stabilize_system dispatched" in notes.lines
    assert any(line.startswith("@ BLOCK P0  chaos, mean") for line in notes.lines)
    assert [line for line in notes.lines if line.startswith("it happened")] == ["it happened: 6 of 6"] * 2
    assert not any("bravo" in line for line in notes.lines)


def test_a_stopped_run_is_no_result(kafka: str, namespace: str) -> None:
    """Ctrl-C before it is over: nothing is claimed."""
    stop = threading.Event()
    stop.set()
    worker = SmallWorker(kafka, namespace)
    try:
        assert DryRun(kafka, namespace, worker, Notes(), speed=1000, stop=stop, name="chaos-storm").run(lambda: True) == []
    finally:
        worker.close()
