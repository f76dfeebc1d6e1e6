"""One lane at work: a thread that reads and makes blocks while another inserts the block before."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Any

import structlog

from sinks.clickhouse import ledger, migrations
from sinks.clickhouse.errors import Lost, StoreAway, Wiped
from sinks.clickhouse.metrics import Metrics
from sinks.clickhouse.reader import Away, Batch, Lane, Reader
from sinks.clickhouse.settings import Settings
from sinks.clickhouse.store import Store

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 0.5
"""Pauses between attempts while the store or the broker is away, doubling; short, so that work resumes at once."""
SIGN_EVERY_S = 1.0
"""An idle sink shows that it lives so often; three signs fit into a lease."""


_MIGRATING = threading.Lock()
"""The lanes of a process do not race for the schema; other processes are kept off by the ledger."""


class LaneRunner:
    """Sinks a lane until it is stopped, whatever happens to store and broker meanwhile.

    Args:
        me: this sink's name and start, for the ledger.
    """

    def __init__(self, settings: Settings, lane: Lane, me: str, metrics: Metrics, stopping: threading.Event) -> None:
        self._settings = settings
        self._lane = lane
        self._me = me
        self._metrics = metrics
        self._stopping = stopping
        self._store = Store(settings)
        self._ledger = self._new_ledger()
        self._log = structlog.get_logger("iskra.sink").bind(lane=lane.name, namespace=settings.namespace)
        self._active = metrics.active.labels(lane.name)
        self.ready = threading.Event()

    def run(self) -> None:
        """Runs; blocks until `stopping` is set and the rows at hand are inserted."""
        while not self._stopping.is_set():
            try:
                state = self._claim()
                if state is not None:
                    self._write_on(state)
            except Lost as error:
                self._log.warning("another sink writes; standing by", reason=str(error))
            except Wiped as error:
                self._log.warning("the tables are gone; beginning anew", reason=str(error))
                self._ledger = self._new_ledger()
                self._stopping.wait(LONGEST_PAUSE_S)
            except Exception:  # noqa: BLE001 - told in full; a lane whose thread is gone would stand still without a word
                self._log.exception("writing ended by a defect; the lane is claimed again")
                self._stopping.wait(LONGEST_PAUSE_S)
            finally:
                self._active.set(0)
        self._store.close()

    def _new_ledger(self) -> ledger.Ledger:
        return ledger.Ledger(self._store, self._settings.database, self._lane.name, self._me, self._settings.lease)

    def _claim(self) -> ledger.State | None:
        """The lane's state once it is ours; None when stopped before."""
        settings = self._settings
        while not self._stopping.is_set():
            with _MIGRATING:
                current = self._patiently(lambda: migrations.apply(self._store, settings.database, settings.live, self._me))
            if current:
                state: ledger.State | None = self._patiently(self._ledger.claim)
                if state is not None:
                    return state
            self._stopping.wait(0.2)
        return None

    def _write_on(self, state: ledger.State) -> None:
        """Finishes the pending round, then reads and writes until stopped.

        Raises:
            Lost, Wiped: the lane must be claimed again.
        """
        stop_reading = threading.Event()
        batches: queue.Queue[Batch | None] = queue.Queue(maxsize=1)
        reading = threading.Thread(target=self._read, args=(state, batches, stop_reading), name=f"read-{self._lane.name}", daemon=True)
        reading.start()
        self._active.set(1)
        redo = bool(state.pending)

        def sign() -> None:
            """Says that we live: an empty round, or the pending one again, which must not leave the ledger before it is inserted."""
            if redo:
                self._ledger.hold(state.pending)
            else:
                self._ledger.begin({})

        try:
            while True:
                batch = self._next(batches, stop_reading, sign)
                if batch is None:
                    break
                if not redo:
                    self._patiently(lambda batch=batch: self._ledger.begin(batch.ranges), always=True)  # type: ignore[misc]
                self._insert(batch)
                redo = False
            if not redo:
                self._patiently(self._ledger.release)
        finally:
            stop_reading.set()
            while reading.is_alive():
                self._discard(batches)
                reading.join(0.05)

    def _next(self, batches: queue.Queue[Batch | None], stop_reading: threading.Event, sign: Callable[[], None]) -> Batch | None:
        """The next batch; meanwhile signs of life. None when stopped and nothing is left."""
        while True:
            try:
                return batches.get(timeout=0.1)
            except queue.Empty:
                if self._stopping.is_set():
                    stop_reading.set()
                elif time.monotonic() - self._ledger.last_sign >= SIGN_EVERY_S:
                    # always: a sign in doubt must not be followed by a round under its token
                    self._patiently(sign, always=True)

    def _insert(self, batch: Batch) -> None:
        for table, (rows, block) in batch.blocks.items():
            started = time.perf_counter()
            name = f"{self._settings.database}.{table}"
            mark = self._ledger.token(table)
            self._patiently(lambda name=name, block=block, mark=mark: self._store.insert(name, block, mark), always=True)  # type: ignore[misc]
            self._metrics.insert_seconds.labels(table).observe(time.perf_counter() - started)
            self._metrics.rows.labels(table).inc(rows)

    def _patiently(self, call: Callable[[], Any], *, always: bool = False) -> Any:
        """The call's result, repeated while the store is away; None when stopped meanwhile.

        With `always` a stop is heeded only after some attempts: rows at hand are inserted if the store is there.
        """
        pause = FIRST_PAUSE_S
        attempts = 0
        while True:
            try:
                return call()
            except StoreAway as error:
                attempts += 1
                if attempts in {1, 10} or attempts % 100 == 0:
                    self._log.warning("the store is away or refuses; waiting", attempt=attempts, reason=str(error))
            self._metrics.retries.labels(self._lane.name).inc()
            if self._stopping.is_set() and (not always or attempts >= 5):
                if always:
                    # the round stays pending and is finished, under the same token, by the next start
                    raise Lost("stopped while the store was away")
                return None
            self._stopping.wait(pause)
            pause = min(LONGEST_PAUSE_S, pause * 2)

    def _read(self, state: ledger.State, batches: queue.Queue[Batch | None], stopped: threading.Event) -> None:
        """The reading thread: batches into the queue, at last None."""
        reader = Reader(self._settings, self._lane, self._metrics, stopped)
        try:
            while not stopped.is_set():
                try:
                    reader.find()
                    break
                except Away as error:
                    self._log.warning("the broker is away; waiting", reason=str(error))
                    stopped.wait(LONGEST_PAUSE_S)
            else:
                return
            if state.pending:
                batch = reader.reread(state.pending)
                if batch is None:
                    return
                batches.put(batch)
            reader.start(state.positions)
            self.ready.set()
            while (batch := reader.poll(batches.empty)) is not None:
                batches.put(batch)
        except Away as error:
            self._log.warning("reading begins anew", reason=str(error))
            stopped.wait(LONGEST_PAUSE_S)
        except Exception:  # noqa: BLE001 - told in full; the lane is claimed again and goes on from what is recorded
            self._log.exception("reading ended by a defect")
            stopped.wait(LONGEST_PAUSE_S)
        finally:
            batches.put(None)
            reader.close()

    @staticmethod
    def _discard(batches: queue.Queue[Batch | None]) -> None:
        try:
            while True:
                batches.get_nowait()
        except queue.Empty:
            return
