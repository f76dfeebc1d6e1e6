"""The demonstration at work: subjects that are simulated, a worker that is not, and what the output topic says of them.

Two threads: one writes in virtual time (`iskra.driver`) and begins and ends stories at barriers; one reads verdicts
as they come, so that they are told at once. What is told and what is checked comes from the topic alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from confluent_kafka import Consumer as KafkaConsumer
from confluent_kafka import KafkaError, TopicPartition

from experiments.driver import HOLD_S
from experiments.simulator import VITALS, Population
from iskra.client import Consumer, SloStatus
from iskra.client.kafka import ANSWER_S, CLIENT_SETTINGS, READING, partition_count, patiently
from iskra.demo import CALM_S, SUBJECTS, Change, Report, Story, Watch
from iskra.driver import LogWriter, Progress, drive
from schemas.headers import headers_of
from schemas.topics import CURRENT, HEADER_KIND, KIND_TICK, POINTS, STATUS, full_name

LONGEST_UNREST_S = 600
"""Virtual seconds after which subjects that do not come to rest end the show: something is wrong."""
MEET_S = 3600.0
"""A run without end that is faster than the clock begins in the past, so as to meet the present after so many seconds."""
_TAIL = 8
"""Records at a partition's end among which its last tick is looked for: behind it stand markers at the most."""
_POLL_S = 0.02


class Narrator(Protocol):
    """Whoever tells people what happens. Called from both threads, never at once."""

    def verdict(self, change: Change, status: SloStatus) -> None:
        """A status was read."""

    def begins(self, story: Story, second: int) -> None:
        """A story was written into the simulator's script; it begins at this virtual second (epoch s)."""

    def ended(self, report: Report, second: int) -> None:
        """A story's time is over."""

    def barrier(self, second: int, levels: dict[str, int]) -> None:
        """Everything up to this virtual second was read; how many vitals stand at which level."""


class UnrestError(Exception):
    """The subjects did not come to rest, so no story could begin; the text says who stands where."""


