"""Puts the gateway together and runs it: one process, one event loop, Granian in front.

Life: listen at once (a part that is away is told by `/readyz`, never a reason not to start) → serve → on SIGTERM or
SIGINT: no new requests, browsers are told to come back (1001), what was taken is flushed to the broker, exit 0.
"""

from __future__ import annotations

import asyncio
import gc
import secrets
import signal
import socket
import sys
import time
from typing import Any

import msgspec
import structlog
import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server

from gateway.feed import PointsFeed, StateFeed
from gateway.hub import Hub
from gateway.ledger import Ledger
from gateway.living import LifeRead
from gateway.metrics import Metrics
from gateway.parts import Part
from gateway.publish import Publisher
from gateway.queries import Queries
from gateway.records import ConfigRead, PointsRead, Read, Removed, StatusRead, WindowRead
from gateway.settings import Explanation, Settings
from gateway.socket import Socket
from gateway.sparks import Sparks
from gateway.world import World
from schemas.config import Config, config_hash, published, to_json
from schemas.living import Alerts

log = structlog.get_logger()

STOP_S = 4.0
"""From SIGTERM to exit: closing sockets at most 2 s, flushing 1.5 s, the server's own end the rest."""
FLUSH_S = 1.5


class PortTaken(OSError):
    """The port that was asked for cannot be listened on."""


