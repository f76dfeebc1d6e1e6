"""What is known now: the latest status of each metric, and who looks at what.

Every change gets a number, counted from 1 in this process. A client that has seen everything up to number n asks for
what came after n; so one mechanism serves fresh clients (a snapshot, then what came after it), slow ones (they simply
ask later, and get the latest of each metric instead of every step) and those who come back (they ask with the number
at which they were cut off). Nothing is queued for a client, so none can make the memory grow.

All of this lives on the event loop's thread; there are no locks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from typing import TypeVar

import msgspec

from gateway.keys import Key, SubjectKey
from gateway.living import Life, LifeRead, Plans
from schemas.topics import DEAD_LETTERS

CHANGES_KEPT = 20_000
"""Changes of an overview that a returning client may have missed; beyond, it gets a snapshot."""
VERDICTS_KEPT = 1_000
POINTS_KEPT = 2_000
"""Raw points of a subject in focus; of a faster subject, the newest so many."""
SPARKS_KEPT = 30
RECENT_KEPT = 5_000

T = TypeVar("T")

_NEED = {"BLOCK": 0, "WARN": 1, "UNKNOWN": 2, "OK": 3}


class Slim(msgspec.Struct, gc=False, frozen=True):
    """A status as the overview shows it: all of `SloStatus` but the evidence, which is three times as long."""

    namespace: str
    id: str
    tenant: str
    subject: str
    metric: str
    level: str
    priority: str | None
    reason: str | None
    previous: msgspec.Raw
    value: float | None
    fast_value: float | None
    statistic: str
    window_ms: int
    bound: float | None
    side: str | None
    since: int
    config: str


class Status(msgspec.Struct, gc=False):
    """The latest status of one metric: `position` orders statuses of one key, `full` and `slim` are its JSON."""

    id: str
    position: tuple[int, int, int]
    level: str
    since: int
    config: str
    full: bytes
    slim: bytes


class Overview:
    """All statuses of a namespace and a tenant (None: of all), for everybody who looks at them."""

    def __init__(self, namespace: str | None, tenant: str | None, number: int) -> None:
        self.namespace = namespace
        self.tenant = tenant
        self.base = number  # what came before is not in `log`
        self.log: deque[tuple[int, Key]] = deque()
        self.lives: deque[tuple[int, SubjectKey]] = deque()
        self.sparks: deque[tuple[int, bytes]] = deque(maxlen=SPARKS_KEPT)
        self.snapshot: tuple[int, float, bytes] | None = None

    def add(self, number: int, key: Key) -> None:
        """Notes that `key` changed."""
        if len(self.log) >= CHANGES_KEPT:
            self.base = max(self.base, self.log.popleft()[0])
        self.log.append((number, key))

    def add_life(self, number: int, subject: SubjectKey) -> None:
        """Notes that what an overview tells of the subject's life changed."""
        if len(self.lives) >= CHANGES_KEPT:
            self.base = max(self.base, self.lives.popleft()[0])
        self.lives.append((number, subject))

    def changed(self, since: int, upto: int) -> list[Key]:
        """Keys that changed after `since`, each once, oldest first."""
        keys = dict.fromkeys(key for _, key in newer_than(self.log, since, upto))
        return list(keys)[::-1]


class Focus:
    """One subject that somebody looks at closely: every verdict, and its raw points while they are wanted."""

    def __init__(self, key: SubjectKey, number: int) -> None:
        self.key = key
        self.base = number
        self.verdicts: deque[tuple[int, bytes]] = deque()
        self.points: deque[tuple[int, bytes]] = deque(maxlen=POINTS_KEPT)

    def add_verdict(self, number: int, full: bytes) -> None:
        """Notes a change of status of the subject."""
        if len(self.verdicts) >= VERDICTS_KEPT:
            self.base = self.verdicts.popleft()[0]
        self.verdicts.append((number, full))


