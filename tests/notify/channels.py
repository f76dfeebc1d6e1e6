"""A channel on a bench: receivers that are scripts, and what was told of each end."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

from prometheus_client import CollectorRegistry

from sinks.notify.adapters import Port
from sinks.notify.book import Due
from sinks.notify.channel import Channel
from sinks.notify.message import Notification
from sinks.notify.metrics import Metrics
from sinks.notify.settings import Delivery


async def eventually(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.001)


QUICK: dict[str, Any] = {"timeout": 5_000, "concurrency": 4, "first_pause": 1, "longest_pause": 4, "give_up_after": 60_000}


def busy(channel: Channel) -> bool:
    """Whether an attempt is under way."""
    return any(task.busy for task in channel._tasks.values())


class Receiver:
    """An adapter that does what `script` says at each call, and remembers who was told."""

    def __init__(self, script: Callable[[Notification, int], Awaitable[None]] | None = None) -> None:
        self.script = script
        self.calls: list[str] = []
        self.taken: list[str] = []
        self.now = self.most = 0
        self._counts: defaultdict[str, int] = defaultdict(int)

    async def send(self, notification: Notification) -> None:
        self.calls.append(notification.id)
        self._counts[notification.id] += 1
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(0)
            if self.script is not None:
                await self.script(notification, self._counts[notification.id])
            self.taken.append(notification.id)
        finally:
            self.now -= 1


class Bench:
    """A channel and what it told."""

    def __init__(self, adapters: dict[str, Port], **policy: Any) -> None:
        self.ends: dict[str, tuple[str, str | None]] = {}
        self.order: list[str] = []
        self.channel = Channel("slack", adapters, Delivery(**{**QUICK, **policy}), self._told, Metrics(CollectorRegistry()))

    def _told(self, ended: Due, state: str, reason: str | None) -> None:
        assert ended.id not in self.ends, "each ends once"
        self.ends[ended.id] = (state, reason)
        self.order.append(ended.id)

    async def ended(self, number: int) -> None:
        await eventually(lambda: len(self.ends) >= number)


def run(bench: Bench, work: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        bench.channel.start()
        try:
            await work()
        finally:
            await bench.channel.close()

    asyncio.run(whole())
