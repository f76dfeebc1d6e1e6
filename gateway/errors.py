"""How a request is refused: always JSON with the status and a text that says what was expected or what is away."""

from __future__ import annotations

import msgspec
from litestar.exceptions import HTTPException


class Problem(msgspec.Struct, frozen=True):
    """The body of every answer from 400 on."""

    status_code: int
    detail: str


def problem(status: int, detail: str, retry_after: int | None = None) -> HTTPException:
    """An error to raise; `retry_after` in seconds for 429 and 503."""
    headers = None if retry_after is None else {"Retry-After": str(retry_after)}
    return HTTPException(detail=detail, status_code=status, headers=headers)
