"""An experiment through the real stack: a namespace in virtual time, a worker that is not simulated, the loop closed over Kafka."""

from __future__ import annotations

import asyncio
import itertools
import math
import signal
import threading
from collections.abc import Callable, Collection, Iterable
from typing import TypeVar

from experiments.cast import Cast
from experiments.driver import HOLD_S, Source, Timed
from experiments.journal import Entry, Journal, in_order
from experiments.offline import DRAIN_S
from experiments.scenario import Scenario, SubjectModel
from iskra.client import Consumer, Message
from iskra.driver import LogWriter, Progress, drive
from iskra.stack.stack import Running, Stack, StackSettings
from processors.calendar import Calendar
from schemas import topics
from schemas.config import Config
from schemas.messages import MESSAGES

T0 = 1_762_435_080
"""Epoch s: where an experiment's virtual time begins unless it is told otherwise: Thursday 2025-11-06 13:18 UTC."""
LOOP = (topics.ACTIONS, topics.VOICES)
"""What the subject's own side hears."""
T = TypeVar("T")


class Stopped(Exception):
    """The run was ended from outside before it was over."""


def run(
    kafka: str,
    namespace: str,
    progress: Progress,
    scenario: Scenario,
    model: SubjectModel,
    config: Config,
    states: dict[str, str | None],
    *,
    seed: int,
    start: int = T0,
    name: str = "subject",
    speed: float = math.inf,
    others: Source | None = None,
    listen: tuple[str, ...] = LOOP,
    heard: Callable[[Message], None] | None = None,
    passed: Callable[[int], None] | None = None,
    stop: threading.Event | None = None,
) -> Journal:
    """Runs a scenario in a namespace that nobody else writes to; blocks until it is over.

    Args:
        progress: of the namespace's worker. config: the one that the worker judges by.
        speed: virtual seconds a second; infinity: as fast as the worker follows.
        others: points of further subjects, written beside. listen: topics, those of `LOOP` among them, that `heard` is told of.
        heard: told of each output on them, as it is read at a barrier. passed: told of each barrier's second of the run.
        stop: set it to end the run at the next barrier.
    Returns:
        Everything that the output topics say of the scenario's subjects, of each in the engine's order.
    Raises:
        Stopped: by `stop`. BehindError, ClientError: worker or broker did not follow.
    """
    cast = Cast(scenario, model, config, seed=seed, start=start, name=name)
    seconds = scenario.length // 1000
    end = start + seconds + DRAIN_S

    def source(second: int) -> Iterable[Timed]:
        return cast.second(second) if others is None else itertools.chain(cast.second(second), others(second))

    with Consumer(kafka, listen, namespace=namespace, start="end") as consumer:

        def at_barrier(second: int) -> None:
            for message in consumer.read_to_end():
                cast.hear(message.value, message.ts)
                if heard is not None:
                    heard(message)
            if passed is not None:
                passed(second - start)

        reached = drive(
            LogWriter(kafka, namespace),
            source,
            progress,
            start=start,
            seconds=seconds + DRAIN_S,
            speed=speed,
            at_barrier=at_barrier,
            commands=cast.commands,
            stop=stop,
        )
    if reached < end:
        raise Stopped(f"ended at T0+{(reached - start) / 60:.1f} of {seconds / 60:g} minutes")
    journal = Journal(start * 1000, config, states)
    cast.journals(journal, in_order(_read(kafka, namespace, cast.names, start)))
    return journal


def _read(kafka: str, namespace: str, names: Collection[str], start: int) -> list[Entry]:
    """What the topics say of the subjects since the run began."""
    found = []
    wanted = [topic for topic in MESSAGES if topic != topics.CURRENT]
    with Consumer(kafka, wanted, namespace=namespace, start=start * 1000, until_end=True) as consumer:
        for message in consumer:
            value = message.value
            if value is not None and getattr(value, "subject", None) in names and message.ts >= start * 1000:
                found.append(Entry(message.topic, message.id, message.ts, value))
    return found


def outside_windows(config: Config, start: int, length_ms: int) -> int:
    """The first second at or after `start` (epoch s), by whole minutes, from which so long a run meets no maintenance window."""
    if config.living is None:
        return start
    calendar = Calendar(config.living.actions.no_injection)
    while any(calendar.holds(at) for at in range(start * 1000, start * 1000 + length_ms + 1, 60_000)):
        start += 60
    return start


async def with_stack(settings: StackSettings, work: Callable[[Running, threading.Event], T]) -> T:
    """Starts a stack, does `work` in a thread, stops it; a signal sets the event and, a second time, hurries the stop.

    Raises:
        StackError: a part did not start. Stopped: a signal came while it started. What `work` raises.
    """
    loop = asyncio.get_running_loop()
    stop = threading.Event()
    asked = asyncio.Event()
    stack = Stack(settings)

    def ask() -> None:
        if asked.is_set():
            stack.hurry()
        stop.set()
        asked.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, ask)
    waiting = asyncio.create_task(asked.wait())
    starting = asyncio.create_task(stack.start())
    await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.wait({starting})
        raise Stopped("ended before the parts were up")
    await starting
    try:
        return await asyncio.to_thread(work, stack.running, stop)
    finally:
        waiting.cancel()
        stop.set()
        await stack.stop()


def workers(running: Running, namespace: str | None = None) -> list[str]:
    """The /metrics of the workers of a namespace; None: of the stack's first."""
    if namespace is None:
        return [running.metrics["worker"]]
    return [url for name, url in running.metrics.items() if name.startswith("worker") and name.endswith(namespace)]


__all__ = ["HOLD_S", "LOOP", "T0", "Stopped", "outside_windows", "run", "with_stack", "workers"]
