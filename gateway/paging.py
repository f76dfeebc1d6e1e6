"""What every list has in common: the namespace that is asked for, the cursor of the page that follows, a store that may be away."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Sequence
from typing import TypeVar

import msgspec

from gateway.errors import problem
from gateway.queries import StoreAway, TooMuch

T = TypeVar("T")


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
