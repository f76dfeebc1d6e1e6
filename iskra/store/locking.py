"""Whose a data directory is: one process's. The engine says only `Code: 36`; this says who and where."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

LOCK_FILE = "iskra-store.lock"


class DirectoryError(Exception):
    """The data directory cannot be used; the text names it, the reason and what to do."""


class DirectoryLock:
    """Holds a data directory for this process until `release` or the process's end, whatever ends it.

    Raises:
        DirectoryError: another process holds it (its pid is told), or it cannot be written.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DirectoryError(_unwritable(directory, error)) from None
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._fd)
            raise DirectoryError(f"data directory {directory} is in use by process {holder}; stop it, or give another --data") from None
        try:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)
            _probe(directory)
        except OSError as error:
            os.close(self._fd)
            raise DirectoryError(_unwritable(directory, error)) from None

    def release(self) -> None:
        """Gives the directory back; does not block."""
        os.close(self._fd)


def _probe(directory: Path) -> None:
    """Writes and removes 1 MiB: a full disk is told at the start, by name, and not by the first insert."""
    probe = directory / f".probe-{os.getpid()}"
    try:
        with probe.open("wb") as file:
            file.write(b"\0" * (1 << 20))
            file.flush()
            os.fsync(file.fileno())
    finally:
        probe.unlink(missing_ok=True)


def _unwritable(directory: Path, error: OSError) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"data directory {directory}: the disk is full; free some space, or give another --data"
    return f"data directory {directory} cannot be written: {error.strerror}; mend its permissions, or give another --data"
