"""Whether a part does its work, asked over HTTP on loopback."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

TIMEOUT_S = 1.0
"""A part that is up answers within milliseconds; a machine that is busy gets the rest."""


def answers(url: str, timeout: float = TIMEOUT_S) -> bool:
    """Whether a GET of `url` is answered with 200 within `timeout` seconds."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=timeout)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
