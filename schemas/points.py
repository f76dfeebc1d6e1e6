"""A point: one number that a producer says about one subject at one instant; and how it is read.

Reading has two speeds. `POINTS` is one typed decoder for the well-formed case and is all that the hot path uses.
When it refuses a message, `split` takes the message apart so that one bad item does not cost the rest of its batch.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from typing import Any, Final

import msgspec

VALUE_SCALE: Final = 10**9
"""Values are held as integers: the nearest to value × 10⁹ (semantics §2)."""

MAX_VALUE: Final = 1e9
"""Greatest |value| of any metric."""

MAX_TS_MS: Final = 253_402_300_799_999
"""Last millisecond of the year 9999; `ts` lies in 0 … this."""

MAX_POINTS: Final = 10_000
"""Points in one message at the most."""

DEFAULT_TENANT: Final = "default"

METRIC_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")
ENTITY_NAME = re.compile(r"[\w.:\-]{1,128}\Z")
"""Tenant, subject, source: letters and digits of any script and `. _ : -` (`isalnum` narrows `\\w` in `is_entity_name`)."""

_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)\Z", re.ASCII)


class Point(msgspec.Struct, gc=False, kw_only=True):
    """One metric event.

    Attributes:
        tenant: who owns the subject; 1–128 characters, see `ENTITY_NAME`.
        subject: whom the number is about; likewise.
        metric: `[a-z][a-z0-9_]{0,63}`.
        value: finite, |value| ≤ 10⁹ (0–1 for the vitals).
        ts: event time, integer epoch milliseconds, or RFC 3339 text with a zone (`parse_ts`).
        source: where the number comes from; free, may be left out.
    """

    subject: str
    metric: str
    value: float
    ts: int | str
    tenant: str = DEFAULT_TENANT
    source: str | None = None


class TimedPoint(msgspec.Struct, gc=False, kw_only=True):
    """A point whose `ts` is integer milliseconds: nearly all are, and they decode without a second thought."""

    subject: str
    metric: str
    value: float
    ts: int
    tenant: str = DEFAULT_TENANT
    source: str | None = None


class BadPoint(ValueError):
    """A point that is refused. `reason` is the dead-letter reason, `str(error)` the detail for people."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


POINTS = msgspec.json.Decoder(Point | list[Point])
"""Decodes a JSON message of `metrics.points`: one point or an array of points."""

TIMED_POINTS = msgspec.json.Decoder(TimedPoint | list[TimedPoint])
"""The same for messages all of whose points have integer `ts`."""

POINTS_MSGPACK = msgspec.msgpack.Decoder(Point | list[Point])
"""The same for messages with the header `encoding: msgpack`."""

_RAW_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])


def is_entity_name(name: str) -> bool:
    """Whether `name` may be a tenant, a subject or a source: 1–128 letters, digits (any script) and `. _ : -`."""
    return ENTITY_NAME.match(name) is not None


def parse_ts(ts: int | str) -> int:
    """Event time as epoch milliseconds.

    Args:
        ts: integer milliseconds, or RFC 3339 text with a zone; digits below the millisecond are cut off.
    Raises:
        BadPoint: `invalid`: no time, no zone, or outside the years 1970–9999.
    """
    if isinstance(ts, str):
        match = _RFC3339.match(ts)
        if match is None:
            raise BadPoint("invalid", "ts: expected integer epoch milliseconds or RFC 3339 with a zone")
        base, fraction, zone = match.groups()
        try:
            seconds = msgspec.convert(base.replace(" ", "T") + zone, dt.datetime).timestamp()
        except (msgspec.ValidationError, ValueError, OverflowError) as error:
            raise BadPoint("invalid", f"ts: {error}") from None
        ts = int(seconds) * 1000 + int(((fraction or "") + "000")[:3])
    if not 0 <= ts <= MAX_TS_MS:
        raise BadPoint("invalid", f"ts: {ts} is outside the years 1970 to 9999")
    return ts


def split(value: bytes, encoding: str | None = None) -> list[tuple[bytes, Point | BadPoint, dict[str, Any]]]:
    """Takes a message apart into its items, each decoded alone: the slow, forgiving reading.

    Args:
        value: the message, JSON (or msgpack where `encoding` says so).
    Returns:
        For each item: its bytes, the point or why it is refused, and what could be read of it (a mapping, maybe empty).
    Raises:
        BadPoint: `undecodable` or `too_many_points`: the message as a whole cannot be read.
    """
    items = _items(value, encoding)
    return [(raw, _point(item), item if isinstance(item, dict) else {}) for raw, item in items]


def raw_items(value: bytes) -> list[bytes]:
    """The bytes of each item of a well-formed JSON message; of a lone point the message itself."""
    if value.lstrip()[:1] != b"[":
        return [value]
    return [bytes(raw) for raw in _RAW_ITEMS.decode(value)]


def _items(value: bytes, encoding: str | None) -> list[tuple[bytes, Any]]:
    # counted before they are looked at: a message of millions must not cost seconds
    if encoding == "msgpack":
        try:
            decoded = msgspec.msgpack.decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadPoint("undecodable", f"msgpack: {error}") from None
        listed = decoded if isinstance(decoded, list) else [decoded]
        _count(listed)
        return [(msgspec.msgpack.encode(item), item) for item in listed]
    try:
        text = value.decode()
        if text.lstrip(" \t\r\n")[:1] != "[":
            return [(value, _JSON.decode(text))]
        try:
            raws = _RAW_ITEMS.decode(value)
        except msgspec.DecodeError:
            # NaN and Infinity are no JSON, but producers write them: one such item must not cost its neighbours
            return _cut(text, _count(_JSON.decode(text)))
        _count(raws)
        return [(bytes(raw), _JSON.decode(bytes(raw).decode())) for raw in raws]
    except BadPoint:
        raise
    except (ValueError, RecursionError) as error:
        raise BadPoint("undecodable", f"JSON: {error}") from None


def _count(items: list[Any]) -> int:
    """How many there are; BadPoint: more than a message may hold."""
    if len(items) > MAX_POINTS:
        raise BadPoint("too_many_points", f"{len(items)} points in one message, at most {MAX_POINTS}")
    return len(items)


def _cut(text: str, number: int) -> list[tuple[bytes, Any]]:
    """The texts of the items of a well-formed array of so many items, and what each says."""
    items = []
    at = text.index("[") + 1
    for _ in range(number):
        while text[at] in " \t\r\n,":
            at += 1
        item, end = _JSON.raw_decode(text, at)
        items.append((text[at:end].encode(), item))
        at = end
    return items


def _integer(digits: str) -> int | float:
    """An integer; of more digits than any legal number a double, so that one of 5,000 digits is merely out of range."""
    return int(digits) if len(digits) < 400 else float(digits)


_JSON = json.JSONDecoder(parse_int=_integer)


def _point(item: Any) -> Point | BadPoint:
    if isinstance(item, dict) and isinstance(item.get("value"), int) and abs(item["value"]) > MAX_VALUE:
        # an integer that no double holds is a number out of range, too
        item = {**item, "value": math.inf if item["value"] > 0 else -math.inf}
    try:
        return msgspec.convert(item, Point)
    except (ValueError, OverflowError) as error:  # a ValidationError, or a name with half a surrogate pair
        return BadPoint("invalid", str(error))
