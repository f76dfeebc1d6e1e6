"""What the engine emits, in order, each with its deterministic id (semantics §6)."""

from __future__ import annotations

import msgspec
from mypy_extensions import mypyc_attr


@mypyc_attr(acyclic=True)
class Output:
    """One output: short topic name, key bytes, id, subject time in ms, and the message (a Struct of `schemas.outputs`)."""

    __slots__ = ("id", "key", "topic", "ts", "value")

    def __init__(self, topic: str, key: bytes, id: str, ts: int, value: msgspec.Struct) -> None:  # noqa: A002 - the header's name
        self.topic = topic
        self.key = key
        self.id = id
        self.ts = ts
        self.value = value


class Emission:
    """Collects the outputs of one record and numbers them.

    `partition` and `offset` are the record's place in the log (the original one in a replay), as ids and evidence tell
    it; a tick of `evaluate` has no place of its own, so that its ids tell `label`. `log_time` (ms) is the partition's.
    """

    __slots__ = (
        "_index",
        "_next",
        "_prefix",
        "_subject",
        "config",
        "index",
        "label",
        "log_time",
        "offset",
        "outputs",
        "partition",
        "topic",
    )

    def __init__(self, topic: str, partition: int) -> None:
        self.topic = topic
        self.partition = partition
        self.label: str | None = None
        self.offset = -1
        self.index = 0
        self.config = ""
        self.log_time = 0
        self.outputs: list[Output] = []
        self._next = 0
        self._index = -1
        self._prefix = ""
        self._subject = b""

    def begin(self, partition: int, offset: int, label: str | None = None) -> None:
        """Starts a record with no outputs yet."""
        self.partition = partition
        self.label = label
        self.offset = offset
        self.index = 0
        self.outputs = []
        self._index = -1

    def emit(self, topic: str, key: bytes, hashed: str, ts: int, value: msgspec.Struct) -> str:
        """Adds an output and returns its id; `hashed` are the key's 16 hex digits, n counts within (record, index, subject)."""
        named = self.next_id(key, hashed)
        self.outputs.append(Output(topic, key, named, ts, value))
        self._next += 1
        return named

    def next_id(self, key: bytes, hashed: str) -> str:
        """The id that the next output of this subject will get."""
        if self._index != self.index or self._subject != key:
            self._index = self.index
            self._subject = key
            self._next = 0
            self._prefix = f"{self.partition}-{self.label or self.offset}-{self.index}-"
        return f"{self._prefix}{self._next}-{hashed}"

    def take_back(self, mark: int) -> None:
        """Drops the outputs from the place `mark` on."""
        del self.outputs[mark:]
        self._index = -1