class Gateway:
    """Everything that one gateway process holds; made on the running loop."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.loop = asyncio.get_running_loop()
        self.started_ms = time.time_ns() // 1_000_000
        self.metrics = Metrics()
        self.world = World()
        self.config: Config = settings.config
        self.config_hash = config_hash(settings.config)
        self.bodies: dict[str, Config] = {self.config_hash: settings.config}
        self.epoch = secrets.token_hex(6)
        limits = settings.limits
        self.hub = Hub(self.world, self.metrics, self.epoch, limits.snapshot, limits.ws_behind)
        self.sparks = Sparks(self.config)
        self.socket = Socket(self.hub, self.hello, self.parts_message, settings.namespaces, limits.ws_message)
        self.ledger = Ledger(settings.kafka, settings.namespaces[0], self.loop)
        self.queries = Queries(settings)
        self.kafka = Part("kafka", self.ledger.probe, self.parts_changed)
        self.clickhouse = Part("clickhouse", self.queries.probe, self.parts_changed)
        self.ledger.suspect = self.kafka.suspect
        self.queries.suspect = self.clickhouse.suspect
        self.publisher = Publisher(settings.namespaces[0], self.ledger, self.kafka, self.metrics, limits, self.config)
        self.explanation: asyncio.Future[Explanation] | None = None
        self.world.plans = self._plan
        self.state_feed = StateFeed(settings.kafka, settings.namespaces, self.loop, self.apply, self._count)
        self.points_feed = PointsFeed(settings.kafka, self.state_feed.partitions, self.config, self.loop, self.apply, self._count)
        self.hub.watched = self.points_feed.watch
        self._tasks: list[asyncio.Task[None]] = []
        self._all_known = False

    # what the first messages say

    def hello(self) -> bytes:
        """The first message to a browser."""
        head = {"type": "hello", "epoch": self.epoch, "server_time": time.time_ns() // 1_000_000, "namespaces": self.settings.namespaces}
        body = {**head, "config": msgspec.Raw(to_json(self.config)), "config_hash": self.config_hash}
        return msgspec.json.encode(body)

    def parts_message(self) -> bytes:
        """Which parts answer, for browsers."""
        return msgspec.json.encode({"type": "parts", "kafka": bool(self.kafka.up), "clickhouse": bool(self.clickhouse.up)})

    def parts_changed(self) -> None:
        """A part came or went."""
        for part in (self.kafka, self.clickhouse):
            self.metrics.part_up.labels(part.name).set(1 if part.up else 0)
        self.hub.broadcast(self.parts_message())

    # what was read

    def _count(self, topic: str, n: int) -> None:
        self.metrics.feed_records.labels(topic).inc(n)

    def apply(self, batch: list[Read]) -> None:
        """Takes a batch of what was read into the world, and brings it to the browsers."""
        world = self.world
        for read in batch:
            if isinstance(read, StatusRead):
                if world.put(read.key, read.status) and read.live and read.key.namespace == self.settings.namespaces[0]:
                    self._judged_by(read.status.config)
            elif isinstance(read, WindowRead):
                world.seen(read.subject, read.end)
                self.sparks.add(read.subject, read.metric, read.mean)
            elif isinstance(read, LifeRead):
                world.tell(read)
            elif isinstance(read, PointsRead):
                world.points(read.subject, read.points)
            elif isinstance(read, Removed):
                world.remove(read.key)
            elif isinstance(read, ConfigRead):
                self._take_config(read)
        self.hub.pump()

    def _take_config(self, read: ConfigRead) -> None:
        try:
            config = published(read.hash, read.body)
        except (ValueError, TypeError) as error:
            log.warning("configuration on the topic does not fit this version", hash=read.hash, error=str(error))
            return
        self.bodies[read.hash] = config
        if read.namespace == self.settings.namespaces[0]:
            self._judged_by(read.hash)

    def _plan(self, hash_: str) -> Alerts | None:
        config = self.bodies.get(hash_)
        return None if config is None or config.living is None else config.living.alerts

    def _judged_by(self, hash_: str) -> None:
        config = self.bodies.get(hash_)
        if hash_ == self.config_hash or config is None:
            return
        self.config, self.config_hash = config, hash_
        self.sparks.config = self.points_feed.config = config
        self.publisher.config = config
        log.info("configuration", hash=hash_)
        self.hub.broadcast(self.hello())

    # life

    def start(self) -> None:
        """Begins to follow the topics and to watch the parts."""
        self.ledger.start()
        self.state_feed.start()
        self.points_feed.start()
        self._tasks = [asyncio.ensure_future(each) for each in (self.kafka.watch(), self.clickhouse.watch(), self._every_second())]

    async def _every_second(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self.world.sparks(self.sparks.take())
            self.hub.pump()
            self.hub.sweep()
            if not self._all_known and self.state_feed.lives_caught_up.is_set():
                self._all_known = True
                self.world.let_strangers_go()
            if self.state_feed.newest_lag is not None:
                self.metrics.feed_lag.set(self.state_feed.newest_lag)

    async def stop(self) -> None:
        """Tells the browsers to come back, flushes what was taken, ends the threads."""
        if self.explanation is not None:
            self.explanation.cancel()
        await self.socket.shut()
        await asyncio.to_thread(self.ledger.stop, FLUSH_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(asyncio.to_thread(self.state_feed.stop), asyncio.to_thread(self.points_feed.stop))
        await self.queries.close()


def _check_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortTaken(error.errno, f"cannot listen on {host}:{port}: {error.strerror}") from None


async def serve(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT.

    Raises:
        PortTaken: somebody else listens there.
    """
    from gateway.routes import build  # here, because it knows `Gateway`

    _check_port(settings.host, settings.port)
    gateway = Gateway(settings)
    loop = asyncio.get_running_loop()
    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    server: Any = Server(
        build(gateway),
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGINL,
        backlog=4096,
        backpressure=8192,
        log_enabled=False,
    )
    gateway.start()
    serving = asyncio.ensure_future(server.serve())
    await _listening(settings, serving)
    gc.freeze()
    log.info("gateway listens", host=settings.host, port=settings.port, namespaces=settings.namespaces)
    if settings.ready is not None:
        settings.ready(settings.port)
    ended = asyncio.ensure_future(ending.wait())
    await asyncio.wait((ended, serving), return_when=asyncio.FIRST_COMPLETED)
    ended.cancel()
    log.info("gateway stops")
    try:
        async with asyncio.timeout(STOP_S):
            await gateway.stop()
            server.stop()
            await serving
    except TimeoutError:
        log.warning("did not end in time", seconds=STOP_S)
    log.info("gateway stopped")


async def _listening(settings: Settings, serving: asyncio.Future[None]) -> None:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - compared, not bound
    while not serving.done():
        try:
            _, writer = await asyncio.open_connection(host, settings.port)
        except OSError:
            await asyncio.sleep(0.01)
        else:
            writer.close()
            return
    await serving


def run(settings: Settings) -> None:
    """Runs a gateway until it is told to stop; returns then (the process may exit with 0).

    Raises:
        PortTaken: somebody else listens on the port.
    """
    # threads that read Kafka must not hold the interpreter for 5 ms while a browser waits
    sys.setswitchinterval(0.001)
    uvloop.run(serve(settings))
