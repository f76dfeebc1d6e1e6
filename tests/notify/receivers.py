"""Real receivers on loopback, in a thread of their own: an HTTP server and an SMTP server that can misbehave as told."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable
from email import message_from_bytes, policy
from typing import Any, NamedTuple

from aiohttp import web
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from iskra.stack import ports

HOOK_SECRET = "whsec_" + base64.b64encode(b"sixteen bytes!!!").decode()
ROUTING_KEY = "a1b2c3d4e5f60718293a4b5c6d7e8f90"


class Taken(NamedTuple):
    """A message that was taken, and when (monotonic s): headers and the decoded body (an e-mail's: a message object)."""

    at: float
    headers: dict[str, str]
    body: Any


class Http:
    """An HTTP server that checks what it is sent as Slack, PagerDuty or a verifier of webhooks would.

    `mode` says how it answers: ok, 400, 404, 500, 429 (with `retry_after`), hang, cut; messages about one of the subjects in
    `away` get 500. `taken` are the messages that it took, `tried` those that it did not, `asked` counts all requests,
    `wrong` is what was wrong with any of them.
    """

    def __init__(self) -> None:
        self.mode = "ok"
        self.retry_after = "1"
        self.away: set[str] = set()
        self.taken: list[Taken] = []
        self.tried: list[Taken] = []
        self.asked = 0
        self.wrong: list[str] = []
        self.port = ports.free_port()
        self._loop = asyncio.new_event_loop()
        self._up = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        assert self._up.wait(10)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._loop.close()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._run())

    async def _run(self) -> None:
        app = web.Application()
        checks = {"slack": slack_problem, "pagerduty": pagerduty_problem, "hook": hook_problem}
        for path, check in checks.items():
            app.router.add_post(f"/{path}", self._handler(check))
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        self._up.set()
        await self._stop.wait()
        await runner.cleanup()

    def _handler(self, check: Callable[[dict[str, str], bytes], str | None]) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            body = await request.read()
            self.asked += 1
            at = time.monotonic()
            headers = {name.lower(): value for name, value in request.headers.items()}
            problem = check(headers, body)
            if problem is not None:
                self.wrong.append(problem)
                return web.Response(status=400, text=problem)
            message = json.loads(body)
            mode = "500" if message.get("subject") in self.away else self.mode
            (self.taken if mode == "ok" else self.tried).append(Taken(at, headers, message))
            if mode == "hang":
                await self._stop.wait()
            if mode == "cut":
                assert request.transport is not None
                request.transport.abort()
            if mode == "429":
                return web.Response(status=429, headers={"Retry-After": self.retry_after})
            if mode.isdigit():
                return web.Response(status=int(mode), text="said so")
            # as the receivers answer: Slack 200 "ok", PagerDuty 202
            return web.Response(status=202 if request.path == "/pagerduty" else 200, text="ok")

        return handle


def slack_problem(headers: dict[str, str], body: bytes) -> str | None:
    """What Slack would refuse (developers.slack.com: sending messages using incoming webhooks; block kit's limits)."""
    if not headers.get("content-type", "").startswith("application/json"):
        return "invalid_payload: content type"
    message = json.loads(body)
    if not isinstance(message.get("text"), str) or not message["text"]:
        return "no_text"
    if len(message["blocks"]) > 50:
        return "invalid_blocks: too many"
    for block in message["blocks"]:
        texts = [block["text"]] if "text" in block else block["fields"]
        if block["type"] != "section" or len(texts) > 10:
            return "invalid_blocks"
        if any(text["type"] != "mrkdwn" or not 1 <= len(text["text"]) <= (3000 if "text" in block else 2000) for text in texts):
            return "invalid_blocks: text"
    return None


def pagerduty_problem(headers: dict[str, str], body: bytes) -> str | None:
    """What PagerDuty would refuse (developer.pagerduty.com: Events API v2)."""
    if not headers.get("content-type", "").startswith("application/json"):
        return "content type"
    event = json.loads(body)
    if event.get("routing_key") != ROUTING_KEY:
        return "invalid routing key"
    if event.get("event_action") not in {"trigger", "acknowledge", "resolve"}:
        return "event_action"
    if not 1 <= len(event.get("dedup_key", "")) <= 255:
        return "dedup_key"
    if event["event_action"] == "trigger":
        payload = event.get("payload", {})
        if not 1 <= len(payload.get("summary", "")) <= 1024 or not payload.get("source"):
            return "summary or source"
        if payload.get("severity") not in {"critical", "error", "warning", "info"}:
            return "severity"
    return None


def hook_problem(headers: dict[str, str], body: bytes) -> str | None:
    """What a verifier of Standard Webhooks would refuse."""
    identity, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    signed = f"{identity}.{timestamp}.".encode() + body
    expected = base64.b64encode(hmac.new(base64.b64decode(HOOK_SECRET[6:]), signed, hashlib.sha256).digest()).decode()
    signatures = [part.partition(",")[2] for part in headers.get("webhook-signature", "").split() if part.startswith("v1,")]
    if expected not in signatures:
        return "signature"
    if abs(int(timestamp) - time.time()) > 300:
        return "timestamp"
    if headers.get("idempotency-key") != identity:
        return "idempotency key"
    return None


class Smtp(Controller):
    """An SMTP server with a log-in. `mode`: ok, 451 (later), 550 (never), hang, cut."""

    def __init__(self) -> None:
        self.mode = "ok"
        self.taken: list[Taken] = []
        self.asked = 0
        self.logins: list[tuple[bytes, bytes]] = []
        super().__init__(
            self,
            hostname="127.0.0.1",
            port=ports.free_port(),
            authenticator=self._login,
            auth_require_tls=False,
            decode_data=False,
        )

    def _login(self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: Any) -> AuthResult:
        if isinstance(given, LoginPassword):
            self.logins.append((given.login, given.password))
        return AuthResult(success=self.logins[-1] == (b"iskra", b"let me in"), handled=False)

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        self.asked += 1
        if self.mode == "hang":
            await asyncio.sleep(3600)
        if self.mode == "cut":
            assert server.transport is not None
            server.transport.close()
        if self.mode == "451":
            return "451 not just now"
        if self.mode == "550":
            return "550 never"
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=policy.default)
        headers = {name.lower(): str(value) for name, value in message.items()}
        self.taken.append(Taken(time.monotonic(), headers, message))
        return "250 taken"
