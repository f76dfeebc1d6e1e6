"""Whether a part does its work, asked over HTTP on loopback."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

TIMEOUT_S = 1.0
"""A part that is up answers within milliseconds; a machine that is busy gets the rest."""


ALIVE_S = 2.0
"""How long a part may take to answer at all."""


def alive(url: str) -> bool:
    """Whether a GET of `url` is answered within 2 s, be it that the part says what it waits for."""
    return _status(url, ALIVE_S) is not None


def answers(url: str, timeout: float = TIMEOUT_S) -> bool:
    """Whether a GET of `url` is answered with 200 within `timeout` seconds."""
    return _status(url, timeout) == 200


def _status(url: str, timeout: float) -> int | None:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=timeout)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
