"""The schema: numbered files under `migrations/`, each applied once to a namespace's database, forward only.

Lines that end with `-- live only` are left out in namespaces of virtual time: their rows are old from the start, and
deleting by age or cutting by day would be wrong there. Every statement may be run twice: a crash between two of them
is mended by the next start.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

import structlog

from sinks.clickhouse import ledger
from sinks.clickhouse.store import Store

DIRECTORY = Path(__file__).parent / "migrations"
LOCK_LEASE_S = 60.0
"""Longest that a file takes: its statements are metadata only; 60 s is for a store under full load."""

_FILE = re.compile(r"(\d{4})_(\w+)\.sql\Z")
_LIVE_ONLY = re.compile(r"\s*--\s*live only\s*$")
_TABLE = """CREATE TABLE IF NOT EXISTS {database}.migrations
(number UInt32, name String, checksum String, at DateTime64(3, 'UTC') DEFAULT now64(3))
ENGINE = ReplacingMergeTree ORDER BY number"""


class Migration(NamedTuple):
    """One file: its number, its name, its statements, and a sum of its text."""

    number: int
    name: str
    statements: list[str]
    checksum: str


def load(live: bool, directory: Path = DIRECTORY) -> list[Migration]:
    """All migrations in order, as they are for a live namespace or another.

    Raises:
        ValueError: a file's name has no number, or numbers are missing or double.
    """
    found = []
    for path in sorted(directory.glob("*.sql")):
        match = _FILE.match(path.name)
        if match is None:
            raise ValueError(f"{path.name}: expected NNNN_name.sql")
        text = path.read_text(encoding="utf-8")
        found.append(Migration(int(match[1]), match[2], statements(text, live), hashlib.sha256(text.encode()).hexdigest()[:16]))
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"{directory}: expected migrations numbered from 0001 without a gap")
    return found


def statements(text: str, live: bool) -> list[str]:
    """The statements of a file, without comments."""
    lines = []
    for line in text.splitlines():
        if line.lstrip().startswith("--") or (_LIVE_ONLY.search(line) and not live):
            continue
        lines.append(_LIVE_ONLY.sub("", line))
    return [statement.strip() for statement in ("\n".join(lines) + "\n").split(";\n") if statement.strip()]


def apply(store: Store, database: str, live: bool, me: str, lease: float = LOCK_LEASE_S) -> bool:
    """Brings the database up to date, under a lock that sinks share through the database itself.

    Returns:
        False if another sink is at it: ask again.
    Raises:
        StoreAway, Wiped: from the store. Lost: another sink took the lock over.
    """
    store.command(f"CREATE DATABASE IF NOT EXISTS {database}")
    store.command(ledger.TABLE.format(database=database))
    store.command(_TABLE.format(database=database))
    wanted = load(live)
    if _applied(store, database) >= {migration.number for migration in wanted}:
        return True
    lock = ledger.Ledger(store, database, "migrations", me, lease)
    if lock.claim() is None:
        return False
    done = _applied(store, database)
    for migration in wanted:
        if migration.number in done:
            continue
        for statement in migration.statements:
            store.command(statement, database=database)
        store.command(
            f"INSERT INTO {database}.migrations (number, name, checksum) "  # noqa: S608 - from our own files
            f"VALUES ({migration.number}, '{migration.name}', '{migration.checksum}')"
        )
        structlog.get_logger("iskra.sink").info("migrated", database=database, number=migration.number, name=migration.name)
    lock.release()
    return True


def _applied(store: Store, database: str) -> set[int]:
    return {row[0] for row in store.rows(f"SELECT number FROM {database}.migrations")}  # noqa: S608 - a name of ours
