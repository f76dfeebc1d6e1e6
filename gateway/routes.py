"""The HTTP surface: everything that has an address, and the layer in front that counts and protects."""

from __future__ import annotations

import datetime as dt
import time
from html import escape
from typing import Any

import msgspec
from litestar import Litestar, MediaType, Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, YamlRenderPlugin
from litestar.response import Redirect

from gateway import commands, living_reads, publish, reads
from gateway.app import Gateway
from gateway.docs import PlainDocs
from gateway.errors import Problem, problem
from gateway.hosts import Hosts
from gateway.pages import CONTENT_SECURITY_POLICY, INDEX, MISSING, Asset, Pages

PAGES = ("pulse",)
YEAR_S = 31_536_000

_HEADERS = [
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]


class Front:
    """ASGI in front of Litestar: WebSockets go straight to their handler, answers are counted, timed and given headers."""

    def __init__(self, gateway: Gateway, app: Litestar) -> None:
        self._gateway = gateway
        self._app = app
        self._hosts = Hosts(gateway.settings.host, gateway.settings.hosts)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request or connection."""
        allowed = self._hosts.allow(scope["headers"])
        if scope["type"] == "websocket":
            if scope["path"] == "/ws" and allowed:
                await self._gateway.socket(scope, receive, send)
            else:
                await receive()
                await send({"type": "websocket.close", "code": 1008})
            return
        status = 500
        begun = time.perf_counter()

        async def answer(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], *_HEADERS]}
            await send(message)

        try:
            await (self._app if allowed else _misdirected)(scope, receive, answer)
        finally:
            route = scope.get("path_template") or "other"
            self._gateway.metrics.requests.labels(route, str(status)).inc()
            self._gateway.metrics.latency.labels(route).observe(time.perf_counter() - begun)


async def _misdirected(_scope: Any, _receive: Any, send: Any) -> None:
    """Answers a request that is addressed to somebody else."""
    body = msgspec.json.encode(Problem(421, "Host: expected an address, localhost, or a name given with --allow-host"))
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 421, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def build(gateway: Gateway) -> Front:
    """The ASGI application of a gateway."""
    app = Litestar(
        [
            publish.route(gateway.publisher),
            commands.route(gateway.publisher, gateway.settings.namespaces, gateway.state_feed.partitions),
            *reads.routes(gateway),
            *living_reads.routes(gateway),
            *_health(gateway),
            *_pages(gateway),
        ],
        openapi_config=OpenAPIConfig(
            title="Iskra",
            version="1",
            description="Points and commands in; verdicts, voices, alerts, history and evidence out. Live changes: WebSocket at /ws.",
            path="/api/docs",
            render_plugins=[PlainDocs(path="/"), JsonRenderPlugin(), YamlRenderPlugin()],
            use_handler_docstrings=False,
        ),
        logging_config=None,
        debug=False,
    )
    return Front(gateway, app)


def _health(gateway: Gateway) -> list[HTTPRouteHandler]:
    parts = (gateway.kafka, gateway.clickhouse)

    @get("/healthz", media_type=MediaType.TEXT, sync_to_thread=False, summary="Alive", tags=["operations"])
    def healthz() -> str:
        return "ok\n"

    @get("/readyz", sync_to_thread=False, summary="Ready, or 503 with the parts that are away", tags=["operations"])
    def readyz() -> Response[dict[str, Any]]:
        told = {part.name: {"up": bool(part.up), "detail": part.detail} for part in parts}
        ready = all(part.up for part in parts)
        headers = {} if ready else {"Retry-After": "1"}
        return Response({"ready": ready, "parts": told}, status_code=200 if ready else 503, headers=headers)

    @get("/metrics", media_type="text/plain; version=0.0.4", sync_to_thread=False, summary="Prometheus", tags=["operations"])
    def metrics() -> bytes:
        return gateway.metrics.text()

    @get("/status", media_type=MediaType.HTML, sync_to_thread=False, include_in_schema=False)
    def status() -> str:
        return _status_page(gateway)

    return [healthz, readyz, metrics, status]


def _pages(gateway: Gateway) -> list[HTTPRouteHandler]:
    pages = Pages(gateway.settings.web)

    @get("/", include_in_schema=False, sync_to_thread=False)
    def root() -> Redirect:
        return Redirect("/pulse")

    @get([f"/{page}" for page in PAGES], include_in_schema=False, sync_to_thread=False)
    def page(request: Request[Any, Any, Any]) -> Response[bytes]:
        asset = pages.get(INDEX)
        if asset is None:
            return Response(MISSING.encode(), media_type=MediaType.HTML, status_code=503)
        return _file(request, asset)

    @get("/{path:path}", include_in_schema=False, sync_to_thread=False)
    def static(request: Request[Any, Any, Any], path: str) -> Response[bytes]:
        asset = pages.get(path.removeprefix("/"))
        if asset is None:
            raise problem(404, "nothing here")
        return _file(request, asset)

    return [root, page, static]


def _file(request: Request[Any, Any, Any], asset: Asset) -> Response[bytes]:
    headers = {
        "ETag": asset.etag,
        "Cache-Control": f"public, max-age={YEAR_S}, immutable" if asset.immutable else "no-cache",
        "Vary": "Accept-Encoding",
    }
    if request.headers.get("if-none-match") == asset.etag:
        return Response(b"", status_code=304, headers=headers)
    body = asset.body
    if asset.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        body = asset.packed
        headers["Content-Encoding"] = "gzip"
    return Response(body, media_type=asset.kind, headers=headers)


def _instant(ms: int) -> str:
    try:
        return f"{dt.datetime.fromtimestamp(ms // 1000, dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):  # whoever writes records beside ours may give them any time
        return f"{ms} ms"


def _status_page(gateway: Gateway) -> str:
    def row(name: str, up: bool | None, detail: str) -> str:
        word = "up" if up else "not known yet" if up is None else "away"
        return f"<tr><td>{'●' if up else '■'}<td>{escape(name)}<td>{word}<td>{escape(detail)}"

    world = gateway.world
    state = "read" if gateway.state_feed.caught_up.is_set() else "being read"
    seconds = int(time.time() - gateway.started_ms / 1000)
    clock = world.clocks.get(gateway.settings.namespaces[0])
    newest = "none yet" if clock is None else _instant(clock)
    rows = row("gateway", True, f"for {seconds} s; {len(gateway.hub.clients)} browsers connected")
    rows += "".join(row(part.name, part.up, part.detail) for part in (gateway.kafka, gateway.clickhouse))
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="5"><title>Iskra status</title>'
        "<style>:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:46em;margin:3em auto;padding:0 1em}"
        "td{padding:.2em 1em .2em 0;vertical-align:top}</style><h1>Iskra</h1>"
        f"<table>{rows}</table><p>{len(world.subjects)} subjects, {len(world.statuses)} statuses ({state}); "
        f"newest output of the engine: {newest}; "
        f"namespaces {escape(', '.join(gateway.settings.namespaces))}; configuration {escape(gateway.config_hash)}.</p>"
        '<p><a href="/pulse">Pulse</a> · <a href="/api/docs">API</a> · <a href="/metrics">metrics</a></p></html>'
    )
