"""The whole of Iskra on one machine: which parts there are, where, and in which order they start and stop.

`iskra up`, `iskra demo` and benchmarks run the same `Stack`; they differ in namespaces and in what is left out.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from iskra.settings import CLICKHOUSE_PASSWORD_ENV, clickhouse_password
from iskra.stack import ports, probes
from iskra.stack.datadir import DataDir
from iskra.stack.errors import NotReachableError, PortInUseError
from iskra.stack.kafka import EmbeddedKafka
from iskra.stack.supervisor import Part, Supervisor, together
from iskra.stack.topics import ensure_topics
from schemas.topics import DEFAULT_PARTITIONS, LIVE_NAMESPACE

KAFKA_PORT = 9092
STORE_PORT = 8123
"""Embedded parts take the usual ports where they are free, so that other commands find them without options."""
KAFKA_RETURN_S = 120.0
"""After a kill, the broker reads unflushed segments again; as long as at its start."""

BACKGROUND_NICE = 10
"""Niceness of store and reporter, for which nobody waits by the millisecond: the store works in bursts, and a verdict under way
passes eight threads, each of which might find the processor taken. With 15 the store still keeps pace with a full path, but
starts slowly on a crowded machine; with the sink behind, too, the sink took a minute to return after a kill."""


log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class StackSettings:
    """What runs, and where.

    Attributes:
        data: directory of the instance. port: of the gateway on loopback.
        kafka: HOST:PORT of a broker to use; None: an embedded one. clickhouse: URL of a server; None: the embedded engine.
        partitions: of topics that are created. config: directory of the configuration; None: the one that comes with Iskra.
        namespaces: each gets a worker and a sink; the first is the gateway's default and the reporter's.
        workers: of the first namespace, which share its partitions; named worker, worker-2, …
        gateway, sinks, notify, reporter: False leaves the part out. People are told about the first namespace alone: in the
            others time is virtual, and what happens there concerns nobody's night.
        kafka_port, store_port: of the embedded parts; 0: the usual one, else that of the last run, else a free one.
        worker_options: further options of every worker, e.g. ("--checkpoint-every", "1").
    """

    data: Path
    port: int = 8080
    kafka: str | None = None
    clickhouse: str | None = None
    partitions: int = DEFAULT_PARTITIONS
    config: Path | None = None
    namespaces: tuple[str, ...] = (LIVE_NAMESPACE,)
    gateway: bool = True
    sinks: bool = True
    notify: bool = True
    reporter: bool = True
    kafka_port: int = 0
    store_port: int = 0
    workers: int = 1
    worker_options: tuple[str, ...] = ()


@dataclass(kw_only=True)
class Running:
    """Addresses of a stack that runs. `password` is that of the ClickHouse user `iskra`; it is never printed."""

    kafka: str
    clickhouse: str
    gateway: str | None
    password: str = field(repr=False)
    metrics: dict[str, str]


class Stack:
    """Starts and stops all parts. One event loop in the main thread; `async with Stack(settings) as stack:` does both.

    `running` has the addresses after `start`, `pids` the process ids as they are now.
    """

    def __init__(self, settings: StackSettings) -> None:
        self.settings = settings
        self.data = DataDir(settings.data)
        self._supervisor = Supervisor(self.data.path, self._write_run)
        self._running: Running | None = None
        self._started = time.monotonic()
        self.ready_s = 0.0

    @property
    def running(self) -> Running:
        """The addresses; only after `start`."""
        assert self._running is not None, "the stack is not started"
        return self._running

    @property
    def pids(self) -> dict[str, int]:
        """Process id of each part, as it is now; a part that is restarted has another one."""
        return self._supervisor.pids

    async def __aenter__(self) -> Stack:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Takes the data directory and starts everything; returns when all parts are ready. On an error all is stopped.

        Raises:
            StackError: what is wrong, in one line: a port in use, the directory, a part that fails, a missing tool.
        """
        self._started = time.monotonic()
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise
        self.ready_s = time.monotonic() - self._started
        try:
            self._write_run()
        except OSError as error:  # a full disk: everything runs all the same, and has been told but for how long it took
            log.error("what runs could not be told", error=str(error))

    async def _start(self) -> None:
        settings = self.settings
        if settings.gateway and not ports.is_free(settings.port):
            raise PortInUseError(f"port {settings.port} is in use: choose another one with --port")
        self.data.take()
        password = clickhouse_password() if settings.clickhouse else self.data.password()
        running = Running(
            kafka=settings.kafka or "",
            clickhouse=settings.clickhouse or "",
            gateway=f"http://{ports.LOOPBACK}:{settings.port}" if settings.gateway else None,
            password=password,
            metrics={},
        )
        self._running = running
        self._env = {CLICKHOUSE_PASSWORD_ENV: password, "PYTHONUNBUFFERED": "1"}
        await together(self._start_broker(running), *([self._start_store(running)] if settings.sinks or settings.gateway else []))
        await self._supervisor.start(
            *(self._worker(running, settings.namespaces[0], number) for number in range(1, settings.workers + 1)),
            *(self._worker(running, namespace) for namespace in settings.namespaces[1:]),
            *(self._sink(running, namespace) for namespace in settings.namespaces if settings.sinks),
            *([self._notify(running, settings.namespaces[0])] if settings.notify else []),
            *([self._gateway(running)] if settings.gateway else []),
        )
        if settings.reporter:
            await self._supervisor.start(self._reporter(running))

    async def _start_broker(self, running: Running) -> None:
        settings = self.settings
        if settings.kafka is None:
            broker = EmbeddedKafka(self.data.path, port=settings.kafka_port, preferred=KAFKA_PORT)
            await asyncio.to_thread(broker.prepare)
            running.kafka = broker.bootstrap
            await self._supervisor.start(
                Part(
                    name="kafka",
                    command=broker.command(),
                    ready=broker.ready,
                    alive=broker.alive,
                    start_timeout=KAFKA_RETURN_S,
                    stop_timeout=30.0,
                )
            )
        for namespace in settings.namespaces:
            await _left_alone(ensure_topics, running.kafka, namespace, settings.partitions)

    async def _start_store(self, running: Running) -> None:
        if self.settings.clickhouse is None:
            port = self.settings.store_port or ports.free_port(STORE_PORT)
            if not ports.is_free(port):
                raise PortInUseError(f"port {port} is in use: choose another one for the store")
            running.clickhouse = f"http://{ports.LOOPBACK}:{port}"
            command = _iskra("store", "--data", str(self.data.path / "store"), "--port", str(port))
            ping = f"{running.clickhouse}/ping"
            ready, alive = partial(probes.answers, ping), partial(probes.alive, ping)
            await self._supervisor.start(Part(name="store", command=command, env=self._env, ready=ready, alive=alive, nice=BACKGROUND_NICE))
        elif not await asyncio.to_thread(probes.answers, f"{running.clickhouse.rstrip('/')}/ping", 5.0):
            raise NotReachableError(f"ClickHouse at {running.clickhouse} does not answer")

    def _worker(self, running: Running, namespace: str, number: int = 1) -> Part:
        arguments = ["worker", "--kafka", running.kafka, "--namespace", namespace, "--instance-id", f"{namespace}-worker-{number}"]
        arguments += ["--partitions", str(self.settings.partitions), *self.settings.worker_options, *self._config()]
        return self._with_metrics(running, _numbered(self._name("worker", namespace), number), arguments)

    def _sink(self, running: Running, namespace: str) -> Part:
        arguments = ["sink", "clickhouse", "--kafka", running.kafka, "--clickhouse", running.clickhouse, "--namespace", namespace]
        arguments += ["--instance-id", f"{namespace}-sink-1", *self._config()]
        return self._with_metrics(running, self._name("sink", namespace), arguments)

    def _notify(self, running: Running, namespace: str) -> Part:
        arguments = ["sink", "notify", "--kafka", running.kafka, "--namespace", namespace, "--data", str(self.data.path)]
        arguments += ["--instance-id", f"{namespace}-notify-1", *self._config()]
        return self._with_metrics(running, "notify", arguments)

    def _with_metrics(self, running: Running, name: str, arguments: Sequence[str]) -> Part:
        port = ports.free_port()
        url = f"http://{ports.LOOPBACK}:{port}"
        running.metrics[name] = f"{url}/metrics"
        ready = partial(probes.answers, f"{url}/healthz")
        # a worker tells at /livez that its event loop hangs, though another thread still answers
        is_worker = arguments[0] == "worker"
        alive = partial(probes.answers, f"{url}/livez", probes.ALIVE_S) if is_worker else partial(probes.alive, f"{url}/healthz")
        command = _iskra(*arguments, "--metrics-port", str(port))
        return Part(name=name, command=command, env=self._env, ready=ready, alive=alive)

    def _gateway(self, running: Running) -> Part:
        arguments = ["gateway", "--kafka", running.kafka, "--clickhouse", running.clickhouse, "--host", ports.LOOPBACK]
        arguments += ["--port", str(self.settings.port)]
        for namespace in self.settings.namespaces:
            arguments += ["--namespace", namespace]
        arguments += self._config()
        running.metrics["gateway"] = f"{running.gateway}/metrics"
        ready, alive = partial(probes.answers, f"{running.gateway}/readyz"), partial(probes.alive, f"{running.gateway}/healthz")
        return Part(name="gateway", command=_iskra(*arguments), env=self._env, ready=ready, alive=alive)

    def _reporter(self, running: Running) -> Part:
        arguments = ["reporter", "--kafka", running.kafka]
        # in the other namespaces time is virtual: it says nothing about latency
        workers = [_numbered("worker", number) for number in range(1, self.settings.workers + 1)]
        for name in (*workers, "sink", "gateway"):
            if name in running.metrics:
                arguments += ["--metrics", running.metrics[name]]
        return Part(name="reporter", command=_iskra(*arguments), env=self._env, nice=BACKGROUND_NICE)

    def _config(self) -> list[str]:
        return [] if self.settings.config is None else ["--config", str(self.settings.config)]

    def _name(self, part: str, namespace: str) -> str:
        return part if namespace == self.settings.namespaces[0] else f"{part}-{namespace}"

    def describe(self) -> dict[str, Any]:
        """Addresses and process ids, as `iskra up` prints them; no secrets."""
        running = self.running
        urls: dict[str, Any] = {"kafka": running.kafka, "clickhouse": running.clickhouse}
        if running.gateway is not None:
            urls |= {"gateway": running.gateway, "pulse": f"{running.gateway}/pulse", "api": f"{running.gateway}/api/docs"}
        return {
            "urls": urls,
            "metrics": running.metrics,
            "pids": {"supervisor": os.getpid(), **self.pids},
            "namespaces": list(self.settings.namespaces),
            "partitions": self.settings.partitions,
            "data": str(self.data.path),
            "ready_s": round(self.ready_s, 2),
        }

    def _write_run(self) -> None:
        if self._running is not None:
            self.data.write_run(self.describe())

    async def stop(self) -> None:
        """Stops everything, the last started first: no new points, then verdicts, then rows, then store and broker."""
        await self._supervisor.stop(_stop_order(self._supervisor.names))
        self.data.release()

    def hurry(self) -> None:
        """Makes a `stop` that is under way kill what still runs."""
        self._supervisor.hurry()


async def _left_alone(work: Callable[..., None], *arguments: Any) -> None:
    """Does blocking work in a thread of its own; cancelled, it leaves the thread to itself, and the process may end before it.

    An executor's thread would be waited for: a Ctrl-C that took the broker away meanwhile took 20 s.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def tell(error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def run() -> None:
        error: BaseException | None = None
        try:
            work(*arguments)
        except Exception as raised:  # noqa: BLE001 - handed on to who waits
            error = raised
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(tell, error)

    threading.Thread(target=run, name=work.__name__, daemon=True).start()
    await done


def _stop_order(names: Sequence[str]) -> list[list[str]]:
    kinds = (("reporter", "gateway"), ("worker",), ("sink", "notify"), ("store", "kafka"))
    return [[name for name in names if name.split("-", 1)[0] in kind] for kind in kinds]


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}-{number}"


def _iskra(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "iskra", *arguments]
