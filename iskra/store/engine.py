"""The embedded ClickHouse engine: a few connections, each used by one query at a time.

A connection serialises its queries and the interpreter's lock is released while one runs, so a handful of them, lent
to the threads that serve clients, keeps both cores busy. Settings and the current database belong to a connection:
a slot remembers what it was last told and is only told the difference (0.2 ms each), and a query is given a slot that
already stands as it needs, if one is free.

Never fork once this module is imported: the engine's threads do not survive it, and the next query hangs.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from iskra.store.sql import REACHING_FUNCTIONS, SAFE_TABLE_FUNCTIONS

_ERROR_CODE = re.compile(r"Code: (\d+)\.")

CONFIG = """<clickhouse>
  <timezone>UTC</timezone>
  <max_server_memory_usage>{memory}</max_server_memory_usage>
  <merges_mutations_memory_usage_soft_limit>{merges}</merges_mutations_memory_usage_soft_limit>
  <mark_cache_size>67108864</mark_cache_size>
  <primary_index_cache_size>67108864</primary_index_cache_size>
  <query_condition_cache_size>16777216</query_condition_cache_size>
  <compiled_expression_cache_size>16777216</compiled_expression_cache_size>
  <parquet_metadata_cache_size>1048576</parquet_metadata_cache_size>
  <iceberg_metadata_files_cache_size>1048576</iceberg_metadata_files_cache_size>
  <vector_similarity_index_cache_size>1048576</vector_similarity_index_cache_size>
  <index_mark_cache_size>16777216</index_mark_cache_size>
  <tmp_path>{tmp}</tmp_path>
</clickhouse>
"""
"""The engine's own caches default to gigabytes; these keep the process under 1 GB."""


KILL_S = 5.0
"""A killed query ends at its next block, within milliseconds."""


class EngineError(Exception):
    """A statement that the engine refused or gave up. `code` is ClickHouse's error code; the text is its message."""

    def __init__(self, text: str, code: int | None = None) -> None:
        super().__init__(text)
        found = _ERROR_CODE.search(text)
        self.code = code if code is not None else int(found[1]) if found else 1002