class Show:
    """Tells stories in a namespace that nobody else writes to.

    Args:
        kafka, namespace: where. progress: of the namespace's worker. narrator: hears everything.
        speed: virtual seconds a second. seed: of the simulator.
    """

    def __init__(self, kafka: str, namespace: str, progress: Progress, narrator: Narrator, *, speed: float = 1.0, seed: int = 1) -> None:
        self._kafka = kafka
        self._namespace = namespace
        self._progress = progress
        self._narrator = narrator
        self._speed = speed
        self._population = Population(SUBJECTS, seed=seed)
        self._watch = Watch(SUBJECTS, [vital.metric for vital in VITALS])
        self._turn = threading.Lock()
        self._stop = threading.Event()
        self._story: tuple[Story, int] | None = None
        self._restless_since = 0
        self._failed: UnrestError | None = None
        self.reports: list[Report] = []

    def stop(self) -> None:
        """Ends the show soon; may be called from anywhere."""
        self._stop.set()

    def run(self, stories: Iterator[Story], enough: Callable[[], bool], wall_s: float | None = None) -> list[Report]:
        """Blocks until `stop`, or until `enough()` says so at the end of a story.

        Args:
            stories: told one after the other; the show ends with the last.
            wall_s: how long it will take on the clock, as far as known; decides where virtual time begins.
        Returns:
            How the stories went.
        Raises:
            UnrestError: no story could begin. BehindError, ClientError: worker or broker did not follow.
        """
        start = self._start_second(wall_s)
        self._restless_since = start
        writer = LogWriter(self._kafka, self._namespace)
        with Consumer(self._kafka, STATUS, namespace=self._namespace, start="end") as consumer:
            self._learn()
            reader = threading.Thread(target=self._read, args=(consumer,), name="demo-reader", daemon=True)
            reader.start()
            try:
                drive(
                    writer,
                    self._population.second,
                    self._progress,
                    start=start,
                    seconds=None,
                    speed=self._speed,
                    at_barrier=lambda second: self._at_barrier(consumer, second, stories, enough),
                    stop=self._stop,
                )
            finally:
                self._stop.set()
                reader.join()
        if self._failed is not None:
            raise self._failed
        return self.reports

    def _learn(self) -> None:
        """What an earlier run left: a status that does not change is not repeated, so it stands on `slo.current` alone."""
        with Consumer(self._kafka, CURRENT, namespace=self._namespace, until_end=True) as consumer:
            for message in consumer:
                if isinstance(message.value, SloStatus) and message.value.subject in SUBJECTS:
                    self._watch.learn(message.value)

    def _start_second(self, wall_s: float | None) -> int:
        """Virtual time ends at the present if it is faster than the clock, and never goes behind an earlier run."""
        now = time.time()
        ahead = max(0.0, self._speed - 1) * (MEET_S if wall_s is None else wall_s)
        return max(int(now - ahead), last_tick(self._kafka, self._namespace) + 1, 1)

    def _read(self, consumer: Consumer) -> None:
        while not self._stop.is_set():
            with self._turn:
                message = consumer.poll(_POLL_S)
                if message is not None and isinstance(message.value, SloStatus):
                    self._feed(message.value)
            time.sleep(0.001)  # the lock is not fair: let the other thread have it

    def _feed(self, status: SloStatus) -> None:
        if status.subject not in SUBJECTS:
            return  # an earlier demonstration's own, which fall silent: they are nobody of this one
        self._narrator.verdict(self._watch.feed(status), status)

    def _at_barrier(self, consumer: Consumer, second: int, stories: Iterator[Story], enough: Callable[[], bool]) -> None:
        with self._turn:
            for message in consumer.read_to_end():
                if isinstance(message.value, SloStatus):
                    self._feed(message.value)
            self._narrator.barrier(second, self._watch.levels)
            if self._story is not None:
                if second < self._story[1]:
                    return
                self._story = None
                self._restless_since = second
                report = self._watch.end()
                self.reports.append(report)
                self._narrator.ended(report, second)
                if enough():
                    self._stop.set()
                    return
            if self._watch.calm:
                self._next(stories, second)
            elif second - self._restless_since > LONGEST_UNREST_S:
                self._failed = UnrestError(f"no rest for {LONGEST_UNREST_S} virtual seconds: {self._watch.levels}")
                self._stop.set()

    def _next(self, stories: Iterator[Story], second: int) -> None:
        story = next(stories, None)
        if story is None:
            self._stop.set()
            return
        begin = second + CALM_S
        end = begin + story.length
        self._story = (story, end + -end % HOLD_S)
        self._population.subjects[story.subject].drift(story.drift(begin))
        self._watch.begin(story)
        self._narrator.begins(story, begin)


def last_tick(kafka: str, namespace: str, timeout: float = ANSWER_S) -> int:
    """The second (epoch s) of the latest tick in a namespace that a driver wrote; 0: there is none.

    Raises:
        iskra.client.ClientError: the broker does not answer, or lacks the topic.
    """
    topic = full_name(namespace, POINTS)
    client = KafkaConsumer({**CLIENT_SETTINGS, **READING, "bootstrap.servers": kafka})
    try:
        latest = 0
        for partition in range(partition_count(client, topic, kafka, timeout)):
            place = TopicPartition(topic, partition)
            low, high = patiently(lambda left, place=place: client.get_watermark_offsets(place, timeout=left), timeout)  # type: ignore[misc]
            place.offset = max(low, high - _TAIL)
            client.assign([place])
            deadline = time.monotonic() + timeout
            at = place.offset
            while at < high and time.monotonic() < deadline:
                record = client.poll(0.5)
                if record is None:
                    continue
                error = record.error()
                if error is not None:
                    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the library's name for it
                        break
                    continue
                at = (record.offset() or 0) + 1
                if headers_of(record).get(HEADER_KIND) == KIND_TICK:
                    latest = max(latest, record.timestamp()[1] // 1000)
        return latest
    finally:
        client.close()
