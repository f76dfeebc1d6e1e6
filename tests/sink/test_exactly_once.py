"""Sink and store killed at random moments: every acknowledged point stands once, in the table itself and in the view."""

from __future__ import annotations

import random
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from schemas.topics import STATUS
from tests.sink.helpers import STATUS as WARN
from tests.sink.helpers import Records, SinkProcess, table
from tests.sink.test_sink import count
from tests.store.process import PASSWORD, OwnStore, client, until

pytestmark = [pytest.mark.kafka, pytest.mark.store]

ARRAY = 20


class Load:
    """Sends arrays of points and statuses until it is told to stop."""

    def __init__(self, kafka: str, namespace: str) -> None:
        self._records = Records(kafka, namespace)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.messages = 0
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(0.002):
            number = self.messages
            self._records.points([{"ts": 1_762_000_000_000 + number * ARRAY + n} for n in range(ARRAY)], f"s{number % 50}")
            self._records.output(STATUS, f"id-{number}", WARN)
            self.messages += 1

    def end(self) -> int:
        """Ends it; gives the number of messages, all acknowledged."""
        self._stop.set()
        self._thread.join(60)
        self._records.flush()
        return self.messages


def stands_once(asking: Any, namespace: str, messages: int) -> None:
    """Waits until all is there, then looks for what is lost or double."""
    until(lambda: count(asking, table(namespace, "points")) >= messages * ARRAY, "all points are stored")
    until(lambda: count(asking, table(namespace, "v_status")) >= messages, "all statuses are stored")
    whole = f"SELECT count(), uniqExact(partition, offset, idx), uniqExact(ts) FROM {table(namespace, '%s')}"
    assert asking.query(whole % "points").result_rows == [(messages * ARRAY,) * 3]
    assert asking.query(whole % "v_points").result_rows == [(messages * ARRAY,) * 3]
    assert asking.query(f"SELECT count(), uniqExact(id) FROM {table(namespace, 'v_status')}").result_rows == [(messages, messages)]


def progress(asking: Any, namespace: str, rows: int) -> None:
    """Waits until so many more points than now are stored."""
    before = count(asking, table(namespace, "points"))
    until(lambda: count(asking, table(namespace, "points")) >= before + rows, "the sink goes on")


def test_a_sink_killed_at_random_moments(kafka: str, store: Any, namespace: str, tmp_path: Path) -> None:
    """kill -9 in the middle of reading, of recording, of inserting, four times."""
    chance = random.Random(4)
    asking = client(store, password=store.password)
    sink = SinkProcess(store, kafka, namespace, tmp_path / "sink.log").start()
    load = Load(kafka, namespace)
    try:
        for _ in range(4):
            progress(asking, namespace, chance.randrange(1, 3000))
            sink.kill()
            sink.start()
        stands_once(asking, namespace, load.end())
    finally:
        load.end()
        sink.kill()


def test_a_store_killed_at_random_moments(kafka: str, namespace: str, tmp_path: Path) -> None:
    """kill -9 of the store: the sink waits, never ends, and goes on with the same block."""
    chance = random.Random(5)
    own = OwnStore(tmp_path / "data", tmp_path / "store.log").start()
    reach = type("Reach", (), {"url": own.url, "password": PASSWORD})
    sink = SinkProcess(reach, kafka, namespace, tmp_path / "sink.log").start()
    load = Load(kafka, namespace)
    try:
        for _ in range(3):
            progress(client(own), namespace, chance.randrange(1, 3000))
            own.kill()
            own.start()
        stands_once(client(own), namespace, load.end())
        assert sink.process is not None
        assert sink.process.poll() is None, "the sink never ends by itself"
        assert sink.stop() == 0
    finally:
        load.end()
        sink.kill()
        own.kill()


def test_a_sink_that_was_stopped_for_longer_than_its_lease(kafka: str, store: Any, namespace: str, tmp_path: Path) -> None:
    """SIGSTOP, another takes over and goes on, SIGCONT: the first finds its round taken, writes nothing twice, and stands by."""
    asking = client(store, password=store.password)
    first = SinkProcess(store, kafka, namespace, tmp_path / "a.log", "a").start()
    load = Load(kafka, namespace)
    second = SinkProcess(store, kafka, namespace, tmp_path / "b.log", "b")
    try:
        progress(asking, namespace, 1000)
        first.signal(signal.SIGSTOP)
        second.start()
        holder = f"SELECT sink FROM {table(namespace, 'sink_offsets')} FINAL WHERE lane = 'points' AND topic = ''"
        until(lambda: asking.command(holder).startswith("b/"), "the second has taken over")
        progress(asking, namespace, 1000)
        first.signal(signal.SIGCONT)
        until(lambda: b"standing by" in first.log.read_bytes(), "the first knows")
        progress(asking, namespace, 1000)
        stands_once(asking, namespace, load.end())
    finally:
        load.end()
        first.kill()
        second.kill()
