"""A webhook of your own: JSON, signed as Standard Webhooks (standardwebhooks.com) says, so that its libraries verify it.

The signature is `v1,` and the base64 of HMAC-SHA256 over `webhook-id.webhook-timestamp.body`. `Idempotency-Key` is the
id, too: the same for every delivery of a step, so that a receiver can drop what it has seen.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time

import aiohttp

from sinks.notify.adapters.http import Endpoint
from sinks.notify.message import Notification

PREFIX = "whsec_"


class Webhook:
    """Posts to one URL."""

    def __init__(self, http: aiohttp.ClientSession, url: str, secret: str) -> None:
        self._endpoint = Endpoint(http, url, "webhook")
        self._key = key(secret)

    async def send(self, notification: Notification) -> None:
        """Posts the record's fields and its id; any 2xx means taken.

        Raises:
            Refused, Later: as the receiver says.
        """
        body = notification.body()
        now = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": notification.id,
            "webhook-id": notification.id,
            "webhook-timestamp": now,
            "webhook-signature": signature(self._key, notification.id, now, body),
        }
        await self._endpoint.post(body, headers)


def key(secret: str) -> bytes:
    """The key's bytes: after `whsec_` it is base64, as the standard's tools make it; else the text itself."""
    if secret.startswith(PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
        except binascii.Error:
            pass
    return secret.encode()


def signature(secret: bytes, identity: str, timestamp: str, body: bytes) -> str:
    """The header `webhook-signature` for a body."""
    digest = hmac.digest(secret, f"{identity}.{timestamp}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(digest).decode()