def newer_than(entries: deque[tuple[int, T]], since: int, upto: int) -> Iterator[tuple[int, T]]:
    """Entries with since < number ≤ upto, newest first; costs only what it yields."""
    for entry in reversed(entries):
        if entry[0] <= since:
            return
        if entry[0] <= upto:
            yield entry


class World:
    """Statuses by key, subjects, and the overviews and foci that somebody looks at.

    `number` is that of the last change. `touched` are the overviews and foci with changes that the hub has not seen yet.
    """

    def __init__(self) -> None:
        self.number = 0
        self.statuses: dict[Key, Status] = {}
        self.subjects: dict[SubjectKey, int] = {}
        """Greatest event time (ms) of what the engine wrote of a subject."""
        self.clocks: dict[str, int] = {}
        """Greatest time (ms) of what the engine wrote, by namespace: where time is virtual, the log's as far as it is known."""
        self.lives: dict[SubjectKey, Life] = {}
        self.plans: Plans = lambda _: None
        self.overviews: dict[tuple[str | None, str | None], Overview] = {}
        self.foci: dict[SubjectKey, Focus] = {}
        self.touched: set[Overview | Focus] = set()
        self.urgent: set[Overview | Focus] = set()
        self.recent: dict[tuple[str, str], bytes] = {}
        """The latest verdicts in full by namespace and id: what the store may not have yet."""
        self._sorted: list[Key] = []
        self._unsorted = False
        self._sorted_lives: list[SubjectKey] = []
        self._unsorted_lives = False

    # changes, from the feed

    def put(self, key: Key, status: Status) -> bool:
        """Takes a status if it is later than the one known; tells whether it was."""
        known = self.statuses.get(key)
        if known is not None and status.position <= known.position:
            return False
        self.number += 1
        self.statuses[key] = status
        if known is None:
            self._unsorted = True
        subject = SubjectKey(key[0], key[1], key[2])
        if self.subjects.get(subject, -1) < status.since:
            self.subjects[subject] = status.since
        self._move(key[0], status.since)
        self._note(key)
        if len(self.recent) >= RECENT_KEPT:
            del self.recent[next(iter(self.recent))]
        self.recent[key[0], status.id] = status.full
        focus = self.foci.get(subject)
        if focus is not None:
            focus.add_verdict(self.number, status.full)
            self.touched.add(focus)
            self.urgent.add(focus)
        return True

    def remove(self, key: Key) -> None:
        """Forgets a metric whose subject was closed."""
        subject = SubjectKey(key[0], key[1], key[2])
        if self.statuses.pop(key, None) is not None:
            self.number += 1
            self._unsorted = True
            self._note(key)
            if not any(True for _ in self.of_subject(subject)):
                self.subjects.pop(subject, None)
        self._let_go(subject)

    def let_strangers_go(self) -> None:
        """Forgets the lives that have come to rest of subjects without a status: to be called when all is read, since topics
        hold events of subjects that were closed long ago.
        """
        for subject in list(self.lives):
            self._let_go(subject)

    def _let_go(self, subject: SubjectKey) -> None:
        if subject not in self.subjects and subject in self.lives and self.lives[subject].is_resting:
            del self.lives[subject]
            self._unsorted_lives = True

    def tell(self, read: LifeRead) -> None:
        """Takes an event of a subject's life."""
        subject = read.subject
        life = self.lives.get(subject)
        if life is None:
            if read.topic == DEAD_LETTERS and subject not in self.subjects and subject not in self.foci:
                return  # a command to somebody who does not exist; anybody can name a million of them
            life = self.lives[subject] = Life()
            self._unsorted_lives = True
        section = life.take(read)
        if section is None:
            return
        self.number += 1
        life.changed[section] = self.number
        if read.position is not None:
            self._move(subject.namespace, read.ts)
        if section in ("voices", "alerts", "actions"):
            told = life.slim(subject)
            if told != life.told:
                life.told = told
                for overview in self._overviews(subject.namespace, subject.tenant):
                    overview.add_life(self.number, subject)
        focus = self.foci.get(subject)
        if focus is not None:
            self.touched.add(focus)
            if section != "signals":
                self.urgent.add(focus)

    def seen(self, subject: SubjectKey, ts: int) -> None:
        """Notes event time `ts` (ms) of a subject that has a status; no change that is told on its own."""
        self._move(subject.namespace, ts)
        known = self.subjects.get(subject)
        if known is not None and known < ts:
            self.subjects[subject] = ts

    def _move(self, namespace: str, ts: int) -> None:
        if self.clocks.get(namespace, -1) < ts:
            self.clocks[namespace] = ts

    def points(self, subject: SubjectKey, points: list[bytes]) -> None:
        """Adds raw points `[metric,ts,value]` of a subject in focus."""
        focus = self.foci.get(subject)
        if focus is None:
            return
        self.number += 1
        focus.points.extend((self.number, point) for point in points)
        self.touched.add(focus)

    def sparks(self, samples: dict[SubjectKey, float]) -> None:
        """Adds one sample a subject to the sparklines of every overview that shows it."""
        if not samples:
            return
        self.number += 1
        for overview in self.overviews.values():
            shown = {
                "|".join(subject): value
                for subject, value in samples.items()
                if overview.namespace in (None, subject.namespace) and overview.tenant in (None, subject.tenant)
            }
            if shown:
                overview.sparks.append((self.number, msgspec.json.encode(shown)[1:-1]))
                self.touched.add(overview)

    def _note(self, key: Key) -> None:
        for overview in self._overviews(key[0], key[1]):
            overview.add(self.number, key)

    def _overviews(self, of_namespace: str, of_tenant: str) -> Iterator[Overview]:
        """The overviews that show a tenant of a namespace; what changes in them is told at once."""
        for namespace in (of_namespace, None):
            for tenant in (of_tenant, None):
                overview = self.overviews.get((namespace, tenant))
                if overview is not None:
                    self.touched.add(overview)
                    self.urgent.add(overview)
                    yield overview

    # views

    def keys(self) -> list[Key]:
        """All keys in order; sorted again only after keys came or went."""
        if self._unsorted:
            self._sorted = sorted(self.statuses)
            self._unsorted = False
        return self._sorted

    def range(self, *prefix: str) -> list[Key]:
        """Keys that begin with these parts (namespace, tenant, subject)."""
        keys = self.keys()
        if not prefix:
            return keys
        low = bisect_left(keys, prefix)
        high = bisect_left(keys, (*prefix[:-1], prefix[-1] + "\0"))
        return keys[low:high]

    def of_subject(self, subject: SubjectKey) -> Iterator[Status]:
        """The statuses of one subject, by metric."""
        return (self.statuses[key] for key in self.range(*subject) if key in self.statuses)

    def living(self, *prefix: str) -> list[SubjectKey]:
        """Subjects of which events of their life are known, in order, that begin with these parts (namespace, tenant, subject)."""
        if self._unsorted_lives:
            self._sorted_lives = sorted(self.lives)
            self._unsorted_lives = False
        low = bisect_left(self._sorted_lives, prefix)
        high = bisect_left(self._sorted_lives, (*prefix[:-1], prefix[-1] + "\0"))
        return self._sorted_lives[low:high]

    def life(self, subject: SubjectKey, since: int = 0, upto: int | None = None) -> bytes | None:
        """The sections of a subject's life that changed after `since` up to `upto` (None: all), as JSON; None: none did."""
        life = self.lives.get(subject)
        return None if life is None else life.json(self.plans, since, upto)

    def matching(self, namespace: str | None, tenant: str | None) -> list[Key]:
        """Keys of an overview, in order."""
        if namespace is None:
            return [key for key in self.keys() if tenant is None or key.tenant == tenant]
        return self.range(namespace) if tenant is None else self.range(namespace, tenant)

    def overview(self, namespace: str | None, tenant: str | None) -> Overview:
        """The overview of a namespace and a tenant, begun now if nobody looked at it yet."""
        found = self.overviews.get((namespace, tenant))
        if found is None:
            found = self.overviews[namespace, tenant] = Overview(namespace, tenant, self.number)
        return found

    def focus(self, subject: SubjectKey) -> Focus:
        """The focus of a subject, begun now if nobody looked at it yet."""
        found = self.foci.get(subject)
        if found is None:
            found = self.foci[subject] = Focus(subject, self.number)
        return found

    # messages

    def delta(self, overview: Overview, focus: Focus | None, points: bool, since: int, upto: int, now_ms: int) -> bytes | None:
        """The message with what changed after `since` up to `upto` (None: nothing did). Costs what changed, not what is known."""
        parts: list[bytes] = []
        changed = overview.changed(since, upto)
        if changed:
            present = [self.statuses[key].slim for key in changed if key in self.statuses]
            if present:
                parts.append(b'"statuses":[%b]' % b",".join(present))
            if len(present) < len(changed):
                gone = ["|".join(key) for key in changed if key not in self.statuses]
                parts.append(b'"removed":' + msgspec.json.encode(gone))
        if focus is not None:
            verdicts = [raw for _, raw in newer_than(focus.verdicts, since, upto)][::-1]
            if verdicts:
                parts.append(b'"verdicts":[%b]' % b",".join(verdicts))
            fresh = [raw for _, raw in newer_than(focus.points, since, upto)][::-1] if points else []
            if fresh:
                parts.append(b'"points":[%b]' % b",".join(fresh))
            life = self.life(focus.key, since, upto)
            if life is not None:
                parts.append(b'"life":%b' % life)
        lives = dict.fromkeys(subject for _, subject in newer_than(overview.lives, since, upto))
        told = [self.lives[subject].told for subject in lives if subject in self.lives]
        if told:
            parts.append(b'"lives":[%b]' % b",".join(told))
        sparks = [raw for _, raw in newer_than(overview.sparks, since, upto)][::-1]
        if sparks:
            parts.append(b'"sparks":{%b}' % b",".join(sparks))
        if not parts:
            return None
        parts += self.judged(focus) + self._clock(overview)
        return b'{"type":"delta","seq":%d,"server_time":%d,%b}' % (upto, now_ms, b",".join(parts))

    def judged(self, focus: Focus | None) -> list[bytes]:
        """The field that tells how far the engine has come with the subject in focus; none if nothing is known of it."""
        ts = None if focus is None else self.subjects.get(focus.key)
        return [] if ts is None else [b'"judged":%d' % ts]

    def _clock(self, overview: Overview) -> list[bytes]:
        clock = None if overview.namespace is None else self.clocks.get(overview.namespace)
        return [] if clock is None else [b'"clock":%d' % clock]

    def can_resume(self, overview: Overview, focus: Focus | None, since: int) -> bool:
        """Whether everything after `since` is still known for this subscription."""
        return overview.base <= since <= self.number and (focus is None or focus.base <= since)

    def snapshot(self, overview: Overview, limit: int) -> tuple[int, bytes]:
        """The number at which it stands, and a snapshot's fields: at most `limit` statuses, those in need first."""
        keys = self.matching(overview.namespace, overview.tenant)
        shown = keys
        if len(keys) > limit:
            firing = {
                subject for subject, life in self.lives.items() if any(a.last and a.last.state == "firing" for a in life.alerts.values())
            }
            shown = sorted(keys, key=lambda key: 0 if key[:3] in firing else _NEED[self.statuses[key].level])[:limit]
        statuses = b",".join(self.statuses[key].slim for key in shown)
        subjects = dict.fromkeys(SubjectKey(key[0], key[1], key[2]) for key in shown)
        listed = b",".join(
            msgspec.json.encode({"namespace": s.namespace, "tenant": s.tenant, "subject": s.subject, "last_ts": self.subjects[s]})
            for s in subjects
        )
        lives = [life.told for life in (self.lives.get(subject) for subject in subjects) if life is not None and not life.is_resting]
        parts = [b'"total":%d,"statuses":[%b],"subjects":[%b],"lives":[%b]' % (len(keys), statuses, listed, b",".join(lives))]
        return self.number, b",".join(parts + self._clock(overview))
