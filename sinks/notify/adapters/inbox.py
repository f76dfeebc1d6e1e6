"""The local inbox: a file of one JSON message a line, to which is only appended.

A notifier that was killed may append a message again; who reads takes each id once (`read`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from sinks.notify.errors import Later
from sinks.notify.message import Notification

MAX_BYTES = 32 * 1024 * 1024
"""A larger file is set aside as `.1` (the one before goes): about 60,000 messages in each."""


class Inbox:
    """Appends to one file. Written is not synced: it outlives the process, not the machine's power."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def send(self, notification: Notification) -> None:
        """Appends the message in one write.

        Raises:
            Later: the disk is full, the directory cannot be written.
        """
        try:
            self._append(notification.body() + b"\n")
        except OSError as error:
            raise Later(f"inbox {self._path}: {error.strerror}") from error

    def _append(self, line: bytes) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            size = os.fstat(handle).st_size
            if size and os.pread(handle, 1, size - 1) != b"\n":  # a write was cut off: what follows begins a line of its own
                line = b"\n" + line
            if os.write(handle, line) != len(line):
                raise OSError(28, "No space left on device")
        finally:
            os.close(handle)
        if size > MAX_BYTES:
            self._path.replace(_older(self._path))


def file_of(data: Path, namespace: str) -> Path:
    """The inbox of a namespace in a data directory."""
    return data / "inbox" / f"{namespace}.ndjson"


def _older(path: Path) -> Path:
    return path.with_name(path.name + ".1")


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The messages of an inbox, oldest first, each once; lines that were cut off are left out."""
    seen: set[str] = set()
    for file in (_older(path), path):
        if not file.exists():
            continue
        with file.open("rb") as lines:
            for line in lines:
                try:
                    message = msgspec.json.decode(line, type=dict[str, Any])
                except msgspec.DecodeError:
                    continue
                if message.get("id") not in seen:
                    seen.add(str(message.get("id")))
                    yield message
