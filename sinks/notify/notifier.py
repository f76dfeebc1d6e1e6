"""The notifier process: the topic's records into books, what they owe into channels, ends into the ledger."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable

import aiohttp
import structlog
from aiohttp import web
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest

from sinks.notify.adapters import make
from sinks.notify.book import Book, Due, Record
from sinks.notify.channel import Channel
from sinks.notify.metrics import Metrics
from sinks.notify.settings import Settings
from sinks.notify.topic import FLUSH_S, Assigned, CaughtUp, Event, Revoked, Topic

COMMIT_S = 1.0
"""How often positions are committed and the lag is looked at."""


class Notifier:
    """Delivers what is due in one namespace. All methods belong to one event loop.

    `channels` by name; `lag` by partition; `ready` once everything up to the end of the topic was read.
    """

    def __init__(self, settings: Settings, http: aiohttp.ClientSession, registry: CollectorRegistry = REGISTRY) -> None:
        self._settings = settings
        self._log = structlog.get_logger("iskra.notify").bind(namespace=settings.namespace)
        self._metrics = Metrics(registry)
        config = settings.config
        used = {name for names in config.channels.values() for name in names}
        adapters = {name: make(config.adapters[name], settings, http) for name in sorted(used)}
        self.channels = {
            name: Channel(name, {one: adapters[one] for one in names}, config.delivery, self._ended, self._metrics)
            for name, names in config.channels.items()
        }
        self._books: dict[int, Book] = {}
        self._catching_up: set[int] = set()
        self._committed: dict[int, int] = {}
        self._written: set[str] = set()
        """Ids whose end we wrote and have not read yet. They outlive their book: a broker that was away takes partitions from
        its group and gives them back, and what is read anew then, up to an end before ours, must not end a second time."""
        self._topic = Topic(settings, self._give_up)
        self._assigned = False
        self._stopping = asyncio.Event()
        self.lag: dict[int, int] = {}
        self._metrics.watch(self)

    @property
    def ready(self) -> bool:
        """Whether all that is owed is known: what is due is delivered as it comes."""
        return self._assigned and not self._catching_up

    @property
    def unreadable(self) -> int:
        """Records that could not be read."""
        return sum(book.unreadable for book in self._books.values())

    def age_s(self, due: Due | None) -> float:
        """For how long it has been due, in s; 0 for none and where time is virtual."""
        if due is None or not self._settings.live:
            return 0.0
        return max(0.0, time.time() - due.event.due / 1000)

    def stop(self) -> None:
        """Makes `run` end: attempts under way are finished, the ledger is written."""
        self._stopping.set()

    async def run(self) -> None:
        """Delivers until `stop`.

        Raises:
            KafkaException: as `Topic.poll`.
        """
        for channel in self.channels.values():
            channel.start()
        look_at = 0.0
        try:
            while not self._stopping.is_set():
                for event in await self._topic.poll():
                    self._take(event)
                if (now := time.monotonic()) >= look_at:
                    look_at = now + COMMIT_S
                    await self._look()
        finally:
            await asyncio.gather(*(channel.close() for channel in self.channels.values()))
            if not await self._topic.written(FLUSH_S):
                self._log.warning("the ledger could not be written; what is missing is sent again")
            await self._look()
            await self._topic.close()

    def _take(self, event: Event) -> None:
        match event:
            case Record():
                book = self._books.get(event.partition)
                if book is not None:
                    if event.ours:
                        self._written.discard(event.id.rpartition("-")[0])
                    changed = book.take(event)
                    if event.partition not in self._catching_up:
                        self._act(changed)
            case Assigned(partitions):
                self._assigned = True
                self._books |= {partition: Book() for partition in partitions}
                self._catching_up |= set(partitions)
            case CaughtUp(partition):
                if partition in self._catching_up:
                    self._catching_up.discard(partition)
                    owed = self._books[partition].open
                    self._log.info("caught up", partition=partition, owed=len(owed))
                    self._act(owed)
            case Revoked(partitions):
                for partition in partitions:
                    self._forget(partition)

    def _act(self, dues: list[Due]) -> None:
        for due in dues:
            channel = self.channels.get(due.event.channel)
            if due.settled:
                if channel is not None:
                    channel.drop(due)
            elif due.id in self._written:
                continue
            elif due.stopped is not None:
                if channel is None or not channel.stop(due):
                    self._ended(due, "cancelled", due.stopped)
            elif channel is None:
                self._ended(due, "failed", f"no channel {due.event.channel} in notify.yml")
            else:
                self._submit(due, channel)

    def _submit(self, due: Due, channel: Channel) -> None:
        oldest = self._settings.config.delivery.oldest / 1000
        age = self.age_s(due)
        if age > oldest:
            self._ended(due, "failed", f"due {age / 3600:.1f} h ago, more than the {oldest / 3600:g} h after which nobody is told")
        else:
            channel.submit(due)

    def _ended(self, due: Due, state: str, reason: str | None) -> None:
        """The end of a due into the ledger; called once for each."""
        self._written.add(due.id)
        channel = due.event.channel if due.event.channel in self.channels else "unknown"
        self._metrics.ended.labels(channel, state).inc()
        if state == "sent":
            self._metrics.delay.labels(channel).observe(self.age_s(due))
        elif state == "failed":
            self._log.error("nobody was told", id=due.id, alert=due.event.alert_id, who=due.event.who, channel=channel, reason=reason)
        self._topic.write(due, state, reason, self._settled)

    def _settled(self, due: Due) -> None:
        book = self._books.get(due.partition)
        if book is not None:
            book.settle(due.id)

    async def _give_up(self, partitions: list[int]) -> None:
        """Before partitions are another's: begins nothing of theirs any more, waits for what is under way and for the ledger."""
        while sum(channel.leave(partitions) for channel in self.channels.values()):  # noqa: ASYNC110 - each attempt ends by itself
            await asyncio.sleep(0.01)
        await self._topic.written(FLUSH_S)

    def _forget(self, partition: int) -> None:
        self._books.pop(partition, None)
        self._catching_up.discard(partition)
        self._committed.pop(partition, None)
        self.lag.pop(partition, None)
        for channel in self.channels.values():
            channel.leave([partition])

    async def _look(self) -> None:
        """Commits what moved, and asks for the lag."""
        positions = {partition: book.position for partition, book in self._books.items() if partition not in self._catching_up}
        moved = {partition: offset for partition, offset in positions.items() if offset > self._committed.get(partition, 0)}
        if moved:
            await self._topic.commit(moved)
            self._committed |= moved
        self.lag = await self._topic.lag(list(self._books))


async def serve(notifier: Notifier, host: str, port: int, registry: CollectorRegistry = REGISTRY) -> web.AppRunner:
    """Serves /metrics and /healthz.

    Raises:
        OSError: the port is taken.
    """

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n") if notifier.ready else web.Response(status=503, text="reading what is owed\n")

    app = web.Application()
    app.add_routes([web.get("/metrics", metrics), web.get("/healthz", healthz)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner


async def run(settings: Settings, started: Callable[[], None] = lambda: None) -> None:
    """Runs a notifier until SIGTERM or SIGINT.

    Raises:
        OSError: the port of metrics is taken. KafkaException: as `Topic.poll`.
    """
    log = structlog.get_logger("iskra.notify").bind(namespace=settings.namespace)
    connector = aiohttp.TCPConnector(limit=0)  # concurrency is bounded by the channels
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as http:
        notifier = Notifier(settings, http)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, notifier.stop)
        runner = await serve(notifier, settings.metrics_host, settings.metrics_port) if settings.metrics_port else None
        log.info("started", instance=settings.instance, channels=sorted(notifier.channels))
        started()
        try:
            await notifier.run()
        finally:
            if runner is not None:
                await runner.cleanup()
        log.info("stopped")
