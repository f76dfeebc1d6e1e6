"""What the feeds read, as it is handed to the event loop; and how a status is read."""

from __future__ import annotations

from typing import Annotated

import msgspec

from gateway.keys import Key, SubjectKey
from gateway.living import LifeRead
from gateway.world import Slim, Status
from schemas.outputs import Int64, Level, Priority, Side, UnknownReason
from schemas.points import MAX_TS_MS


class StatusRead(msgspec.Struct, frozen=True, gc=False):
    """A status as it was read."""

    key: Key
    status: Status
    live: bool


class Removed(msgspec.Struct, frozen=True, gc=False):
    """A tombstone on `slo.current`."""

    key: Key


class WindowRead(msgspec.Struct, frozen=True, gc=False):
    """The end of a window (ms of event time) and its mean."""

    subject: SubjectKey
    metric: str
    end: int
    mean: float


class ConfigRead(msgspec.Struct, frozen=True, gc=False):
    """A configuration's body."""

    namespace: str
    hash: str
    body: bytes


class PointsRead(msgspec.Struct, frozen=True, gc=False):
    """Raw points of one subject, each as JSON `[metric,ts,value]`."""

    subject: SubjectKey
    points: list[bytes]


Time = Annotated[int, msgspec.Meta(ge=0, le=MAX_TS_MS)]
"""Epoch ms in the calendar: one beyond it would be held for the newest for ever."""
Read = StatusRead | Removed | WindowRead | ConfigRead | PointsRead | LifeRead


class Window(msgspec.Struct, gc=False):
    """What is wanted of a window's statistics."""

    tenant: str
    subject: str
    metric: str
    start: Time
    size_ms: Int64
    mean: float


class _StatusBody(msgspec.Struct, gc=False):
    tenant: str
    subject: str
    metric: str
    level: Level
    priority: Priority | None
    reason: UnknownReason | None
    previous: msgspec.Raw
    value: float | None
    fast_value: float | None
    statistic: str
    window_ms: Int64
    bound: float | None
    side: Side | None
    since: Time
    config: str


_STATUS = msgspec.json.Decoder(_StatusBody)
WINDOW = msgspec.json.Decoder(Window)
_JSON = msgspec.json.Encoder()


def read_status(namespace: str, identity: str, value: bytes, live: bool) -> StatusRead:
    """A status message with its id.

    Raises:
        ValueError: it is none (msgspec's errors are ValueErrors).
    """
    _, offset, index, n, _ = identity.split("-", 4)
    body = _STATUS.decode(value)
    slim = Slim(
        namespace, identity, body.tenant, body.subject, body.metric, body.level, body.priority, body.reason, body.previous, body.value,
        body.fast_value, body.statistic, body.window_ms, body.bound, body.side, body.since, body.config,
    )  # fmt: skip
    full = b'{"namespace":' + _JSON.encode(namespace) + b',"id":' + _JSON.encode(identity) + b"," + value.lstrip()[1:]
    status = Status(identity, (int(offset), int(index), int(n)), body.level, body.since, body.config, full, _JSON.encode(slim))
    return StatusRead(Key(namespace, body.tenant, body.subject, body.metric), status, live)
