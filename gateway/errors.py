"""How a request is refused: always JSON with the status and a text that says what was expected or what is away."""

from __future__ import annotations

import msgspec
from litestar.exceptions import HTTPException


class Problem(msgspec.Struct, frozen=True):
    """The body of every answer from 400 on."""

    status_code: int
    detail: str


def problem(status: int, detail: str, retry_after: int | None = None, *, unread: bool = False) -> HTTPException:
    """An error to raise.

    Args:
        status: from 400 on. detail: what was expected, or what is away. retry_after: s, for 429 and 503.
        unread: the request's body was not read to its end. The server then closes the connection, and a client that is not told
            so loses the next request that it sends there.
    """
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    if unread:
        headers["Connection"] = "close"
    return HTTPException(detail=detail, status_code=status, headers=headers)
