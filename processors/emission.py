"""What the engine emits, in order, each with its deterministic id (semantics §6)."""

from __future__ import annotations

from typing import NamedTuple

import msgspec


class Output(NamedTuple):
    """One output: short topic name, key bytes, id, subject time in ms, and the message (a Struct of `schemas.outputs`)."""

    topic: str
    key: bytes
    id: str
    ts: int
    value: msgspec.Struct


class Emission:
    """Collects the outputs of one record and numbers them.

    `record` and `partition` are the record's place in the log as ids tell it (the original one in a replay),
    `offset` is the number that evidence tells.
    """

    __slots__ = ("_index", "_next", "_subject", "config", "index", "offset", "outputs", "partition", "record", "topic")

    def __init__(self, topic: str, partition: int) -> None:
        self.topic = topic
        self.partition = partition
        self.record = "0"
        self.offset = -1
        self.index = 0
        self.config = ""
        self.outputs: list[Output] = []
        self._next = 0
        self._index = -1
        self._subject = b""

    def begin(self, partition: int, record: str, offset: int) -> None:
        """Starts a record with no outputs yet."""
        self.partition = partition
        self.record = record
        self.offset = offset
        self.index = 0
        self.outputs = []
        self._index = -1

    def emit(self, topic: str, key: bytes, hashed: str, ts: int, value: msgspec.Struct) -> None:
        """Adds an output; `hashed` are the key's 16 hex digits, n counts within (record, index, subject)."""
        if self._index != self.index or self._subject != key:
            self._index = self.index
            self._subject = key
            self._next = 0
        self.outputs.append(Output(topic, key, f"{self.partition}-{self.record}-{self.index}-{self._next}-{hashed}", ts, value))
        self._next += 1

    def take_back(self, mark: int) -> None:
        """Drops the outputs from the place `mark` on."""
        del self.outputs[mark:]
        self._index = -1
