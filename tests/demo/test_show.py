"""The driver and the stories over a real broker, with a small worker."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pytest

from experiments.driver import Timed
from experiments.simulator import Population
from iskra.client import Consumer, SloStatus
from iskra.demo import STORIES, SUBJECTS, Change, Report, Story
from iskra.driver import BehindError, LogWriter, drive
from iskra.show import Show, last_tick
from schemas.points import Point
from tests.small_worker import SmallWorker

pytestmark = pytest.mark.kafka

START = 1_767_225_600


@pytest.fixture
def worker(kafka: str, namespace: str) -> Iterator[SmallWorker]:
    small = SmallWorker(kafka, namespace)
    yield small
    small.close()


class Notes:
    """A narrator that remembers."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.changes: list[Change] = []

    def verdict(self, change: Change, status: SloStatus) -> None:
        """Noted."""
        del status
        self.changes.append(change)

    def begins(self, story: Story, second: int) -> None:
        """Noted."""
        del second
        self.begun.append(story.subject)

    def ended(self, report: Report, second: int) -> None:
        """Not noted: the show returns it."""

    def barrier(self, second: int, levels: dict[str, int]) -> None:
        """Not noted."""


def react(kafka: str, worker: SmallWorker, namespace: str, subject: str, start: int, speed: float) -> list[tuple[int, str, int]]:
    """A subject beyond its bound until BLOCK is seen, then in order: (second of the reaction, level, ms of subject time) of each status."""
    reacted: list[int] = []

    def source(second: int) -> list[Timed]:
        value = (0.80 if reacted else 0.92) + second % 7 / 1000
        ts = second * 1000 - 500
        return [Timed(ts, Point(subject=subject, metric="clarity", value=value, ts=ts))]

    with Consumer(kafka, "slo.status", namespace=namespace, start="end") as consumer:

        def at_barrier(second: int) -> None:
            for message in consumer.read_to_end():
                assert isinstance(message.value, SloStatus)
                if message.value.subject == subject and message.value.level == "BLOCK" and not reacted:
                    reacted.append(second - start)

        passed = drive(LogWriter(kafka, namespace), source, worker, start=start, seconds=60, speed=speed, at_barrier=at_barrier)
    assert passed == start + 60
    with Consumer(kafka, "slo.status", namespace=namespace, until_end=True) as consumer:
        found = [m.value for m in consumer if isinstance(m.value, SloStatus) and m.value.subject == subject]
    return [(reacted[0], status.level, status.since - start * 1000) for status in found]


def test_a_reaction_stands_at_the_same_second_at_any_speed(kafka: str, worker: SmallWorker, namespace: str) -> None:
    """At a barrier everything that was caused can be read, so what a script makes of it is the same at any pace."""
    paced = react(kafka, worker, namespace, "a", START, 40.0)
    assert [(second, level) for second, level, _ in paced] == [(10, level) for level in ("UNKNOWN", "OK", "BLOCK", "WARN", "OK")]
    assert react(kafka, worker, namespace, "b", START + 70, float("inf")) == paced


def test_a_worker_that_stands_still_ends_the_run(kafka: str, namespace: str) -> None:
    """Not for ever: the text says which second was not passed; a stop ends it at once, without an error."""

    class Stands:
        def reached(self, ends: dict[int, int]) -> bool:
            return not ends

    writer = LogWriter(kafka, namespace)
    with pytest.raises(BehindError, match=f"second {START + 10} "):
        drive(writer, lambda _: [], Stands(), start=START, seconds=20, barrier_timeout=0.05)
    assert last_tick(kafka, namespace) == START + 10
    stop = threading.Event()
    stop.set()
    assert drive(writer, lambda _: [], Stands(), start=START + 10, seconds=20, stop=stop) == START + 10


def test_the_show_tells_what_the_topic_says(kafka: str, worker: SmallWorker, namespace: str) -> None:
    """Two stories after one another, each as announced; a later show goes on behind it, from what stands on `slo.current`."""
    notes = Notes()
    assert last_tick(kafka, namespace) == 0
    reports = Show(kafka, namespace, worker, notes, speed=1000).run(iter(STORIES[:2]), lambda: False, wall_s=1)
    assert [report.happened for report in reports] == [True, True], reports
    assert notes.begun == [story.subject for story in STORIES[:2]]
    first_ticks = last_tick(kafka, namespace)
    again = Notes()
    reports = Show(kafka, namespace, worker, again, speed=1000).run(itertools.cycle(STORIES[2:]), lambda: True, wall_s=1)
    assert [report.happened for report in reports] == [True], reports
    assert min(change.since for change in again.changes) > first_ticks * 1000
    assert last_tick(kafka, namespace) > first_ticks


def test_what_an_earlier_demonstration_left_is_nobody_else(kafka: str, worker: SmallWorker, namespace: str) -> None:
    """Its subjects fall silent, and so UNKNOWN, in the middle of a story: that is no stray, and is not told."""

    def left(second: int) -> list[Timed]:
        ts = second * 1000 - 500
        return [Timed(ts, Point(subject="alpha-T", metric="clarity", value=0.8 + second % 7 / 1000, ts=ts))]

    drive(LogWriter(kafka, namespace), left, worker, start=START, seconds=20, speed=float("inf"))
    notes = Notes()
    reports = Show(kafka, namespace, worker, notes, speed=1000).run(iter(STORIES[:1]), lambda: False, wall_s=1)
    assert [(report.happened, report.strays) for report in reports] == [(True, [])]
    assert {change.subject for change in notes.changes} == set(SUBJECTS)
    with Consumer(kafka, "slo.status", namespace=namespace, until_end=True) as consumer:
        levels = [m.value.level for m in consumer if isinstance(m.value, SloStatus) and m.value.subject == "alpha-T"]
    assert levels[-1] == "UNKNOWN"


def test_a_stopped_show_ends(kafka: str, worker: SmallWorker, namespace: str) -> None:
    """Ctrl-C in the middle of a story: no report, no error."""
    show = Show(kafka, namespace, worker, Notes(), speed=50)
    timer = threading.Timer(0.5, show.stop)
    timer.start()
    assert show.run(iter(STORIES), lambda: False) == []
    timer.join()


def test_every_subject_of_a_population_is_in_its_source() -> None:
    """The source is the sum of its subjects."""
    population = Population(SUBJECTS, per_second=1)
    assert {timed.point.subject for timed in population.second(START)} == set(SUBJECTS)
