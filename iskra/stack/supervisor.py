"""Keeps the parts of a stack running: starts them in order, restarts what ends or hangs, stops them in order.

Every part is a child process in a process group of its own and dies with the supervisor, however that ends. A part
that ends is started again at once, so that it is back within seconds; one that keeps ending is started ever more
seldom, at most every 10 s, and named. A part that does not answer any more is killed, and so started again; one that
answers that it waits for another part is left alone.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import structlog

from iskra.stack import children
from iskra.stack.errors import PartFailedError, StackError

STACK_ENV = "ISKRA_STACK"
"""Set for every part to the data directory, by which parts left over from a killed supervisor are found."""

WATCH_S = 0.05
"""How often it is looked whether a part has ended: the share of it in the time to recover."""
BACKOFF_S = (0.0, 0.5, 1.0, 2.0, 4.0, 10.0)
"""Wait before a restart, by the number of ends in a row; a part that stayed up for STEADY_S begins anew."""
ALIVE_EVERY_S = 1.0
"""Pause between two questions whether a part still answers."""
ALIVE_MISSES = 6
"""Answers missed in a row after which a part is killed that has not run at all meanwhile (stopped, or locked for good): with the
2 s that an answer may take, after 6 to 18 s."""
BUSY_MISSES = 30
"""The same for one that has used the processor: at fifty times the machine's load a healthy one was silent for 18 s, and a
restart would only have added to the load. 30 to 90 s."""
STEADY_S = 30.0
LOOP_ENDS = 4
"""Ends in a row after which a part is said to end again and again."""
MAX_LOG_BYTES = 16 * 1024 * 1024
"""A log larger than this at a start of its part is set aside as `.1`."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Part:
    """One process of a stack.

    Attributes:
        name: unique. command: program and arguments. env: added to the supervisor's own.
        ready: whether it does its work; called in a thread, may block up to 1 s. None: ready when started.
        start_timeout: seconds from start until ready, at the first start. stop_timeout: seconds from SIGTERM until killed.
        attempts: starts before a part that ends before it is ready is given up, at the first start.
        alive: whether it answers at all; called in a thread, may block up to 2 s. After `ALIVE_MISSES` or `BUSY_MISSES` it is killed, and
            if it has not answered `start_timeout` seconds after a restart. None: it is not asked.
        nice: added to the supervisor's niceness; parts that may lag behind leave the processor to those that may not.
    """

    name: str
    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], bool] | None = None
    alive: Callable[[], bool] | None = None
    start_timeout: float = 120.0
    stop_timeout: float = 20.0
    attempts: int = 3
    nice: int = 0


@dataclass
class _Running:
    part: Part
    process: subprocess.Popen[bytes]
    started: float
    ends: int = 0
    due: float | None = None  # monotonic time of the next start, while it is down
    is_up: bool = False


async def together(*work: Coroutine[Any, Any, None]) -> None:
    """Awaits all; the first StackError ends the others and is raised as itself, not as a group."""
    try:
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(one)
    except* StackError as failed:
        first: BaseException = failed
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None


def _processor_s(pid: int) -> float:
    """Processor seconds that a process has used; 0 if it is gone."""
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


