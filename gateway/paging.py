"""What every list has in common: the namespace that is asked for, the cursor of the page that follows, a store that may be away."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Sequence
from typing import Annotated, Any, TypeVar

import msgspec
import orjson
from litestar.params import Parameter

from gateway.errors import problem
from gateway.queries import StoreAway, TooMuch
from schemas.points import MAX_TS_MS

T = TypeVar("T")

Cursor = Annotated[str | None, Parameter(max_length=2048, description="`next` of the page before.")]

Namespace = Annotated[str | None, Parameter(description="One of the gateway's namespaces; left out: the first.", max_length=128)]


async def asked(answer: Awaitable[T]) -> T:
    """The store's answer.

    Raises:
        HTTPException: 503, it is away, or it gave the query up.
    """
    try:
        return await answer
    except StoreAway as error:
        raise problem(503, f"clickhouse: {error}", 1) from None
    except TooMuch as error:
        raise problem(503, f"clickhouse: query given up: {error}", 5) from None


def named_of(names: tuple[str, ...], namespace: str | None) -> str:
    """The namespace that is asked for; left out: the first.

    Raises:
        HTTPException: 404, it is none of them.
    """
    if namespace is None:
        return names[0]
    if namespace not in names:
        raise problem(404, f"namespace: unknown; this gateway shows {', '.join(names)}")
    return namespace


def cursor_of(parts: Sequence[str]) -> str:
    """The cursor behind an item that these texts name."""
    return base64.urlsafe_b64encode(msgspec.json.encode(list(parts))).decode().rstrip("=")


def opened(cursor: str, parts: int) -> tuple[str, ...]:
    """The texts of a cursor.

    Raises:
        HTTPException: 400, it is none of so many parts.
    """
    try:
        found = msgspec.json.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=tuple[str, ...])
    except (ValueError, binascii.Error):
        found = ()
    if len(found) != parts:
        raise problem(400, "cursor: expected `next` of an earlier answer")
    return found


def history_page(found: Sequence[dict[str, Any]], limit: int, at: str) -> bytes:
    """The JSON of one page of a history; `found` has one item more than the page if another page follows, each with its `id`.

    `at`: the time (ms) by which it is ordered, newest first, and by the ids where times are equal.
    """
    page = found[:limit]
    following = cursor_of([str(page[-1][at]), page[-1]["id"]]) if len(found) > limit else None
    return orjson.dumps({"items": page, "next": following})


def place_of(cursor: str | None) -> tuple[int, str] | None:
    """Time (ms) and id of the last item of the history's page before; None: there was none.

    Raises:
        HTTPException: 400, it is no cursor of a history.
    """
    if cursor is None:
        return None
    at, identity = opened(cursor, 2)
    if not (at.isascii() and at.isdecimal()) or int(at) > MAX_TS_MS:
        raise problem(400, "cursor: expected `next` of an earlier answer")
    return int(at), identity
