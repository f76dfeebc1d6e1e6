"""Checkpoints of a partition: its subjects' states on the checkpoint log, made visible by the commit of an offset.

Order of a checkpoint (semantics §7), each step only after the one before:

1. the cut: position, log time, last tick, configuration are noted, and which subjects have changed;
2. their states are sent in slices of at most 2 ms between slices of processing, each with the input offset at which it
   stands (at or past the cut), and tombstones for forgotten subjects;
3. the epoch of outputs ends, and all that was sent in it and before is acknowledged by the broker;
4. the cut's offset is committed, with the `Mark` as metadata. The broker refuses it to a worker of an older generation.

The *lineage* in the mark is drawn at random whenever an engine is made from the log or from a checkpoint. The first
checkpoint of a lineage is a full snapshot, so a restore needs records of one lineage only, and whatever a predecessor
or a zombie wrote in between (states whose outputs were perhaps never acknowledged) is told apart and ignored.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from processors.state import FORMAT

TAIL_FACTOR = 3
"""A full snapshot starts anew when more records than so many times the subjects would have to be read back."""

BEHIND_FACTOR = 3
"""So many times as rare are checkpoints of a partition that is behind: where 10,000 subjects change all the time, one costs a
second of the processor."""

HEADER_LINEAGE = "lineage"
"""Header of each state on the checkpoint log."""


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """The metadata of a commit: about 110 bytes of JSON.

    Attributes:
        version: format of the states that it stands on.
        log_time: greatest record time up to the committed offset, ms. last_tick: its second, -1: none.
        ticks: ticks so far. config: hash of the configuration in force. first, last: the part of the checkpoint log to
        read (inclusive; -1: none). generation: of the consumer group. lineage: whose records there count.
    """

    version: int
    log_time: int
    last_tick: int
    ticks: int
    config: str
    first: int
    last: int
    generation: int
    lineage: str


_decode_mark = msgspec.json.Decoder(Mark).decode


def encode_mark(mark: Mark) -> str:
    """The text that is committed."""
    return msgspec.json.encode(mark).decode()


def decode_mark(text: str) -> Mark | None:
    """The mark of a commit; None where it is none of ours (then the log is read from its beginning)."""
    try:
        mark = _decode_mark(text)
    except msgspec.DecodeError:
        return None
    return mark if mark.version == FORMAT else None


def new_lineage() -> str:
    """A fresh lineage, random."""
    return secrets.token_hex(6)


def is_due(age_s: float, every_s: float, ahead: int, since: int) -> bool:
    """Whether a partition's next checkpoint is to be written.

    While more records are `ahead` than were applied `since` the last one, it may wait: a restart has more to read anyway than
    it would have to repeat.
    """
    return age_s >= every_s * (BEHIND_FACTOR if ahead > since else 1)


@dataclass
class Chain:
    """Which part of the checkpoint log holds the states of a partition's present lineage.

    Attributes:
        lineage: of the engine in memory. first, last: offsets of the oldest record that is needed and of the newest (-1: none).
        records: how many were written since the last full snapshot began. full_at: when that was (monotonic s), None: never.
    """

    lineage: str = field(default_factory=new_lineage)
    first: int = -1
    last: int = -1
    records: int = 0
    full_at: float | None = None

    def wants_full(self, subjects: int, changed: int, now: float, every_s: float) -> bool:
        """Whether the next checkpoint must hold all subjects, not only the `changed` ones."""
        if self.full_at is None or now - self.full_at >= every_s:
            return True
        return self.records + changed > TAIL_FACTOR * max(subjects, 1)

    def written(self, first: int, last: int, count: int, full: bool, now: float) -> None:
        """Notes a checkpoint whose records are all acknowledged: they stand in `first`…`last` (-1: there were none)."""
        if full:
            self.first, self.last, self.records, self.full_at = first, last, count, now
        elif count:
            self.first = first if self.first < 0 else self.first
            self.last = max(self.last, last)
            self.records += count

    def spoilt(self) -> None:
        """A checkpoint was given up half-way: what it took as written is not. The next one holds everything."""
        self.full_at = None


def newest_states(records: Iterable[tuple[bytes, bytes | None, str, int]], lineage: str) -> dict[bytes, bytes]:
    """Of each subject the state with the greatest input offset, of one lineage; forgotten subjects are absent.

    Args:
        records: key, state (None: tombstone), lineage, input offset; in any order.
    """
    newest: dict[bytes, tuple[int, bytes | None]] = {}
    for key, state, of, at in records:
        if of != lineage:
            continue
        known = newest.get(key)
        if known is None or at >= known[0]:
            newest[key] = (at, state)
    return {key: state for key, (_, state) in newest.items() if state is not None}
