"""One channel: a queue of its own, so that a slow receiver delays nobody but who is told over it.

Messages of one alert go out in the order of the topic, one after the other; those of different alerts at the same time,
P0 first. What fails is tried again after a pause that doubles; a receiver that asks for patience (Retry-After) gets it
from the whole channel.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Collection, Mapping

import structlog

from sinks.notify.adapters import Port
from sinks.notify.book import Due
from sinks.notify.errors import Later, Refused
from sinks.notify.message import Notification
from sinks.notify.metrics import Metrics
from sinks.notify.settings import Delivery

RANKS = {"P0": 0, "P1": 1, "P2": 2}
LONGEST_PATIENCE_S = 300.0
"""A Retry-After is followed so far: receivers ask for seconds, at most for a minute."""

LOOK_S = 0.5
"""While the channel is patient it looks so often whether it should stop."""

Told = Callable[[Due, str, str | None], None]
"""Called once for each due: how it ended (`sent`, `failed`, `cancelled`), and why."""


class _Task:
    """A due on its way.

    `left`: adapters that have not taken it yet; `refused`: what those said that never will; `error`: why the last attempt
    of the others failed. `since`: loop time at which it was submitted. `gone`: no longer the channel's. `left_alone`: its
    partition was given up while an attempt was under way.
    """

    __slots__ = ("attempts", "busy", "due", "error", "gone", "left", "left_alone", "number", "refused", "since")

    def __init__(self, due: Due, number: int, since: float, adapters: list[str]) -> None:
        self.due = due
        self.number = number
        self.since = since
        self.left = adapters
        self.refused: list[str] = []
        self.error = ""
        self.attempts = 0
        self.busy = False
        self.gone = False
        self.left_alone = False


class Channel:
    """Delivers what is submitted. All methods belong to one event loop; only `close` waits.

    Args:
        name: as chains name it. adapters: all of them are told. told: called when a due has ended.
    """

    def __init__(self, name: str, adapters: Mapping[str, Port], policy: Delivery, told: Told, metrics: Metrics) -> None:
        self.name = name
        self._adapters = adapters
        self._policy = policy
        self._give_up_s = policy.give_up_after / 1000
        self._told = told
        self._metrics = metrics
        self._log = structlog.get_logger("iskra.notify").bind(channel=name)
        self._tasks: dict[tuple[int, str], _Task] = {}
        self._alerts: dict[str, deque[_Task]] = {}
        self._ready: asyncio.PriorityQueue[tuple[int, int, _Task | None]] = asyncio.PriorityQueue()
        self._patience = 0.0
        self._numbers = 0
        self._stopping = False
        self._workers: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Starts to deliver."""
        self._workers = [asyncio.create_task(self._work()) for _ in range(self._policy.concurrency)]

    @property
    def size(self) -> int:
        """Dues on their way."""
        return len(self._tasks)

    @property
    def oldest(self) -> Due | None:
        """The due that was submitted first of those on their way."""
        return next((task.due for task in self._tasks.values()), None)

    def submit(self, due: Due) -> None:
        """Takes a due; what was submitted before for the same alert goes out first. One whose attempt is still under way goes on."""
        if self._adopt(due) is not None:
            return
        task = _Task(due, self._numbers, asyncio.get_running_loop().time(), list(self._adapters))
        self._numbers += 1
        self._tasks[due.partition, due.id] = task
        alert = self._alerts.setdefault(due.event.alert_id, deque())
        alert.append(task)
        if len(alert) == 1:
            self._enqueue(task)

    def stop(self, due: Due) -> bool:
        """Gives up a due that is not wanted any more; an attempt that is under way ends first. False: it is not on its way."""
        task = self._adopt(due)
        if task is not None and not task.busy:
            self._end(task, "cancelled", due.stopped)
        return task is not None

    def drop(self, due: Due) -> None:
        """Forgets a due without a word: its end stands in the ledger."""
        task = self._tasks.get((due.partition, due.id))
        if task is not None:
            self._remove(task)

    def leave(self, partitions: Collection[int]) -> int:
        """Forgets what is due in these partitions: they are another's, or will be read anew.

        Attempts under way are not called back: each ends as `sent` or `failed` if every adapter has answered for good, else
        without a word, so that whoever has the partition then begins again, with all adapters and the same key. If that is
        this channel it goes on from them, and makes no second attempt beside them.

        Returns:
            How many are under way.
        """
        theirs = [task for task in self._tasks.values() if task.due.partition in partitions]
        for task in theirs:
            if task.busy:
                task.left_alone = True
            else:
                self._remove(task)
        return sum(task.busy for task in theirs)

    def _adopt(self, due: Due) -> _Task | None:
        """The task of a due, which goes by this object from now on; None: it is not on its way."""
        task = self._tasks.get((due.partition, due.id))
        if task is not None:
            task.due = due
            task.left_alone = False
        return task

    async def close(self) -> None:
        """Begins no further attempt; returns when those under way have ended, by their time-out at the latest."""
        self._stopping = True
        for number in range(len(self._workers)):
            self._ready.put_nowait((-1, number, None))
        await asyncio.gather(*self._workers)

    def _enqueue(self, task: _Task) -> None:
        if not task.gone:
            self._ready.put_nowait((RANKS[task.due.event.priority], task.number, task))

    async def _work(self) -> None:
        clock = asyncio.get_running_loop().time
        while (task := await self._next(clock)) is not None:
            task.attempts += 1
            task.busy = True
            notification = Notification(task.due.id, task.due.event)
            if len(task.left) == 1:
                await self._tell(task, task.left[0], notification)
            else:
                await asyncio.gather(*(self._tell(task, name, notification) for name in list(task.left)))
            task.busy = False
            if not task.gone:
                self._judge(task, clock())

    async def _next(self, clock: Callable[[], float]) -> _Task | None:
        """What to try next; None when stopped."""
        while True:
            _, _, task = await self._ready.get()
            if self._stopping or task is None:
                return None
            if task.gone:
                continue
            now = clock()
            if not task.attempts and now - task.since >= self._give_up_s:
                self._end(task, "failed", f"not sent within {self._give_up_s:g} s: the channel had more messages than it could send")
            elif now >= self._patience:
                return task
            else:
                self._enqueue(task)  # meanwhile something more urgent may come
                await asyncio.sleep(min(self._patience - now, LOOK_S))

    async def _tell(self, task: _Task, name: str, notification: Notification) -> None:
        """Tells one adapter, and notes what it says."""
        outcome = "later"
        try:
            async with asyncio.timeout(self._policy.timeout / 1000):
                await self._adapters[name].send(notification)
            outcome = "taken"
            task.left.remove(name)
        except Refused as error:
            outcome = "refused"
            task.left.remove(name)
            task.refused.append(str(error))
        except Later as error:
            task.error = str(error)
            if error.after is not None:
                until = asyncio.get_running_loop().time() + min(error.after, LONGEST_PATIENCE_S)
                self._patience = max(self._patience, until)
        except TimeoutError:
            task.error = f"{name}: no answer within {self._policy.timeout / 1000:g} s"
        except Exception as error:  # noqa: BLE001 - a defect of an adapter must not end the channel; told in full
            self._log.exception("an adapter failed", adapter=name)
            task.error = f"{name}: {type(error).__name__}"
        self._metrics.attempts.labels(name, outcome).inc()

    def _judge(self, task: _Task, now: float) -> None:
        """What follows from an attempt."""
        tries = f"{task.attempts} attempts" if task.attempts > 1 else "1 attempt"
        if not task.left and not task.refused:
            self._end(task, "sent", f"after {tries}" if task.attempts > 1 else None)
        elif not task.left:
            self._end(task, "failed", "; ".join(task.refused))
        elif task.left_alone:
            self._remove(task)
        elif task.due.stopped is not None:
            self._end(task, "cancelled", f"{task.due.stopped}; {tries} before: {task.error}")
        elif (left := task.since + self._give_up_s - now) <= 0:
            self._end(task, "failed", "; ".join([*task.refused, f"given up after {tries}: {task.error}"]))
        else:
            if task.attempts == 1:
                self._log.warning("not delivered; trying again", id=task.due.id, alert=task.due.event.alert_id, error=task.error)
            asyncio.get_running_loop().call_later(min(self._pause(task.attempts), left), self._enqueue, task)

    def _pause(self, attempts: int) -> float:
        """Seconds before the next attempt: half certain, half by chance."""
        doubled = self._policy.first_pause << min(attempts - 1, 20)
        return min(doubled, self._policy.longest_pause) / 1000 * random.uniform(0.5, 1.0)  # noqa: S311 - no secret

    def _end(self, task: _Task, state: str, reason: str | None) -> None:
        self._remove(task)
        self._told(task.due, state, reason)

    def _remove(self, task: _Task) -> None:
        task.gone = True
        del self._tasks[task.due.partition, task.due.id]
        alert = self._alerts[task.due.event.alert_id]
        first = alert[0] is task
        alert.remove(task)
        if not alert:
            del self._alerts[task.due.event.alert_id]
        elif first:
            self._enqueue(alert[0])
