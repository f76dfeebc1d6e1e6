"""What can go wrong with the SDK, as one tree.

    ClientError
    ├── Unreachable       no broker answered in time: try again later, or mend the address
    ├── UnknownTopic      the broker has no such topic: `iskra topics --create`, or mend the namespace
    ├── InvalidPoint      a point that every worker would refuse; nothing of it was sent (also a ValueError)
    ├── BufferFull        back-pressure lasted too long; the points named were not taken (also a TimeoutError)
    ├── NotAcknowledged   points whose fate is not known to be good: send them again, or look
    └── Unreadable        a message of an output topic that is not what the schemas say

Misuse (a closed producer, an argument out of range) raises plain `RuntimeError` or `ValueError`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from schemas.points import Point


class ClientError(Exception):
    """Root of everything that the SDK raises on its own account."""


class Unreachable(ClientError):
    """No broker answered in time."""


class UnknownTopic(ClientError):
    """The broker has no such topic."""


class InvalidPoint(ClientError, ValueError):
    """A point that is refused before it is sent. The text is `field: what was expected, what came`.

    Attributes:
        index: its place (from 0) in what `send_many` was given; 0 for `send`. All points before it were taken, none after.
    """

    def __init__(self, text: str, index: int = 0) -> None:
        super().__init__(text)
        self.index = index


class BufferFull(ClientError, TimeoutError):
    """No room became free in the buffer within `block_timeout`: the broker is away or too slow.

    Attributes:
        taken: how many of the call's points were taken before (they may still be acknowledged).
    """

    def __init__(self, text: str, taken: int) -> None:
        super().__init__(text)
        self.taken = taken


class NotAcknowledged(ClientError):
    """Points, or other records, that the broker did not acknowledge.

    Attributes:
        points: the points (none where it was something else), per subject in the order in which they were sent. A point whose
            acknowledgement was lost on the way may stand in the log all the same: sending it again can double it, not sending
            it can lose it.
        reasons: why, by the broker's or the client's words, each once.
        pending: true where the time of a `flush` ran out: these points are still on their way and may yet be
            acknowledged; false: they were given up.
    """

    def __init__(self, points: list[Point], reasons: list[str], *, pending: bool) -> None:
        what = "still waiting" if pending else "given up"
        whose = f"{len(points)} points were " if points else ""
        super().__init__(f"{whose}not acknowledged ({what}): {'; '.join(reasons) or 'no answer in time'}")
        self.points = points
        self.reasons = reasons
        self.pending = pending


class Unreadable(ClientError):
    """A message of an output topic that does not fit its schema; the text names topic, partition and offset."""
