"""Rounds that are in doubt: one of another sink that may be inserted or not, and a sign of life whose answer was lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from schemas.partitioning import partition_for, subject_key
from schemas.topics import DEFAULT_PARTITIONS, POINTS, full_name
from sinks.clickhouse import lane, migrations
from sinks.clickhouse.errors import Lost, StoreAway
from sinks.clickhouse.lane import LaneRunner
from sinks.clickhouse.ledger import Ledger, Place, Range
from sinks.clickhouse.metrics import Metrics
from sinks.clickhouse.reader import Away, Batch, Reader
from sinks.clickhouse.settings import Settings, database
from sinks.clickhouse.sink import LANES
from sinks.clickhouse.store import Store
from tests.sink.helpers import Records, settings, table
from tests.sink.test_sink import count
from tests.store.process import client, until

pytestmark = [pytest.mark.kafka, pytest.mark.store]

POINTS_LANE = next(one for one in LANES if POINTS in one.topics)


@contextmanager
def running(told: Settings) -> Iterator[None]:
    """A sink's lane of points at work."""
    stopping = threading.Event()
    runner = LaneRunner(told, POINTS_LANE, "a/1", Metrics(CollectorRegistry()), stopping)
    thread = threading.Thread(target=runner.run)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(30)


def home(namespace: str) -> Place:
    """Where the points of the subject alpha stand."""
    return Place(full_name(namespace, POINTS), partition_for(subject_key("default", "alpha"), DEFAULT_PARTITIONS))


def taken(ledger: Ledger) -> bool:
    """Whether it could take the lane; a sign of the other may have been quicker."""
    try:
        return ledger.claim() is not None
    except Lost:
        return False


def test_a_round_of_another_is_inserted_however_long_it_takes_to_read(
    kafka: str, store: Any, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No sign of life ends it meanwhile, so that a reading that fails is begun again: nothing is lost."""
    told = settings(store, kafka, namespace, lease=2.0, linger=0.05)
    asking = client(store, password=store.password)
    records = Records(kafka, namespace)
    read, failed = Reader.reread, threading.Event()

    def reread(self: Reader, pending: Mapping[Place, Range]) -> Batch | None:
        if not failed.is_set():
            failed.wait(1.0)  # many times as long as a sign of life takes
            failed.set()
            raise Away("the broker went while it was read")
        return read(self, pending)

    monkeypatch.setattr(Reader, "reread", reread)
    monkeypatch.setattr(lane, "SIGN_EVERY_S", 0.05)
    with running(told):
        records.points([{"ts": 1_762_000_000_000}], "alpha")
        records.flush()
        until(lambda: count(asking, table(namespace, "points")) == 1, "the first sink writes")
        other = Ledger(Store(told), database(namespace), POINTS_LANE.name, "b/1", lease=0.0)
        until(lambda: taken(other), "another has the lane")
        other.begin({home(namespace): Range(1, 1)})  # of what comes next; and then it is killed
        records.points([{"ts": 1_762_000_001_000}], "alpha")
        records.flush()
        until(lambda: count(asking, table(namespace, "points")) == 2, "the round is inserted")
    assert failed.is_set()


def test_a_round_that_is_made_again_slowly_is_not_taken_away(
    kafka: str, store: Any, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who reads it for longer than a lease shows that it lives, or two sinks would take the lane from each other for ever."""
    told = settings(store, kafka, namespace, lease=2.0, linger=0.05)
    asking = client(store, password=store.password)
    records = Records(kafka, namespace)
    read, begun, enough = Reader.reread, threading.Event(), threading.Event()

    def reread(self: Reader, pending: Mapping[Place, Range]) -> Batch | None:
        begun.set()
        enough.wait(30)
        return read(self, pending)

    killed = Ledger(Store(told), database(namespace), POINTS_LANE.name, "killed/1", lease=0.0)
    monkeypatch.setattr(lane, "SIGN_EVERY_S", 0.05)
    monkeypatch.setattr(Reader, "reread", reread)
    records.points([{"ts": 1_762_000_000_000}], "alpha")
    records.flush()
    until(lambda: migrations.apply(Store(told), told.database, told.live, "killed/1"), "the tables are there")
    assert taken(killed)
    killed.begin({home(namespace): Range(0, 0)})
    with running(told):
        assert begun.wait(30)
        other = Ledger(Store(told), database(namespace), POINTS_LANE.name, "b/1", lease=told.lease)
        watched_until = time.monotonic() + 1.5 * told.lease
        while time.monotonic() < watched_until:
            assert not taken(other)
        enough.set()
        until(lambda: count(asking, table(namespace, "points")) == 1, "the round is inserted")


def test_a_sign_in_doubt_is_not_taken_for_the_next_round(kafka: str, store: Any, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store has it, the answer was lost, and the sink is stopped with rows at hand: the next start stores them once."""
    told = settings(store, kafka, namespace, lease=0.5, linger=0.05)
    asking = client(store, password=store.password)
    records = Records(kafka, namespace)
    write, doubtful = Ledger._write, threading.Event()
    poll, at_hand = Reader.poll, threading.Event()

    def polled(self: Reader, wanted: Callable[[], bool]) -> Batch | None:
        batch = poll(self, wanted)
        if batch is not None:
            at_hand.set()
        return batch

    def unanswered(self: Ledger, ranges: Mapping[Place, Range], *, is_open: bool, origin: int | None = None) -> None:
        before = self._round, self._origin
        write(self, ranges, is_open=is_open, origin=origin)
        if is_open and not ranges:
            self._round, self._origin = before
            doubtful.set()
            raise StoreAway("the answer was lost")

    monkeypatch.setattr(lane, "SIGN_EVERY_S", 0.05)
    monkeypatch.setattr(Reader, "poll", polled)
    with running(told):
        records.points([{"ts": 1_762_000_000_000}], "alpha")
        records.flush()
        until(lambda: count(asking, table(namespace, "points")) == 1, "the sink writes")
        monkeypatch.setattr(Ledger, "_write", unanswered)
        assert doubtful.wait(30)
        at_hand.clear()
        records.points([{"ts": 1_762_000_001_000}], "alpha")
        records.flush()
        assert at_hand.wait(30)
    monkeypatch.setattr(Ledger, "_write", write)
    records.points([{"ts": 1_762_000_002_000}], "alpha")
    records.flush()
    with running(told):
        until(lambda: count(asking, table(namespace, "v_points")) == 3, "all is stored")
    assert count(asking, table(namespace, "points")) == 3
