"""The store as a process: whose its directory is, full disks, kill -9, an orderly stop."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError

from iskra.stack import children
from tests.store.process import OwnStore, client, until

pytestmark = pytest.mark.store

SLOW = "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))"


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[OwnStore]:
    """A store that the test itself starts."""
    store = OwnStore(tmp_path / "data", tmp_path / "store.log")
    yield store
    store.kill()


def refused(*options: str) -> str:
    """Runs `iskra store` that must refuse to start: exit code 2 and one line; gives the line."""
    done = subprocess.run([sys.executable, "-m", "iskra", "store", *options], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2, done.stderr
    return done.stderr.strip().splitlines()[-1]


def test_a_taken_directory_is_told_with_the_holder(own: OwnStore) -> None:
    """A second store on the directory says who has it, in one line, and leaves the first alone."""
    assert own.process is not None
    line = refused("--data", str(own.directory), "--port", "0")
    assert f"{own.directory} is in use by process {own.process.pid}" in line
    assert client(own).command("SELECT 1") == 1


def test_a_taken_port_is_told(tmp_path: Path) -> None:
    """A port in use is named, and the directory is not touched."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"port {port} on 127.0.0.1" in refused("--data", str(tmp_path / "data"), "--port", str(port))
    assert not (tmp_path / "data").exists()


def test_an_unwritable_directory_is_told(tmp_path: Path) -> None:
    """A path on which no directory can be made is named, with the reason."""
    (tmp_path / "file").write_text("x")
    assert "cannot be written: Not a directory" in refused("--data", str(tmp_path / "file" / "data"), "--port", "0")
    assert "cannot be written" in refused("--data", "/proc/iskra", "--port", "0")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 48 MiB (needs root, as in CI)."""
    mount = tmp_path / "small"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(mount)], check=True)
    yield mount
    subprocess.run(["umount", "-l", str(mount)], check=True)


def fill(directory: Path) -> Path:
    """Writes until there is no space; gives the file."""
    filler = directory / "filler"
    with filler.open("wb") as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 65_536)
            file.flush()
    return filler


def test_a_full_disk_at_the_start_is_told(small_disk: Path) -> None:
    """A store that cannot write one mebibyte says so and does not start."""
    fill(small_disk)
    assert "the disk is full" in refused("--data", str(small_disk / "data"), "--port", "0")


def test_a_disk_that_fills_refuses_inserts_and_recovers(small_disk: Path, tmp_path: Path) -> None:
    """An insert without space fails with a code, reads go on, and with space the same insert succeeds, once."""
    store = OwnStore(small_disk / "data", tmp_path / "store.log").start()
    try:
        asking = client(store)
        table = "CREATE TABLE t (a UInt64, b String CODEC(NONE)) ENGINE = MergeTree ORDER BY a"
        asking.command(table + " SETTINGS non_replicated_deduplication_window = 100")
        filler = fill(small_disk)
        insert = "INSERT INTO t SELECT number, randomPrintableASCII(100) FROM numbers(100000) SETTINGS insert_deduplication_token = 'x'"
        with pytest.raises(DatabaseError, match=r"NOT_ENOUGH_SPACE|No space|CANNOT_WRITE"):
            asking.command(insert)
        assert asking.command("SELECT count() FROM t") == 0
        filler.unlink()
        asking.command(insert)
        asking.command(insert)
        assert asking.command("SELECT count() FROM t") == 100_000
    finally:
        store.kill()


def test_kill_9_during_inserts_and_retries_loses_and_doubles_nothing(fresh: OwnStore) -> None:
    """Blocks are inserted under tokens, the store killed again and again; whoever repeats until acknowledged has each row once."""
    fresh.start()
    client(fresh).command("CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 1000")
    acknowledged = 0
    stop = threading.Event()

    def insert() -> None:
        nonlocal acknowledged
        while not stop.is_set():
            first = acknowledged * 1000
            try:
                settings = {"insert_deduplication_token": f"block-{acknowledged}"}
                client(fresh).insert("t", [list(range(first, first + 1000))], column_names=["a"], column_oriented=True, settings=settings)
            except (ClickHouseError, OSError):
                time.sleep(0.02)
            else:
                acknowledged += 1

    inserting = threading.Thread(target=insert)
    inserting.start()
    for _ in range(4):
        before = acknowledged
        until(lambda before=before: acknowledged > before + 3, "blocks are acknowledged")  # type: ignore[misc]
        fresh.kill()
        fresh.start()
    stop.set()
    inserting.join(60)
    count, different, greatest = client(fresh).query("SELECT count(), uniqExact(a), max(a) FROM t").result_rows[0]
    assert count == different == greatest + 1
    assert count in {acknowledged * 1000, acknowledged * 1000 + 1000}, "at most one block was inserted and not acknowledged"


def test_a_stop_with_queries_in_flight_is_orderly(fresh: OwnStore) -> None:
    """SIGTERM during a query without end: the client is told, the exit code is 0, and what was stored is there afterwards."""
    fresh.start()
    client(fresh).command("CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a")
    client(fresh).command("INSERT INTO t VALUES (7)")
    told: list[str] = []

    def ask() -> None:
        try:
            client(fresh).query(SLOW)
        except (ClickHouseError, OSError) as error:
            told.append(str(error))

    asking = threading.Thread(target=ask)
    asking.start()
    watching = client(fresh)
    until(lambda: watching.command("SELECT count() FROM system.processes WHERE query LIKE '%sipHash64(number)%'") > 1, "the query runs")
    assert fresh.stop() == 0
    asking.join(60)
    assert told
    fresh.start()
    assert client(fresh).command("SELECT a FROM t") == 7


def test_logs_stand_on_stderr_and_the_ready_line_on_stdout(tmp_path: Path) -> None:
    """Whoever starts a store reads its address from one line."""
    command = [sys.executable, "-m", "iskra", "store", "--data", str(tmp_path / "data"), "--port", "0"]
    with subprocess.Popen(children.bound_to_us(command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ)) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        rest, logs = process.communicate(timeout=60)
    assert first.startswith(b'ready {"url":"http://127.0.0.1:')
    assert rest == b""
    assert b"stopped" in logs
    assert process.returncode == 0