class Busy(EngineError):
    """No connection became free in time (TOO_MANY_SIMULTANEOUS_QUERIES)."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"Code: 202. DB::Exception: No connection of the engine became free within {seconds:g} s. (TOO_MANY_SIMULTANEOUS_QUERIES)"
        )


class Slot:
    """One connection of the engine. Lent by a `Pool` to one thread at a time; not to be used otherwise."""

    def __init__(self, connection: Any, name: str, base: Mapping[str, str]) -> None:
        self.name = name
        self._connection = connection
        self._base = dict(base)
        self._settings: dict[str, str] = {}
        self._database = "default"
        self.query_id: str | None = None
        self.started = 0.0
        self._run(_set({**self._base, "log_comment": name}))

    def stands_at(self, database: str, settings: Mapping[str, str]) -> bool:
        """Whether the connection needs nothing to be told."""
        return self._database == database and self._settings == settings

    def prepare(self, database: str, settings: Mapping[str, str]) -> None:
        """Makes the connection stand at this database and these settings (on top of the base ones).

        Raises:
            EngineError: an unknown database, setting or value; the connection then stands where the engine left it.
        """
        if self._settings != settings:
            gone = {name: self._base.get(name) for name in self._settings if name not in settings}
            told = {name: value for name, value in settings.items() if self._settings.get(name) != value}
            self._settings = {**self._settings, **told}  # should the engine refuse one, all are reset next time
            for name, value in gone.items():
                self._run(f"SET {name} = DEFAULT" if value is None else _set({name: value}))
                del self._settings[name]
            for name, value in told.items():
                try:
                    self._run(_set({name: value}))
                except EngineError:
                    del self._settings[name]
                    raise
        if self._database != database:
            self._run(f"USE {quoted(database)}")
            self._database = database

    def query(self, sql: str, output: str, parameters: Mapping[str, str]) -> Any:
        """Runs a statement to its end. Blocks; others run meanwhile.

        Returns:
            The engine's result (`bytes()`, `rows_read()`, `bytes_read()`, `elapsed()`).
        Raises:
            EngineError: refused, failed, cancelled or out of time.
        """
        return self._guard(lambda: self._connection.query(sql, output, params=dict(parameters)))

    def stream(self, sql: str, output: str, parameters: Mapping[str, str]) -> Iterator[bytes]:
        """Runs a reading statement block by block; closing the iterator early cancels it.

        Raises:
            EngineError: as `query`, also between two blocks.
        """
        result = self._guard(lambda: self._connection.send_query(sql, output, params=dict(parameters)))
        done = False
        try:
            while True:
                chunk = self._guard(lambda: self._connection.streaming_fetch_result(result))
                if chunk is None or chunk.rows_read() == 0:
                    done = True
                    return
                yield chunk.bytes()
        except EngineError:
            done = True
            raise
        finally:
            if not done:
                with contextlib.suppress(RuntimeError):
                    self._connection.streaming_cancel_query(result)

    def insert(self, statement: str, input_format: str, pieces: Iterator[bytes]) -> Any:
        """Inserts `pieces` (one body in `input_format`) as a whole; a cut or malformed body inserts nothing.

        Raises:
            EngineError: refused or failed.
        """
        handle = self._guard(lambda: self._connection.send_insert(statement, input_format))
        try:
            for piece in pieces:
                self._guard(lambda piece=piece: self._connection.insert_append(handle, piece))  # type: ignore[misc]
        except BaseException:
            with contextlib.suppress(RuntimeError):
                self._connection.insert_cancel(handle)
            raise
        return self._guard(lambda: self._connection.insert_done(handle))

    def only_reads(self, sql: str) -> bool:
        """Whether the statement is one, parses, and changes nothing."""
        found = self._connection.classify_query(sql)
        return bool(found["statement_count"] == 1 and found["query_class"].name == "READ_ONLY")

    def close(self) -> None:
        """Closes the connection; blocks while a query runs on it."""
        self._connection.close()

    def _run(self, sql: str) -> None:
        self._guard(lambda: self._connection.query(sql, "TSV", params={}))

    def _guard(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except RuntimeError as error:
            raise EngineError(str(error)) from None


class Pool:
    """Lends slots; first come, first served, a slot that already stands right preferred."""

    def __init__(self, slots: list[Slot], wait: float) -> None:
        self._free = list(slots)
        self._turn = threading.Condition()
        self._queue: list[object] = []
        self._wait = wait
        self.slots = slots

    @contextlib.contextmanager
    def lend(self, database: str, settings: Mapping[str, str], query_id: str) -> Iterator[Slot]:
        """A slot, prepared, for as long as the block runs. Blocks until one is free.

        Raises:
            Busy: none became free in time.
            EngineError: as `Slot.prepare`.
        """
        slot = self._take(database, settings)
        try:
            slot.prepare(database, settings)
            slot.query_id, slot.started = query_id, time.monotonic()
            yield slot
        finally:
            slot.query_id = None
            with self._turn:
                self._free.append(slot)
                self._turn.notify_all()

    def _take(self, database: str, settings: Mapping[str, str]) -> Slot:
        with self._turn:
            if self._queue or not self._free:
                ticket = object()
                self._queue.append(ticket)
                try:
                    if not self._turn.wait_for(lambda: self._queue[0] is ticket and bool(self._free), self._wait):
                        raise Busy(self._wait)
                finally:
                    self._queue.remove(ticket)
                    self._turn.notify_all()
            # the latest used first: its settings and caches are warm
            slot = next((slot for slot in reversed(self._free) if slot.stands_at(database, settings)), self._free[-1])
            self._free.remove(slot)
            return slot


class Engine:
    """The engine on one directory, with a pool for programs, one for read-only people and a connection for control.

    Args:
        directory: held by a `DirectoryLock` of this process.
        memory: bytes that the engine may use; a query that needs more fails, the process stays.
    """

    def __init__(self, directory: Path, *, memory: int, connections: int = 4, readers: int = 2, wait: float = 30.0) -> None:
        from chdb import _chdb  # half a gigabyte of code: only once the directory is ours

        connect: Callable[[str], Any] = getattr(_chdb, "connect")  # noqa: B009 - its stubs do not tell it

        (directory / "tmp").mkdir(exist_ok=True)
        config = directory / "engine.xml"
        config.write_text(CONFIG.format(memory=memory, merges=memory // 3, tmp=escape(str(directory / "tmp") + "/")), encoding="utf-8")
        address = f"{directory}?config-file={config}"
        base = {
            "max_memory_usage": str(memory * 2 // 3),
            "max_bytes_before_external_group_by": str(memory // 4),
            "max_bytes_before_external_sort": str(memory // 4),
            "max_insert_threads": "1",
            "max_threads": "2",
            "max_execution_time": "300",
            "log_queries": "0",
        }
        reading = {**base, "max_execution_time": "30", "max_memory_usage": str(memory // 3), "readonly": "2"}
        self._control_lock = threading.Lock()
        self._control = Slot(connect(address), "control", base)
        self.programs = Pool([Slot(connect(address), f"program-{i}", base) for i in range(connections)], wait)
        self.people = Pool([Slot(connect(address), f"reader-{i}", reading) for i in range(readers)], wait)
        self.version = self.ask("SELECT version()")
        names = self.ask("SELECT lower(name) FROM system.table_functions").split()
        self.refused_functions = frozenset(names) - SAFE_TABLE_FUNCTIONS | REACHING_FUNCTIONS

    def ask(self, sql: str) -> str:
        """A short statement on the control connection; TSV, stripped.

        Raises:
            EngineError: as `Slot.query`.
        """
        with self._control_lock:
            return bytes(self._control.query(sql, "TabSeparated", {}).bytes()).decode().strip()

    def running(self) -> list[Slot]:
        """The slots with a query at this moment."""
        return [slot for slot in (*self.programs.slots, *self.people.slots) if slot.query_id is not None]

    def kill(self, query_id: str) -> bool:
        """Makes the engine give up the query that a client calls `query_id`, and waits until it has (`KILL_S` at most).

        It is asked again and again: a query that has its connection but has not begun is not among the engine's processes
        yet, where the connection's statement before it may still stand.

        Returns:
            Whether such a query was running.
        """
        slot = next((slot for slot in self.running() if slot.query_id == query_id), None)
        if slot is None:
            return False
        deadline = time.monotonic() + KILL_S
        while slot.query_id == query_id and time.monotonic() < deadline:
            self._give_up(slot, query_id)
            time.sleep(0.01)
        return True

    def _give_up(self, slot: Slot, query_id: str) -> None:
        """Asks the engine once to give up what runs on a slot, if that is still the query `query_id`."""
        found = self.ask(f"SELECT query_id FROM system.processes WHERE Settings['log_comment'] = '{slot.name}'").split()  # noqa: S608 - a name of ours
        if found and slot.query_id == query_id:
            self.ask(f"KILL QUERY WHERE query_id IN ({', '.join(repr(name) for name in found)}) ASYNC")

    def close(self, grace: float) -> None:
        """Waits `grace` seconds for the running queries, kills the rest, closes. New ones must be kept away by the caller.

        A query that does not end within `KILL_S` of being killed is left to the end of the process, and its connection with it.
        """
        deadline = time.monotonic() + grace
        while self.running() and time.monotonic() < deadline:
            time.sleep(0.01)
        deadline = time.monotonic() + KILL_S
        while (running := self.running()) and time.monotonic() < deadline:
            for slot in running:
                if slot.query_id is not None:
                    self._give_up(slot, slot.query_id)
            time.sleep(0.02)
        for slot in (*self.programs.slots, *self.people.slots, self._control):
            if slot.query_id is None:
                slot.close()


def quoted(name: str) -> str:
    """A name as a quoted identifier."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _set(settings: Mapping[str, str]) -> str:
    return "SET " + ", ".join(f"{name} = '{_escaped(value)}'" for name, value in settings.items())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")
