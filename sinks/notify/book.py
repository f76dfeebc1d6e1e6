"""The ledger of one partition of `escalations.events`, as its records tell it: what is due, and what became of it.

Pure: records in, in the order of the topic; out comes what changed. Every record of an engine counts once, though a
worker that starts again writes some of them again: a partition's outputs are written in the order of the positions in
their ids, so what stands below the greatest position has been seen, and only of that position are the single ids kept.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from schemas.events import EscalationEvent

SETTLED = ("sent", "failed", "cancelled")
"""States of the notifier's records: each settles one due record, whose id stands before the state."""


class Record(NamedTuple):
    """One record: where it stands, its key, time (ms) and value, its header `id`, and whether the notifier wrote it."""

    partition: int
    offset: int
    key: bytes
    timestamp: int
    value: bytes
    id: str
    ours: bool


class Due:
    """A step that somebody is to be told about.

    `stopped` says why it is not wanted any more (None: it is). `settled`: the ledger has its end.
    """

    __slots__ = ("event", "id", "key", "offset", "partition", "settled", "stopped", "timestamp")

    def __init__(self, record: Record, event: EscalationEvent) -> None:
        self.partition = record.partition
        self.offset = record.offset
        self.key = record.key
        self.timestamp = record.timestamp
        self.id = record.id
        self.event = event
        self.stopped: str | None = None
        self.settled = False


class Book:
    """What one partition owes. `unreadable` counts records that are none of ours and none of an engine's."""

    def __init__(self) -> None:
        self._open: dict[str, Due] = {}
        self._by_alert: dict[str, list[Due]] = {}
        self._marks: dict[str, tuple[int, set[str]]] = {}
        self._next = 0
        self.unreadable = 0

    def take(self, record: Record) -> list[Due]:
        """Reads one record; gives the dues that it made, stopped or settled, in the order of the topic."""
        self._next = record.offset + 1
        if record.ours:
            identity, _, state = record.id.rpartition("-")
            return self.settle(identity) if state in SETTLED else []
        try:
            event = msgspec.json.decode(record.value, type=EscalationEvent)
            if self._seen(record.id):
                return []
        except (ValueError, RecursionError):  # msgspec's errors are of the first kind
            self.unreadable += 1
            return []
        if event.state == "cancelled":
            return self._stop(event.alert_id, f"cancelled: {event.reason}" if event.reason else "cancelled")
        if event.state != "due":
            return []
        changed = self._stop(event.alert_id, "the alert is over") if event.kind == "resolve" else []
        due = Due(record, event)
        self._open[due.id] = due
        self._by_alert.setdefault(event.alert_id, []).append(due)
        return [*changed, due]

    def settle(self, identity: str) -> list[Due]:
        """Notes that the ledger holds the end of the due of this id; gives it if it was open.

        By the id, since the partition may have been read anew after the end was written: then it is another object.
        """
        due = self._open.pop(identity, None)
        if due is None:
            return []
        due.settled = True
        alert = due.event.alert_id
        left = [other for other in self._by_alert[alert] if other is not due]
        if left:
            self._by_alert[alert] = left
        else:
            del self._by_alert[alert]
        return [due]

    @property
    def open(self) -> list[Due]:
        """What is neither sent, failed nor cancelled, in the order of the topic."""
        return list(self._open.values())

    @property
    def position(self) -> int:
        """The offset below which everything is settled."""
        return next((due.offset for due in self._open.values()), self._next)

    def _stop(self, alert: str, reason: str) -> list[Due]:
        """The steps so far of an alert are not wanted any more; that it is over is still told."""
        stopped = [due for due in self._by_alert.get(alert, ()) if due.event.kind == "trigger" and due.stopped is None]
        for due in stopped:
            due.stopped = reason
        return stopped

    def _seen(self, identity: str) -> bool:
        """Whether a record of this id was read before; notes it if not.

        Raises:
            ValueError: it is no id of an output.
        """
        origin, position, _ = identity.split("-", 2)
        offset = int(position)
        mark = self._marks.get(origin)
        if mark is None or offset > mark[0]:
            self._marks[origin] = (offset, {identity})
            return False
        if offset < mark[0] or identity in mark[1]:
            return True
        mark[1].add(identity)
        return False