class Supervisor:
    """Runs parts for one data directory. All methods belong to one event loop, in the main thread.

    Args:
        data: data directory, absolute; logs go to `data`/logs/PART.log. changed: called when the set of processes changes.
    """

    def __init__(self, data: Path, changed: Callable[[], None] | None = None) -> None:
        self._data = data
        self._changed = changed or (lambda: None)
        self._running: dict[str, _Running] = {}
        self._watchers: list[asyncio.Task[None]] = []
        self._stopping = False

    @property
    def pids(self) -> dict[str, int]:
        """The process id of each part that runs."""
        return {name: running.process.pid for name, running in self._running.items() if running.due is None}

    @property
    def names(self) -> list[str]:
        """Every part that was started, also one that is down just now."""
        return list(self._running)

    def log_of(self, part: str) -> Path:
        """The file with what the part says."""
        return self._data / "logs" / f"{part}.log"

    async def start(self, *parts: Part) -> None:
        """Starts `parts` side by side, returns when all are ready; from then on they are kept running.

        Raises:
            PartFailedError: one ended or was not ready in time; the text has its last words.
        """
        if not self._watchers:
            self._watchers.append(asyncio.create_task(self._watch()))
        await together(*(self._start_one(part) for part in parts))
        for part in parts:
            if part.alive is not None:
                self._watchers.append(asyncio.create_task(self._listen(self._running[part.name], part.alive)))

    async def _start_one(self, part: Part) -> None:
        deadline = time.monotonic() + part.start_timeout
        for attempt in range(1, part.attempts + 1):
            running = self._spawn(part)
            while time.monotonic() < deadline and running.process.poll() is None:
                if part.ready is None or await asyncio.to_thread(part.ready):
                    running.is_up = True
                    log.info("part is ready", part=part.name, pid=running.process.pid, seconds=round(time.monotonic() - running.started, 2))
                    return
                await asyncio.sleep(0.05)
            if time.monotonic() >= deadline:
                raise PartFailedError(f"{part.name} was not ready within {part.start_timeout:g} s: {self._last_words(part)}")
            log.warning("part ended before it was ready", part=part.name, code=running.process.returncode, attempt=attempt)
        raise PartFailedError(f"{part.name} ended before it was ready: {self._last_words(part)}")

    def _last_words(self, part: Part) -> str:
        path = self.log_of(part.name)
        return f"{children.tail(path) or 'it said nothing'} (see {path})"

    def _spawn(self, part: Part) -> _Running:
        path = self.log_of(part.name)
        if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        env = {**os.environ, **part.env, STACK_ENV: str(self._data)}
        process = children.spawn(part.command, log=path, env=env, nice=part.nice)
        running = self._running.get(part.name)
        if running is None:
            running = self._running[part.name] = _Running(part, process, time.monotonic())
        else:
            running.process, running.started, running.due = process, time.monotonic(), None
        try:
            self._changed()
        except OSError as error:  # a full disk: the process runs all the same, and must not be taken for one that could not be started
            log.error("what runs could not be told", part=part.name, pid=process.pid, error=str(error))
        return running

    async def _watch(self) -> None:
        while True:
            now = time.monotonic()
            for running in self._running.values():
                if running.due is not None:
                    if now >= running.due:
                        self._restart(running)
                elif running.is_up and running.process.poll() is not None:
                    self._ended(running, now)
            await asyncio.sleep(WATCH_S)

    async def _listen(self, running: _Running, alive: Callable[[], bool]) -> None:
        """Kills the part when it has stopped answering; `_watch` starts it again."""
        process, heard, missed, before = running.process, True, 0, 0.0
        while True:
            await asyncio.sleep(ALIVE_EVERY_S)
            answered = await asyncio.to_thread(alive)
            if running.process is not process:
                process, heard, missed = running.process, False, 0
            elif answered:
                heard, missed = True, 0
            elif process.poll() is None:
                missed += 1
                used = _processor_s(process.pid)
                before = used if missed == 1 else before
                limit = ALIVE_MISSES if used == before else BUSY_MISSES
                if missed >= limit if heard else time.monotonic() - running.started > running.part.start_timeout:
                    log.error("part does not answer and is killed", part=running.part.name, pid=process.pid, missed=missed)
                    children.signal_group(process.pid, signal.SIGKILL)
                    missed = 0

    def _ended(self, running: _Running, now: float) -> None:
        part = running.part
        # what it started itself must not hold its ports or its directory
        children.signal_group(running.process.pid, signal.SIGKILL)
        running.ends = 1 if now - running.started >= STEADY_S else running.ends + 1
        wait = BACKOFF_S[min(running.ends, len(BACKOFF_S)) - 1]
        running.due = now + wait
        tell: dict[str, Any] = {
            "part": part.name,
            "code": running.process.returncode,
            "restart_in_s": wait,
            "log": str(self.log_of(part.name)),
        }
        if running.ends >= LOOP_ENDS:
            log.error("part ends again and again", ends=running.ends, last=children.tail(self.log_of(part.name)), **tell)
        else:
            log.warning("part ended", **tell)
        if wait == 0.0:
            self._restart(running)

    def _restart(self, running: _Running) -> None:
        try:
            self._spawn(running.part)
        except OSError as error:  # no memory or no process to be had just now: try later, as after an end
            running.ends += 1
            running.due = time.monotonic() + BACKOFF_S[-1]
            log.error("part could not be started", part=running.part.name, error=str(error))

    async def stop(self, order: Sequence[Sequence[str]]) -> None:
        """Ends all parts: group after group of `order` (names), those of a group together; then any that are left.

        Each gets SIGTERM and its `stop_timeout`; what is left of its process group is killed.
        """
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        named = {name for group in order for name in group}
        for group in [*order, [name for name in self._running if name not in named]]:
            await asyncio.gather(*(self._stop_one(self._running[name]) for name in group if name in self._running))
        self._running.clear()

    async def _stop_one(self, running: _Running) -> None:
        process = running.process
        deadline = time.monotonic() + running.part.stop_timeout
        if process.poll() is None:
            process.terminate()
        while process.poll() is None and time.monotonic() < deadline and not self._stopping:  # noqa: ASYNC110 - no event of this loop
            await asyncio.sleep(0.02)
        if process.poll() is None:
            log.warning("part did not stop and is killed", part=running.part.name, seconds=running.part.stop_timeout)
        children.signal_group(process.pid, signal.SIGKILL)
        process.wait()

    def hurry(self) -> None:
        """Makes a `stop` that is under way kill what still runs."""
        self._stopping = True

    def kill(self) -> None:
        """Kills everything at once, without an event loop; for the end of a process that failed."""
        for running in self._running.values():
            children.signal_group(running.process.pid, signal.SIGKILL)
            running.process.wait()
        self._running.clear()
