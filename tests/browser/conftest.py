"""A whole stack of real parts, and a real browser that looks at it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from iskra.settings import CLICKHOUSE_PASSWORD_ENV
from iskra.stack import children, ports
from iskra.stack.topics import ensure_topics
from schemas.topics import DEFAULT_PARTITIONS
from tests.conftest import Store

ROOT = Path(__file__).parents[2]
DIST = ROOT / "gateway" / "web" / "dist" / "index.html"
DEADLINE_S = 90.0
"""A part starts within 5 s; on a machine that does much else at once it may take a minute."""
expect.set_options(timeout=30_000)  # likewise: it shows late, but it shows
SHOTS = os.environ.get("ISKRA_SHOTS")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def eventually(condition: Callable[[], Any], what: str) -> Any:
    """The first true value of `condition`, asked until the deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"not in {DEADLINE_S:g} s: {what}"
        time.sleep(0.05)


def shot(page: Page, name: str) -> None:
    """Keeps a picture where somebody wants to look at them."""
    if SHOTS:
        Path(SHOTS).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


@dataclass
class Stack:
    """Worker, sink and gateway over one namespace that is treated as live; `quiet` is shown, too, and stays empty."""

    kafka: str
    store: Store
    namespace: str
    quiet: str
    logs: Path
    port: int = field(default_factory=ports.free_port)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    worker: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def spawn(self, name: str, *arguments: str) -> None:
        """Starts `iskra ARGUMENTS`."""
        command = [sys.executable, "-m", "iskra", *arguments, "--kafka", self.kafka]
        environment = {**os.environ, CLICKHOUSE_PASSWORD_ENV: self.store.password}
        self.processes[name] = children.spawn(command, log=self.logs / f"{name}.log", env=environment, cwd=ROOT)

    def start_gateway(self) -> None:
        """Starts the gateway, at the same port each time, and waits until it is ready."""
        shown = ["--namespace", self.namespace, "--namespace", self.quiet]
        self.spawn("gateway", "gateway", "--clickhouse", self.store.url, "--port", str(self.port), *shown)
        eventually(self._ready, f"the gateway is ready: {children.tail(self.logs / 'gateway.log', 5)}")

    def start_worker(self, *options: str) -> None:
        """Starts the worker, with the same options each time."""
        self.worker = options or self.worker
        self.spawn("worker", "worker", "--namespace", self.namespace, "--live", "--ticks", *self.worker)

    def kill(self, name: str) -> None:
        """kill -9."""
        process = self.processes.pop(name)
        process.kill()
        process.wait(10)

    def _ready(self) -> bool:
        assert self.processes["gateway"].poll() is None, children.tail(self.logs / "gateway.log", 5)
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
        return False

    def publish(self, points: list[dict[str, Any]]) -> None:
        """Points in over HTTP; all of them are taken."""
        answer = httpx.post(f"{self.url}/api/v1/points", json=points, timeout=30)
        assert answer.status_code == 202, answer.text
        assert answer.json() == {"accepted": len(points), "rejected": []}

    def stop(self) -> None:
        """Ends every part."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)


@pytest.fixture(scope="module")
def parts() -> list[tuple[str, list[str]]]:
    """Further parts that a module's stack needs, and options of the worker, by name; NAMESPACE stands for the live one."""
    return []


@pytest.fixture(scope="module")
def stack(kafka: str, store: Store, parts: list[tuple[str, list[str]]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack, one for the tests of a module: each has subjects of its own."""
    assert DIST.exists(), "the pages are not built: make web (or in gateway/web: npm ci && npm run build)"
    names = [f"t{uuid.uuid4().hex[:10]}" for _ in range(2)]
    for name in names:
        ensure_topics(kafka, name, DEFAULT_PARTITIONS)
    made = Stack(kafka, store, names[0], names[1], tmp_path_factory.mktemp("stack"))
    try:
        options = dict(parts)
        made.start_worker(*options.pop("worker", []))
        for name, arguments in options.items():
            made.spawn(name, *(made.namespace if argument == "NAMESPACE" else argument for argument in arguments))
        made.spawn("sink", "sink", "clickhouse", "--clickhouse", store.url, "--namespace", made.namespace)
        made.start_gateway()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """A real Chromium. Playwright's event loop lives in this thread, so it must end before other tests need one."""
    program = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
    assert program is not None, "Chromium is missing: apt-get install chromium"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def open_page(browser: Browser, stack: Stack) -> Iterator[Callable[..., Page]]:
    """Opens Pulse in a fresh profile: `open_page("?subject=…", locale=…, width=…)`. An error of the page fails the test."""
    contexts = []
    wrong: list[str] = []

    def open_(query: str = "", *, locale: str = "en-GB", width: int = 1440, height: int = 900, **options: Any) -> Page:
        context = browser.new_context(locale=locale, viewport={"width": width, "height": height}, timezone_id="UTC", **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(DEADLINE_S * 1000)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if "Content Security Policy" in message.text else None)
        page.goto(f"{stack.url}/pulse{query}")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert wrong == []
