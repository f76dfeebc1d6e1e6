"""The subjects of a partition: who is known, who has changed, and whom the next ticks concern.

Silence is counted in ticks (semantics §3). A tick must never walk all subjects, so each is planned for the tick at which
something may happen to it: becoming idle, going on with it, or being forgotten.
"""

from __future__ import annotations

from heapq import heappop, heappush

from processors.compiled import Compiled
from processors.instant import NEVER
from processors.schedule import Schedule
from processors.subject import Subject


class Population:
    """Subjects by tenant and name and by key; `tick_count` ticks have passed, the last stood for the second `last_tick`."""

    def __init__(self, expire_after: int) -> None:
        self.expire_after = expire_after
        self.last_tick = -1
        self.tick_count = 0
        self.by_key: dict[bytes, Subject] = {}
        self._by_name: dict[str, dict[str, Subject]] = {}
        self._schedule = Schedule()
        self._waiting: list[tuple[int, bytes]] = []
        self._changed: list[Subject] = []
        self._forgotten: list[bytes] = []

    def lookup(self, tenant: str | None, name: str | None) -> Subject | None:
        """The subject; None if unknown."""
        of_tenant = self._by_name.get(tenant) if tenant is not None else None
        return of_tenant.get(name) if of_tenant is not None and name is not None else None

    def enter(self, subject: Subject) -> None:
        """Makes a subject known, and plans it."""
        self.by_key[subject.key] = subject
        self._by_name.setdefault(subject.tenant, {})[subject.name] = subject
        self.plan(subject, max(self.idle_tick(subject), self.tick_count + 1))
        self.plan_waiting(subject)

    def forget(self, subject: Subject) -> None:
        """Closes a subject; it owes a tombstone."""
        del self.by_key[subject.key]
        del self._by_name[subject.tenant][subject.name]
        if not self._by_name[subject.tenant]:
            del self._by_name[subject.tenant]
        self._forgotten.append(subject.key)

    def take_forgotten(self) -> list[bytes]:
        """Keys of the subjects closed since the last call."""
        gone, self._forgotten = self._forgotten, []
        return gone

    def mark(self, subject: Subject) -> None:
        """Notes that a subject has changed."""
        if not subject.changed:
            subject.changed = True
            self._changed.append(subject)

    def take_changed(self) -> list[bytes]:
        """Keys of the subjects marked since the last call, as far as they are still known."""
        changed, self._changed = self._changed, []
        for subject in changed:
            subject.changed = False
        return [subject.key for subject in changed if self.by_key.get(subject.key) is subject]

    def tick(self, second: int) -> list[Subject]:
        """Counts a tick; the subjects that it concerns, in the order of their keys."""
        self.last_tick = second
        self.tick_count += 1
        concerned = []
        for key in sorted(self._schedule.due(self.tick_count)):
            subject = self.by_key.get(key)
            if subject is not None and subject.due <= self.tick_count:
                concerned.append(subject)
        return concerned

    def skip_ticks(self, last: int) -> int:
        """Counts the ticks up to the second `last` that concern nobody.

        Returns:
            The second of the next tick that has to be applied; greater than `last` if none of them.
        """
        free = last - self.last_tick if self.last_tick >= 0 else 0
        next_due = self._schedule.next_due()
        if next_due is not None:
            free = min(free, next_due - self.tick_count - 1)
        if self._waiting:
            free = min(free, -(-self._waiting[0][0] // 1000) - self.last_tick - 1)
        if free > 0:
            self.last_tick += free
            self.tick_count += free
        return self.last_tick + 1

    def silence(self, subject: Subject) -> int:
        """Ticks since the subject's last accepted point."""
        return self.tick_count - subject.point_tick

    def is_idle(self, subject: Subject) -> bool:
        """Whether so many ticks have passed that they move the subject's time."""
        return self.tick_count - subject.point_tick > subject.timing.idle_after

    def idle_tick(self, subject: Subject) -> int:
        """Number of the tick that finds the subject idle (or expired) unless another point comes."""
        return subject.point_tick + min(subject.timing.idle_after + 1, self.expire_after)

    def plan(self, subject: Subject, tick: int) -> None:
        """Has a subject looked at, at the tick of this number."""
        subject.due = tick
        self._schedule.add(tick, subject.key)

    def plan_waiting(self, subject: Subject) -> None:
        """Has a subject looked at, at the tick at which its living part is due: by log time, or by its own if it is silent."""
        life = subject.life
        if life is None:
            return
        due = life.log_due
        if life.due < due and not subject.is_awake() and self.is_idle(subject):
            # its time moves with the ticks
            due = min(due, max(life.due, self.last_tick * 1000 + 1000))
        if due < subject.log_planned:
            subject.log_planned = due
            heappush(self._waiting, (due, subject.key))

    def waited(self, log_now: int) -> set[bytes]:
        """Takes out the keys of the known subjects planned for the log time `log_now` (ms) or before."""
        keys: set[bytes] = set()
        waiting = self._waiting
        while waiting and waiting[0][0] <= log_now:
            key = heappop(waiting)[1]
            subject = self.by_key.get(key)
            if subject is not None:
                subject.log_planned = NEVER
                keys.add(key)
        return keys

    def wake_up(self, subject: Subject, compiled: Compiled) -> None:
        """Moves a subject that slept through ticks to the last tick's second; nothing else can have happened to it."""
        if not subject.is_awake() and self.is_idle(subject):
            subject.catch_up(self.last_tick, compiled)
