"""The WebSocket at `/ws`: what a browser may ask, and the life of one connection.

A plain ASGI application: at 25,000 messages a second every layer counts. What a browser may send stands below, what it gets
is made in `world` and `app`; a browser sends little (subscribe, ping), so a message that is long or makes no sense is answered
with an error, and a flood of them ends the connection.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

import msgspec
import structlog

from gateway.hub import Client, Hub, Subscription
from gateway.keys import SubjectKey
from schemas.points import DEFAULT_TENANT

log = structlog.get_logger()

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

MESSAGES_PER_S = 20.0
"""A browser's own messages; whoever sends more for ten seconds is cut off."""
CLOSE_S = 1.0
"""How long a close frame may take; the connection of a client that does not read is dropped then."""


class Resume(msgspec.Struct, frozen=True):
    """Where a client was cut off."""

    epoch: str
    seq: int


class Subscribe(msgspec.Struct, frozen=True, tag_field="op", tag="subscribe"):
    """What a client wants to see; null: all. `subject` is of `focus_tenant` (else `tenant`, else the default tenant).

    `quick`: up to 20 updates a second in place of 10, unless more than 100 clients are connected.
    """

    namespace: str | None = None
    tenant: str | None = None
    subject: str | None = None
    focus_tenant: str | None = None
    points: bool = False
    quick: bool = False
    resume: Resume | None = None


class Ping(msgspec.Struct, frozen=True, tag_field="op", tag="ping"):
    """Answered with `pong` and the same `echo`."""

    echo: int | float | str | None = None


_REQUEST = msgspec.json.Decoder(Subscribe | Ping)


def same_origin(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a handshake comes from a page of this very host; programs send no Origin and may come in."""
    found = {name.lower(): value for name, value in headers if name.lower() in (b"origin", b"host")}
    origin = found.get(b"origin")
    if origin is None:
        return True
    try:
        return urlsplit(origin.decode("latin-1")).netloc.lower() == found.get(b"host", b"").decode("latin-1").lower() != ""
    except ValueError:
        return False


class Socket:
    """Serves `/ws`.

    Args:
        hub: brings the changes.
        hello: makes the first message.
        parts: makes the message about the parts.
        namespaces: those that may be subscribed to.
        max_message: bytes of a browser's message at the most.
    """

    def __init__(
        self, hub: Hub, hello: Callable[[], bytes], parts: Callable[[], bytes], namespaces: tuple[str, ...], max_message: int
    ) -> None:
        self.hub = hub
        self.hello = hello
        self.parts = parts
        self.namespaces = namespaces
        self.max_message = max_message
        self.closing = False
        self._open: set[Client] = set()
        self._emptied = asyncio.Event()

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """One connection, from handshake to end."""
        await receive()  # websocket.connect
        if self.closing or not same_origin(scope["headers"]):
            await send({"type": "websocket.close", "code": 1012 if self.closing else 1008})
            return
        await send({"type": "websocket.accept"})
        client = self.hub.join(send)
        self._open.add(client)
        client.control(self.hello())
        client.control(self.parts())
        reader = asyncio.ensure_future(self._read(client, receive))
        client.task = writer = asyncio.ensure_future(client.run())
        try:
            await asyncio.wait((reader, writer), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.hub.leave(client)
            reader.cancel()
            writer.cancel()
            outcome = await asyncio.gather(reader, writer, return_exceptions=True)
            for error in outcome:
                if isinstance(error, Exception) and not isinstance(error, (OSError, RuntimeError)):
                    log.error("websocket failed", error=repr(error))
                    client.closed = client.closed or (1011, "internal error")
            if client.closed is not None:
                await self._close(send, *client.closed)
            self._open.discard(client)
            if self.closing and not self._open:
                self._emptied.set()

    async def shut(self) -> None:
        """Takes no more connections and ends those that are open; returns when they are gone, or after 2 × `CLOSE_S`."""
        self.closing = True
        if not self._open:
            return
        for client in list(self._open):
            client.close(1001, "going away")
        try:
            async with asyncio.timeout(2 * CLOSE_S):
                await self._emptied.wait()
        except TimeoutError:
            log.warning("connections that did not end", clients=len(self._open))

    @staticmethod
    async def _close(send: Send, code: int, reason: str) -> None:
        try:
            await asyncio.wait_for(send({"type": "websocket.close", "code": code, "reason": reason}), CLOSE_S)
        except (TimeoutError, OSError, RuntimeError):
            return

    async def _read(self, client: Client, receive: Receive) -> None:
        budget, filled = MESSAGES_PER_S * 10, time.monotonic()
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return
            now = time.monotonic()
            budget = min(MESSAGES_PER_S * 10, budget + (now - filled) * MESSAGES_PER_S) - 1.0
            filled = now
            if budget < 0:
                client.close(1008, "too many messages")
                return
            data = message.get("text")
            raw = data.encode() if data is not None else message.get("bytes") or b""
            if len(raw) > self.max_message:
                client.close(1009, "message too long")
                return
            try:
                self._request(client, _REQUEST.decode(raw))
            except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
                client.control(msgspec.json.encode({"type": "error", "message": str(error)}))

    def _request(self, client: Client, request: Subscribe | Ping) -> None:
        if isinstance(request, Ping):
            client.control(msgspec.json.encode({"type": "pong", "server_time": time.time_ns() // 1_000_000, "echo": request.echo}))
            return
        if request.namespace is not None and request.namespace not in self.namespaces:
            known = ", ".join(self.namespaces)
            client.control(msgspec.json.encode({"type": "error", "message": f"namespace: unknown; this gateway shows {known}"}))
            return
        subject = None
        if request.subject is not None:
            tenant = request.focus_tenant or request.tenant or DEFAULT_TENANT
            subject = SubjectKey(request.namespace or self.namespaces[0], tenant, request.subject)
        near = subject is not None
        what = Subscription(request.namespace, request.tenant, subject, request.points and near, request.quick and near)
        resume = None if request.resume is None else (request.resume.epoch, request.resume.seq)
        self.hub.subscribe(client, what, resume)
