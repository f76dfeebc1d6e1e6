"""What receivers over HTTP share: one POST, and what its answer means."""

from __future__ import annotations

import contextlib
import datetime as dt
import email.utils
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping

import aiohttp

from sinks.notify.errors import Later, Refused

FINAL = frozenset({400, 405, 413, 414, 415, 422})
"""The message itself is refused. Others of 4xx (a key, a right, an address) can be mended meanwhile: they are tried again."""
TOLD_CHARACTERS = 200


class Endpoint:
    """One URL to which messages are posted. The environment's proxies (`HTTPS_PROXY`, `NO_PROXY`) are looked up once.

    Args:
        name: of the receiver, for errors: a URL may be a secret.
    """

    def __init__(self, http: aiohttp.ClientSession, url: str, name: str) -> None:
        self._http = http
        self._url = url
        self._name = name
        address = urllib.parse.urlsplit(url)
        direct = urllib.request.proxy_bypass(address.hostname or "")
        self._proxy = None if direct else urllib.request.getproxies().get(address.scheme)

    async def post(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Sends `body`; returns when the answer says that it was taken (2xx). Redirects are not followed.

        Raises:
            Refused, Later: as the answer says; Later also where there is none.
        """
        name = self._name
        try:
            async with self._http.post(self._url, data=body, headers=headers, allow_redirects=False, proxy=self._proxy) as answer:
                if 200 <= answer.status < 300:
                    return
                told = (await answer.content.read(4 * TOLD_CHARACTERS)).decode("utf-8", "replace")[:TOLD_CHARACTERS].strip()
                text = f"{name} answered {answer.status}{': ' + told if told else ''}"
                if answer.status in FINAL:
                    raise Refused(text)
                raise Later(text, _after(answer.headers.get("Retry-After")))
        except aiohttp.InvalidURL:
            raise Refused(f"{name}: no URL that can be asked") from None
        except (aiohttp.ClientError, OSError) as error:
            raise Later(f"{name} was not reached: {type(error).__name__}") from None


def _after(text: str | None) -> float | None:
    """Seconds from a Retry-After: a number or a date."""
    if text is None:
        return None
    with contextlib.suppress(ValueError):
        return max(0.0, float(text))
    with contextlib.suppress(ValueError):
        when = email.utils.parsedate_to_datetime(text)
        return max(0.0, when.replace(tzinfo=when.tzinfo or dt.UTC).timestamp() - time.time())
    return None
