"""What the kept log of a partition gives for certain, once retention has cut its beginning.

An engine that begins at the cut knows nothing of the subjects' past: open windows, ladders, budgets, alerts. Nothing bounds
how long a past lasts (an alert is open until somebody resolves it), except that a subject silent for `expire_after` ticks is
forgotten. So whoever is first heard of after that many ticks of the kept log began in it, and is judged as in a whole log.
What the kept log does not give of the others, or gives otherwise, is *uncertain*: counted and told, but no difference.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from xxhash import xxh3_64_hexdigest

from processors.engine import PartitionEngine

_ID = re.compile(r"(\d{1,9})-(\d{1,19})-[^-]*-[^-]*-[^-]*", re.ASCII)
DEAD = "dead"
"""In place of a subject's hash in ids of dead letters: they tell no subject."""


class Start(NamedTuple):
    """Where a partition's kept log begins.

    `offset` of its first record; `config`: hash of the configuration in force there, None: nobody tells; `known`: whether it
    is that for certain. In a cut log the first marker may be that of a change.
    """

    offset: int
    config: str | None
    known: bool


@dataclass
class Cut:
    """What is certain of a log that begins at `start`; `expire_after`: ticks after which the silent are forgotten, the most ever."""

    start: Start
    expire_after: int
    known: bool = field(init=False)
    settled: int | None = None
    """From this offset on only the subjects in `older` can have a past before the cut; None: it is not reached yet."""
    older: set[str] = field(default_factory=lambda: {DEAD})
    """Hashes, as ids tell them, of subjects that may be older than the log."""

    def __post_init__(self) -> None:
        self.known = self.start.known

    def follow(self, engine: PartitionEngine, offset: int, marker: bool) -> None:
        """Looks at the engine before it is given the record at `offset`; whether that is a configuration's marker."""
        # of the cut log's first tick nobody knows whether it was counted
        if self.start.offset > 0 and self.settled is None and self.known and engine.tick_count > self.expire_after + 1:
            self.settled = offset
            self.older.update(map(xxh3_64_hexdigest, engine.subject_keys()))
        self.known = self.known or marker

    def told(self) -> str:
        """That the log is cut, in words."""
        return f"the log begins at offset {self.start.offset:,}; what depends on older records cannot be recomputed"

    def gone(self, identity: str) -> bool:
        """Whether the record that caused the output of this id is no longer kept."""
        offset = cause(identity)
        return offset is not None and offset < self.start.offset

    def sure(self, identity: str, end: int) -> bool:
        """Whether the log as it is kept, up to the offset `end`, must give the output of this id, or must not."""
        offset = cause(identity)
        if self.start.offset == 0 or offset is None or offset >= end:
            return True
        return self.settled is not None and offset >= self.settled and identity.rpartition("-")[2] not in self.older

    def sure_of(self, key: bytes) -> bool:
        """Whether all that a subject's latest status rests on is kept."""
        return self.start.offset == 0 or (self.settled is not None and xxh3_64_hexdigest(key) not in self.older)


def place(identity: str) -> tuple[int, int] | None:
    """Partition and offset that an id tells, None: it is none."""
    found = _ID.fullmatch(identity)
    return None if found is None else (int(found[1]), int(found[2]))


def cause(identity: str) -> int | None:
    """The offset that an id tells, None: it is none."""
    found = place(identity)
    return None if found is None else found[1]
