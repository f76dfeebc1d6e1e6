"""What the feeds read, as it is handed to the event loop; and how a status is read."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.keys import Key, SubjectKey
from gateway.living import LifeRead
from gateway.world import Slim, Status


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


Read = StatusRead | Removed | WindowRead | ConfigRead | PointsRead | LifeRead


class Window(msgspec.Struct, gc=False):
    """What is wanted of a window's statistics."""

    tenant: str
    subject: str
    metric: str
    start: int
    size_ms: int
    mean: float


class _StatusBody(msgspec.Struct, gc=False):
    tenant: str
    subject: str
    metric: str
    level: str
    priority: str | None
    reason: str | None
    previous: msgspec.Raw
    value: float | None
    fast_value: float | None
    statistic: str
    window_ms: int
    bound: float | None
    side: str | None
    since: int
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


def header(message: Any, name: str) -> bytes | None:
    """The value of a record's header, None if it is not there."""
    for key, value in message.headers() or ():
        if key == name:
            found: bytes | None = value
            return found
    return None
