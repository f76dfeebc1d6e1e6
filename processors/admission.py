"""What of a point can be judged without any state, and how a refusal is told (semantics §1–3, interface "Bad input")."""

from __future__ import annotations

import base64
from typing import Any, Final

from processors.compiled import Compiled
from schemas.outputs import DeadLetter
from schemas.points import DEFAULT_TENANT, METRIC_NAME, BadPoint, Point, TimedPoint, is_entity_name, parse_ts

MAX_TOLD_BYTES: Final = 65_536
MAX_TOLD_NAME: Final = 256


def check(point: Point | TimedPoint, compiled: Compiled) -> int:
    """Checks names, tenant, `ts` and value of a decoded point.

    Returns:
        Its `ts` in ms.
    Raises:
        BadPoint: the first rule that it breaks.
    """
    ts = parse_ts(point.ts)
    for field in ("tenant", "subject", "source"):
        name = getattr(point, field)
        if name is not None and not is_entity_name(name):
            raise BadPoint("bad_name", f"{field}: expected 1 to 128 letters, digits and . _ : -")
    if METRIC_NAME.match(point.metric) is None:
        raise BadPoint("bad_metric", "metric: expected a lower-case letter, then up to 63 of a-z 0-9 _")
    if compiled.tenants is not None and point.tenant not in compiled.tenants:
        raise BadPoint("unknown_tenant", f"tenant {point.tenant} is not in the configuration's list")
    spec = compiled.metrics.get(point.metric)
    check_value(point.value, *((spec.min_value, spec.max_value) if spec is not None else (-1e9, 1e9)))
    return ts


def check_value(value: float, least: float, greatest: float) -> None:
    """Refuses what is no number or lies outside [least, greatest].

    Raises:
        BadPoint: `out_of_range`.
    """
    if not least <= value <= greatest:
        raise BadPoint("out_of_range", f"value: {value!r} is not within {least:g} to {greatest:g}")


def readable(item: dict[str, Any]) -> tuple[str | None, str | None, str | None]:
    """Tenant, subject and metric of an item that was refused, as far as they can be read."""
    names = [item.get("tenant", DEFAULT_TENANT) if item else None, item.get("subject"), item.get("metric")]
    tenant, subject, metric = (name if isinstance(name, str) else None for name in names)
    return tenant, subject, metric


def dead_letter(
    error: BadPoint, names: tuple[str | None, str | None, str | None], topic: str, partition: int, offset: int, index: int, raw: bytes
) -> DeadLetter:
    """The dead letter of a refused item."""
    tenant, subject, metric = (_tellable(name) for name in names)
    told = base64.b64encode(raw[:MAX_TOLD_BYTES]).decode("ascii")
    return DeadLetter(error.reason, _tellable(str(error)) or "", tenant, subject, metric, topic, partition, offset, index, told)


def dead_letter_key(names: tuple[str | None, str | None, str | None]) -> bytes:
    """`tenant/subject` where both are known, else empty."""
    tenant, subject = (_tellable(name) for name in names[:2])
    return f"{tenant}/{subject}".encode() if tenant is not None and subject is not None else b""


def _tellable(name: str | None) -> str | None:
    """The text without lone surrogates (no UTF-8) and cut to a sane length."""
    return None if name is None else name[:MAX_TOLD_NAME].encode("utf-8", "replace").decode()
