"""A record of the log, as the engine takes it."""

from __future__ import annotations

from typing import NamedTuple


class Record(NamedTuple):
    """A record of the points topic.

    Attributes:
        offset: its place in the partition. timestamp: record time, ms. value: bytes as they stand in the log.
        kind: None for points, else `tick`, `command`, `config`, or `unreadable`: its headers are. encoding: `msgpack`, or None for JSON.
        origin: `PARTITION-OFFSET` of the original of a replayed record. redrive: published again by `dlq redrive`.
    """

    offset: int
    timestamp: int
    value: bytes = b""
    kind: str | None = None
    encoding: str | None = None
    origin: str | None = None
    redrive: bool = False
