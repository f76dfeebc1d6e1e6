"""§1–§3, admission: what a message says, item by item, and why an item is refused."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from typing import Any, NamedTuple

import msgspec

from schemas.config import Config
from tests.reference.numbers import scaled

_TEXT_TIME = re.compile(
    r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})[Tt ](?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
    r"(\.(?P<fraction>[0-9]+))?(?P<zone>[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_END_OF_9999 = 253_402_300_800_000
_MOST_ITEMS = 10_000


class Refused(Exception):
    """An item (or a whole message) that goes to dead-letters, with the reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Item(NamedTuple):
    """One item of a message: where it stands in the array, its bytes, what it says."""

    place: int
    raw: bytes
    content: Any
    """What `json.loads` made of it; a `Refused` where nothing could."""


class Reading(NamedTuple):
    """A point that may be read: names are legal, the value is scaled, the time is in ms."""

    tenant: str
    subject: str
    metric: str
    value: int
    ts: int


def items(value: bytes, encoding: str | None) -> list[Item]:
    """The items of a message.

    Raises:
        Refused: `undecodable` or `too_many_points`, for the whole message.
    """
    found = _msgpack_items(value) if encoding == "msgpack" else _json_items(value)
    if len(found) > _MOST_ITEMS:
        raise Refused("too_many_points")
    return [Item(place, raw, content) for place, (raw, content) in enumerate(found)]


def _msgpack_items(value: bytes) -> list[tuple[bytes, Any]]:
    try:
        content = msgspec.msgpack.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused("undecodable") from None
    return [(msgspec.msgpack.encode(item), item) for item in (content if isinstance(content, list) else [content])]


def _json_items(value: bytes) -> list[tuple[bytes, Any]]:
    try:
        text = value.decode("utf-8")
        content = json.loads(text, parse_int=_integer)
    except (ValueError, RecursionError):
        raise Refused("undecodable") from None
    if not isinstance(content, list):
        return [(value, content)]
    # the array is well-formed: cut it into the texts of its items
    found: list[tuple[bytes, Any]] = []
    decoder = json.JSONDecoder(parse_int=_integer)
    at = text.index("[") + 1
    for _ in content:
        while text[at] in " \t\r\n,":
            at += 1
        item, end = decoder.raw_decode(text, at)
        found.append((text[at:end].encode(), item))
        at = end
    return found


def text_of(content: Any, field: str) -> str | None:
    """A field of an item, as far as it can be read: null unless it is text; a tenant left out is the default one."""
    if not isinstance(content, dict) or not content:
        return None
    got = content.get(field, "default" if field == "tenant" else None)
    return got if isinstance(got, str) else None


def _integer(digits: str) -> float:
    """An integer; of a great many digits a double, which is out of every range."""
    return int(digits) if len(digits) < 400 else float(digits)


def told_of(content: Any, field: str) -> str | None:
    """A field as a dead letter tells it: at most 256 characters, all of them UTF-8."""
    text = text_of(content, field)
    return None if text is None else text[:256].encode("utf-8", "replace").decode()


def legal_entity(name: str) -> bool:
    """1–128 characters, letters and digits of any script and `. _ : -`."""
    return 1 <= len(name) <= 128 and all(c.isalnum() or c in "._:-" for c in name)


def legal_metric(name: str) -> bool:
    """`[a-z][a-z0-9_]{0,63}`."""
    return re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name, re.ASCII) is not None


def read(content: Any, config: Config) -> Reading:
    """What an item says, checked in the order type → names → metric → tenant → value.

    Raises:
        Refused: with the reason of the first check that fails.
    """
    if isinstance(content, Refused):
        raise content
    if not isinstance(content, dict):
        raise Refused("invalid")
    tenant, subject, metric = (text_of(content, field) for field in ("tenant", "subject", "metric"))
    value, ts, source = content.get("value"), content.get("ts"), content.get("source")
    if tenant is None or subject is None or metric is None or not isinstance(source, str | None):
        raise Refused("invalid")
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise Refused("invalid")
    time = _time(ts)
    if not (legal_entity(tenant) and legal_entity(subject) and (source is None or legal_entity(source))):
        raise Refused("bad_name")
    if not legal_metric(metric):
        raise Refused("bad_metric")
    if config.tenants is not None and tenant not in config.tenants:
        raise Refused("unknown_tenant")
    least, greatest = config.metrics[metric].values if metric in config.metrics else (-1e9, 1e9)
    if (isinstance(value, float) and not math.isfinite(value)) or not least <= value <= greatest:
        raise Refused("out_of_range")
    return Reading(tenant, subject, metric, scaled(float(value)), time)


def _time(ts: Any) -> int:
    """Epoch ms of an integer, or of RFC 3339 text with a zone, cut below the millisecond; years 1970–9999."""
    if isinstance(ts, str):
        ts = _text_time(ts)
    if isinstance(ts, bool) or not isinstance(ts, int) or not 0 <= ts < _END_OF_9999:
        raise Refused("invalid")
    return ts


def _text_time(text: str) -> int:
    match = _TEXT_TIME.fullmatch(text)
    if match is None:
        raise Refused("invalid")
    year, month, day, hour, minute, second = (int(match[part]) for part in ("year", "month", "day", "hour", "minute", "second"))
    try:
        local = dt.datetime(year, month, day, hour, minute, second, tzinfo=dt.UTC)
    except ValueError:
        raise Refused("invalid") from None
    whole = (local - _EPOCH) // dt.timedelta(seconds=1)
    zone = match["zone"]
    if zone not in "Zz":
        hours, minutes = int(zone[1:3]), int(zone[4:6])
        if hours > 23 or minutes > 59:
            raise Refused("invalid")
        whole -= (1 if zone[0] == "+" else -1) * (hours * 3600 + minutes * 60)
    return whole * 1000 + int((match["fraction"] or "").ljust(3, "0")[:3])
