"""The data directory of one instance: taken by one supervisor at a time, cleared of what a killed one left running."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import time
from pathlib import Path
from typing import IO, Any

import msgspec
import psutil

from iskra.settings import PASSWORD_FILE
from iskra.stack.errors import DataDirError
from iskra.stack.supervisor import STACK_ENV

RUN_FILE = "run.json"
"""Addresses and process ids of the running instance, for people and other commands; gone after a clean stop."""
LEFTOVER_TIMEOUT_S = 10.0
"""Processes that are killed are gone within milliseconds; 10 s for one in the middle of a write to a slow disk."""


class DataDir:
    """An instance's directory, held until `release`."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._lock: IO[str] | None = None

    def take(self) -> None:
        """Makes the directory, takes its lock, and kills processes that a killed supervisor of it left.

        Raises:
            DataDirError: it cannot be written, or another instance holds it.
        """
        lock_file = self.path / "up.lock"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = lock_file.open("a+")
        except OSError as error:
            raise DataDirError(f"{self.path}: {error.strerror}; expected a directory that can be written, choose one with --data") from None
        if not _locked(lock):
            lock.seek(0)
            owner = lock.read().strip() or "?"
            lock.close()
            raise DataDirError(f"{self.path} is used by a running instance (process {owner}): stop it, or choose another --data")
        self._lock = lock
        with contextlib.suppress(OSError):  # who holds it is only told to people; a full disk is refused where it is needed
            os.truncate(lock.fileno(), 0)
            os.write(lock.fileno(), f"{os.getpid()}\n".encode())
        kill_leftovers(self.path)

    def password(self) -> str:
        """The store's password: made once, kept in a file that its owner alone can read.

        Raises:
            DataDirError: the file can be neither read nor written.
        """
        file = self.path / PASSWORD_FILE
        try:
            known = file.read_text().strip() if file.exists() else ""
            if not known:  # an empty file is what a full disk left of one
                known = secrets.token_urlsafe(24)
                write_whole(file, known.encode(), 0o600)
        except OSError as error:
            raise DataDirError(f"{file}: {error.strerror}; expected a file that can be read and written") from None
        return known

    def write_run(self, run: dict[str, Any]) -> None:
        """Replaces the file that says what runs here."""
        write_whole(self.path / RUN_FILE, msgspec.json.format(msgspec.json.encode(run)))

    def release(self) -> None:
        """Gives the directory back, if it was taken."""
        if self._lock is not None:
            (self.path / RUN_FILE).unlink(missing_ok=True)
            self._lock.close()
            self._lock = None


def write_whole(path: Path, data: bytes, mode: int = 0o666) -> None:
    """Replaces a file whole or not at all: after a kill or on a full disk the old one is still there. `mode`: less the umask."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)  # its mode may be another one
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as out:
        out.write(data)
    fresh.replace(path)


def _locked(lock: IO[str]) -> bool:
    """Whether the lock could be taken; others hold it for microseconds while they look who runs, so it tries thrice."""
    for wait in (0.05, 0.1, 0.0):
        with contextlib.suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(wait)
    return False


def read_run(path: Path) -> dict[str, Any] | None:
    """What `write_run` wrote for the instance that holds `path`; None if none runs there."""
    try:
        with (path / "up.lock").open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        with contextlib.suppress(OSError, msgspec.DecodeError):
            run: dict[str, Any] = msgspec.json.decode((path / RUN_FILE).read_bytes())
            return run
    except OSError:
        return None
    return None


def kill_leftovers(path: Path) -> list[int]:
    """Kills processes that were parts of an instance in `path`, whose lock the caller holds; gives their ids.

    A process is known by the data directory in its environment, so nobody else's is ever touched.
    """
    mine = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid not in mine and process.environ().get(STACK_ENV) == str(path):
                process.kill()
                found.append(process)
    _, alive = psutil.wait_procs(found, timeout=LEFTOVER_TIMEOUT_S)
    if alive:
        raise DataDirError(f"{path}: process {alive[0].pid} of an earlier instance does not end; end it, or choose another --data")
    return [process.pid for process in found]
