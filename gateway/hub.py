"""Brings changes to the connected browsers: at once when it is calm, ten or twenty times a second when it is not.

Clients with the same subscription form a group; a message is encoded once for a group. A group may send again when its
bucket holds a token: ten a second come in (twenty for those who ask for it, unless there is a crowd), three are kept. Raw
points and sparklines leave the last token for a change of status, so that a verdict need not wait behind a stream of points.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import structlog

from gateway.keys import SubjectKey
from gateway.metrics import Metrics
from gateway.world import Focus, Overview, World

log = structlog.get_logger()

UPDATES_PER_S = 10.0
QUICK_UPDATES_PER_S = 20.0
"""For a page that draws each point as it comes: waiting for the next update is most of the time from a point to the screen."""
CROWD = 100
"""With more clients than this nobody is quick."""
BUCKET = 3.0
RESERVED = 1.0
KEEP_S = 60.0
"""How long what nobody looks at is still noted, so that a reloaded page can resume."""
EMPTY_KEPT = 64
"""So many groups without clients are kept; a browser may look at something else twenty times a second."""
SNAPSHOT_SHARED_S = 0.5
"""A snapshot is at most so old when the next client gets the same; what came after it follows as a delta."""
CONTROLS_KEPT = 32
"""Answers (pong, error) that may wait for a client; more are dropped, oldest first."""

Event = dict[str, Any]
"""An ASGI event; one object goes to all clients of a group, so it is never changed."""
Send = Callable[[Event], Awaitable[None]]


class Subscription(NamedTuple):
    """What a client looks at."""

    namespace: str | None
    tenant: str | None
    subject: SubjectKey | None
    points: bool
    quick: bool = False


class Group:
    """Everybody with one subscription."""

    def __init__(self, what: Subscription, overview: Overview, focus: Focus | None, number: int, now: float) -> None:
        self.what = what
        self.overview = overview
        self.focus = focus
        self.number = number  # changes up to here may be sent
        self.clients: set[Client] = set()
        self.tokens = BUCKET
        self.refilled = now
        self.timer: asyncio.TimerHandle | None = None
        self.urgent = False
        self.empty_since = now
        self.messages: dict[int, Event | None] = {}

    def wait(self, now: float, per_s: float = UPDATES_PER_S) -> float:
        """Seconds until the bucket, into which `per_s` tokens come a second, lets the group send (0: now)."""
        self.tokens = min(BUCKET, self.tokens + (now - self.refilled) * per_s)
        self.refilled = now
        needed = 1.0 if self.urgent else 1.0 + RESERVED
        return max(0.0, (needed - self.tokens) / per_s)


class Client:
    """One browser: a sender that asks for what is new whenever its connection has taken the last message."""

    def __init__(self, hub: Hub, send: Send) -> None:
        self.hub = hub
        self.send = send
        self.group: Group | None = None
        self.number = 0
        self.snapshot_due = False
        self.controls: list[bytes] = []
        self.waiter: asyncio.Future[None] | None = None
        self.sending_since: float | None = None
        self.closed: tuple[int, str] | None = None
        self.task: asyncio.Task[None] | None = None

    def notify(self) -> None:
        """There may be something to send."""
        waiter = self.waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def control(self, message: bytes) -> None:
        """Queues an answer that goes before any delta."""
        if len(self.controls) >= CONTROLS_KEPT:
            del self.controls[0]
        self.controls.append(message)
        self.notify()

    def close(self, code: int, reason: str) -> None:
        """Ends the connection with a close code; whatever is being sent is given up."""
        if self.closed is None:
            self.closed = (code, reason)
            if self.task is not None:
                self.task.cancel()

    async def run(self) -> None:
        """Sends until the connection ends."""
        loop = asyncio.get_running_loop()
        send = self.send
        while True:
            event = self._next()
            if event is None:
                self.waiter = loop.create_future()
                try:
                    await self.waiter
                finally:
                    self.waiter = None
                continue
            self.sending_since = loop.time()
            await send(event)
            self.sending_since = None

    def _next(self) -> Event | None:
        sent = self.hub.sent
        if self.controls:
            sent["control"].inc()
            return text(self.controls.pop(0))
        if self.group is None:
            return None
        if self.snapshot_due:
            self.snapshot_due = False
            sent["snapshot"].inc()
            self.number, message = self.hub.snapshot(self.group, self.number)
            return text(message)
        event = self.hub.message(self.group, self.number)
        self.number = max(self.number, self.group.number)
        if event is not None:
            sent["delta"].inc()
        return event


def text(message: bytes) -> Event:
    """The event that sends a text message."""
    return {"type": "websocket.send", "text": message.decode()}


class Hub:
    """All clients and groups; single-threaded, on the event loop."""

    def __init__(self, world: World, metrics: Metrics, epoch: str, snapshot_limit: int, ws_behind: float) -> None:
        self.world = world
        self.metrics = metrics
        self.epoch = epoch
        self.snapshot_limit = snapshot_limit
        self.ws_behind = ws_behind
        self.began_ms = _now_ms()
        self.clients: set[Client] = set()
        self.groups: dict[Subscription, Group] = {}
        self.sent = {kind: metrics.sent.labels(kind) for kind in ("control", "snapshot", "delta")}
        self.watched: Callable[[set[SubjectKey]], None] = lambda _: None
        self._by_source: dict[Overview | Focus, set[Group]] = {}

    # clients

    def join(self, send: Send) -> Client:
        """A new client; its `run` is to be awaited by who holds the connection."""
        client = Client(self, send)
        self.clients.add(client)
        self.metrics.clients.set(len(self.clients))
        return client

    def leave(self, client: Client) -> None:
        """The client's connection is gone."""
        self.clients.discard(client)
        self.metrics.clients.set(len(self.clients))
        self._leave_group(client)

    def subscribe(self, client: Client, what: Subscription, resume: tuple[str, int] | None) -> None:
        """Lets a client look at something else: a snapshot follows, or what it missed if it can resume."""
        before = None if client.snapshot_due else client.group
        self._leave_group(client)
        loop_now = asyncio.get_running_loop().time()
        overview = self.world.overview(what.namespace, what.tenant)
        focus = None if what.subject is None else self.world.focus(what.subject)
        group = self.groups.get(what)
        if group is None:
            group = self.groups[what] = Group(what, overview, focus, self.world.number, loop_now)
            self._by_source.setdefault(overview, set()).add(group)
            if focus is not None:
                self._by_source.setdefault(focus, set()).add(group)
        if not group.clients:
            # nobody was there to be told, so nothing was scheduled
            group.number = self.world.number
            group.messages.clear()
        group.clients.add(client)
        client.group = group
        number = None if resume is None or resume[0] != self.epoch else resume[1]
        stays = before is not None and before.overview is overview and overview.base <= client.number
        if number is not None and ((stays and number <= client.number) or self.world.can_resume(overview, focus, number)):
            # who stays has, or is about to get, all up to its number, whatever it had seen when it asked: told twice, points would
            # count twice. It needs no snapshot of thousands again to look at another subject.
            client.number = number = client.number if stays else number
            client.snapshot_due = False
            head = [b'"type":"resumed","seq":%d' % number, *self.world.judged(focus)]
            client.control(b"{%b%b}" % (b",".join(head), self._life(group)))
        else:
            client.snapshot_due = True
        if what.points:
            self._tell_watched()
        client.notify()

    def _leave_group(self, client: Client) -> None:
        group, client.group = client.group, None
        if group is None:
            return
        group.clients.discard(client)
        group.empty_since = asyncio.get_running_loop().time()
        if len(self.groups) > len(self.clients) + EMPTY_KEPT:
            self._forget(min((each for each in self.groups.values() if not each.clients), key=lambda each: each.empty_since))

    def _tell_watched(self) -> None:
        self.watched({group.what.subject for group in self.groups.values() if group.what.points and group.what.subject is not None})

    def broadcast(self, message: bytes) -> None:
        """A message for everybody."""
        for client in self.clients:
            client.control(message)

    # changes

    def pump(self) -> None:
        """Called after changes to the world: sends now what may be sent now, and sets timers for the rest."""
        world = self.world
        if not world.touched:
            return
        touched, world.touched = world.touched, set()
        urgent, world.urgent = world.urgent, set()
        now = asyncio.get_running_loop().time()
        for source in touched:
            is_urgent = source in urgent
            for group in self._by_source.get(source, ()):
                if is_urgent and not group.urgent:
                    group.urgent = True
                    if group.timer is not None:
                        group.timer.cancel()
                        group.timer = None
                if group.timer is None and group.clients:
                    self._schedule(group, now)

    def _schedule(self, group: Group, now: float) -> None:
        group.timer = asyncio.get_running_loop().call_later(group.wait(now, self._updates_per_s(group)), self._flush, group)

    def _updates_per_s(self, group: Group) -> float:
        return QUICK_UPDATES_PER_S if group.what.quick and len(self.clients) <= CROWD else UPDATES_PER_S

    def _flush(self, group: Group) -> None:
        now = asyncio.get_running_loop().time()
        group.timer = None
        group.wait(now, self._updates_per_s(group))
        group.tokens = max(0.0, group.tokens - 1.0)
        group.urgent = False
        group.number = self.world.number
        group.messages.clear()
        for client in group.clients:
            client.notify()

    def message(self, group: Group, since: int) -> Event | None:
        """What a client at `since` has not seen of its group; encoded once for all that stand there."""
        if since >= group.number:
            return None
        if since not in group.messages:
            delta = self.world.delta(group.overview, group.focus, group.what.points, since, group.number, _now_ms())
            group.messages[since] = None if delta is None else text(delta)
        return group.messages[since]

    def snapshot(self, group: Group, seen: int) -> tuple[int, bytes]:
        """A snapshot for a client of the group that has seen everything up to `seen`, and the number at which it stands."""
        overview = group.overview
        now = time.monotonic()
        shared = overview.snapshot
        if shared is None or now - shared[1] > SNAPSHOT_SHARED_S or shared[0] < max(overview.base, seen):
            number, body = self.world.snapshot(overview, self.snapshot_limit)
            shared = overview.snapshot = (number, now, body)
        # what the engine wrote before it began, this gateway does not know to the last
        head = b'"seq":%d,"server_time":%d,"began":%d' % (shared[0], _now_ms(), self.began_ms)
        return shared[0], b'{"type":"snapshot",%b,%b%b}' % (head, shared[2], self._life(group))

    def _life(self, group: Group) -> bytes:
        """The life of the group's subject in full, as a field that follows others; nothing without a subject or a life."""
        life = None if group.focus is None else self.world.life(group.focus.key)
        return b"" if life is None else b',"life":' + life

    def sweep(self) -> None:
        """To be called about once a second: cuts off who is too far behind, forgets what nobody looks at any more."""
        now = asyncio.get_running_loop().time()
        for client in list(self.clients):
            if client.sending_since is not None and now - client.sending_since > self.ws_behind:
                self.metrics.dropped.labels("slow").inc()
                client.close(1013, "too far behind")
        dead = [group for group in self.groups.values() if not group.clients and now - group.empty_since > KEEP_S]
        for group in dead:
            self._forget(group)

    def _forget(self, group: Group) -> None:
        if group.timer is not None:
            group.timer.cancel()
        del self.groups[group.what]
        for source in (group.overview, group.focus):
            if source is None:
                continue
            users = self._by_source[source]
            users.discard(group)
            if not users:
                del self._by_source[source]
                if isinstance(source, Overview):
                    del self.world.overviews[source.namespace, source.tenant]
                else:
                    del self.world.foci[source.key]
        if group.what.points:
            self._tell_watched()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
