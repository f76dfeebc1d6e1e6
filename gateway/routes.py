"""The HTTP surface."""

from __future__ import annotations

from typing import Any

from litestar import Litestar, MediaType, asgi, get

from gateway.app import Gateway


def build(gateway: Gateway) -> Litestar:
    """The ASGI application."""

    @get("/healthz", media_type=MediaType.TEXT, sync_to_thread=False)
    def healthz() -> str:
        return "ok"

    @asgi("/ws", copy_scope=False)
    async def ws(scope: Any, receive: Any, send: Any) -> None:
        await gateway.socket(scope, receive, send)

    return Litestar([healthz, ws], openapi_config=None)
