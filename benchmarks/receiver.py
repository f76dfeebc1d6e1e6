"""A receiver of webhooks that answers at once and remembers when each request was there; a process of its own.

`python -m benchmarks.receiver PORT`: POST / takes a message; GET / gives [[when, id, subject, kind], …] since the last GET,
`when` by the machine's monotonic clock (s), which all its processes share.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import uvloop
from aiohttp import web

from benchmarks.child import child
from iskra.stack.ports import free_port

SECRET = "of the benchmark"  # noqa: S105 - guards nothing
CONFIG = """\
channels: {{slack: [hook], pagerduty: [hook], email: [hook]}}
adapters:
  hook: {{type: webhook, url: "{url}", secret_env: ISKRA_BENCH_SECRET}}
"""
SECRET_ENV = "ISKRA_BENCH_SECRET"  # noqa: S105 - a name


class Request(NamedTuple):
    """A request that was received: when (monotonic s), the due record's id, whose, and trigger or resolve."""

    at: float
    id: str
    subject: str
    kind: str


class Receiver:
    """A receiver that runs. `configure` writes a notify.yml that leads every channel to it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def configure(self, folder: Path) -> None:
        """Writes `folder`/notify.yml."""
        (folder / "notify.yml").write_text(CONFIG.format(url=self.url), encoding="utf-8")

    def taken(self) -> list[Request]:
        """What came since the last call."""
        return [Request(*one) for one in httpx.get(self.url, timeout=60).json()]


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A receiver, until the end of the block."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.receiver", str(port)]
    made = Receiver(f"http://127.0.0.1:{port}/")
    with child(command):
        deadline = time.monotonic() + 30
        while True:
            try:
                made.taken()
                break
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        yield made


def main(port: int) -> None:
    """Serves until killed."""
    kept: list[tuple[float, bytes]] = []

    async def take(request: web.Request) -> web.Response:
        at = time.monotonic()
        kept.append((at, await request.read()))
        return web.Response()

    async def give(_: web.Request) -> web.Response:
        told: list[Any] = []
        for at, body in kept:
            message = json.loads(body)
            told.append([at, message["id"], message["subject"], message["kind"]])
        kept.clear()
        return web.json_response(told)

    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    app = web.Application()
    app.add_routes([web.post("/", take), web.get("/", give)])
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=lambda *_: None)


if __name__ == "__main__":
    main(int(sys.argv[1]))
