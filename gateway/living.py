"""What lives in a subject beyond its statuses, as its events tell it: voices, alerts with their escalation, actions, budgets, signals.

Events of one subject and topic come in the order of the log, so what stands is what came last; one that comes again after
a crash of the worker has a position that was passed already. An event is kept as the JSON that it came as, with its
namespace, id and time in front.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import msgspec

from gateway.keys import SubjectKey
from schemas.events import ActionEvent, AlertEvent, BudgetState, EscalationEvent, SignalsSample, VoiceEvent
from schemas.living import Alerts
from schemas.outputs import DeadLetter
from schemas.topics import ACTIONS, ALERTS, BUDGET, DEAD_LETTERS, ESCALATIONS, SIGNALS, VOICES

RECENT_VOICES = 30
CLOSED_KEPT = 10
"""Alerts that are resolved and actions whose life is over, of one subject; the store has them all."""
ORPHANS_KEPT = 32
"""Alerts of a subject whose steps were read before they were."""
REFUSALS_KEPT = 5
REFUSED = (b'"bad_command"', b'"unknown_subject"')
"""Reasons of dead letters that are commands."""

SECTIONS = {
    VOICES: "voices",
    ALERTS: "alerts",
    ESCALATIONS: "alerts",
    ACTIONS: "actions",
    BUDGET: "budgets",
    SIGNALS: "signals",
    DEAD_LETTERS: "refusals",
}
"""The part of a subject's life that a topic changes."""
FINAL = frozenset(("refused", "effective", "ineffective", "expired"))
"""States in which an action's life is over."""

Body = VoiceEvent | AlertEvent | EscalationEvent | ActionEvent | BudgetState | DeadLetter | None
Plans = Callable[[str], Alerts | None]
"""The escalation of the configuration with this hash, as far as it is known."""

_EVENTS: dict[str, msgspec.json.Decoder[Body]] = {
    VOICES: msgspec.json.Decoder(VoiceEvent),
    ALERTS: msgspec.json.Decoder(AlertEvent),
    ESCALATIONS: msgspec.json.Decoder(EscalationEvent),
    ACTIONS: msgspec.json.Decoder(ActionEvent),
    BUDGET: msgspec.json.Decoder(BudgetState),
}
_LETTER = msgspec.json.Decoder(DeadLetter)
_SAMPLE = msgspec.json.Decoder(SignalsSample)
_JSON = msgspec.json.Encoder()


class LifeRead(msgspec.Struct, frozen=True, gc=False):
    """An event as it was read. `position` orders those of a subject and topic, None: it came from no engine."""

    subject: SubjectKey
    topic: str
    id: str
    position: tuple[int, int, int] | None
    ts: int
    body: Body
    full: bytes


def read_life(namespace: str, short: str, key: bytes, identity: str, ts: int, value: bytes, by: bytes | None) -> LifeRead | None:
    """An event of a topic of `SECTIONS`, None if it is no business of the living part.

    Raises:
        ValueError: it cannot be read (msgspec's errors are ValueErrors).
    """
    if short == DEAD_LETTERS:
        if not any(reason in value for reason in REFUSED):
            return None
        letter = _LETTER.decode(value)
        tenant, subject = letter.tenant, letter.subject
        if tenant is None or subject is None:
            tenant, _, subject = key.decode().partition("/")
        told = _JSON.encode({"partition": letter.partition, "offset": letter.offset, "detail": letter.detail, "ts": ts})
        return LifeRead(SubjectKey(namespace, tenant, subject), short, identity, None, ts, letter, told)
    _, offset, index, n, _ = identity.split("-", 4)
    tenant, _, subject = key.decode().partition("/")
    body = _EVENTS[short].decode(value) if short in _EVENTS else None
    if body is None:
        _SAMPLE.decode(value)  # it goes to browsers as it stands
    head = b'{"namespace":%b,"id":%b,"ts":%d,' % (_JSON.encode(namespace), _JSON.encode(identity), ts)
    position = None if by is not None else (int(offset), int(index), int(n))
    return LifeRead(SubjectKey(namespace, tenant, subject), short, identity, position, ts, body, head + value.lstrip()[1:])


class _Voices:
    """Who speaks and who waits."""

    def __init__(self) -> None:
        self.leading: str | None = None
        self.leading_since: int | None = None
        self.symbol = "observation"
        self.mode: str | None = None
        self.active: dict[str, bytes] = {}
        self.queued: dict[str, bytes] = {}
        self.muted: dict[str, bytes] = {}
        self.synthesis = b"null"
        self.recent: deque[bytes] = deque(maxlen=RECENT_VOICES)

    def take(self, body: VoiceEvent, ts: int, full: bytes) -> None:
        if body.event == "activated":
            self.active[body.voice] = full
        elif body.event == "queued":
            self.queued[body.voice] = full
        elif body.event == "muted":
            self.muted[body.voice] = full
        elif body.event == "unmuted":
            self.muted.pop(body.voice, None)
        elif body.event == "synthesized":
            self.synthesis = full
        # what was said before the topic's first record is not known
        self.active = {voice: self.active.get(voice, b"null") for voice in body.active}
        self.queued = {voice: self.queued.get(voice, b"null") for voice in body.queued}
        if body.leading != self.leading:
            self.leading, self.leading_since = body.leading, None if body.leading is None else ts
        self.symbol, self.mode = body.symbol, body.mode
        self.recent.appendleft(full)

    def json(self) -> bytes:
        head = _JSON.encode({"leading": self.leading, "leading_since": self.leading_since, "symbol": self.symbol, "mode": self.mode})
        return b'%b,"active":[%b],"queued":[%b],"muted":[%b],"synthesis":%b,"recent":[%b]}' % (
            head[:-1], _named(self.active), _named(self.queued), _named(self.muted), self.synthesis, b",".join(self.recent),
        )  # fmt: skip


def _named(said: dict[str, bytes]) -> bytes:
    return b",".join(b'{"voice":%b,"said":%b}' % (_JSON.encode(voice), full) for voice, full in said.items())


class _Alert:
    """An alert and its chain. `fired` is the log time (ms) at which it began to fire, None: not yet."""

    def __init__(self) -> None:
        self.last: AlertEvent | None = None
        self.full = b""
        self.fired: int | None = None
        self.steps: dict[tuple[int, str], bytes] = {}
        self.due = 0

    def take(self, body: AlertEvent, full: bytes) -> None:
        self.last, self.full = body, full
        if body.state == "firing" and self.fired is None:
            self.fired = body.last

    def step(self, body: EscalationEvent, full: bytes) -> None:
        self.steps[body.step, body.kind] = full
        if body.kind == "trigger" and body.state != "cancelled":
            self.due = max(self.due, body.step + 1)

    def following(self, plans: Plans) -> dict[str, object] | None:
        """What happens next if nobody does anything: it fires, or a step becomes due; None: nothing, or it cannot be told."""
        last = self.last
        plan = None if last is None else plans(last.config)
        chain = None if plan is None or last is None else plan.chains.get(last.chain)
        if plan is None or chain is None or last is None:
            return None
        starts = last.first + int(chain.wait)
        if last.state == "pending":
            return {"what": "fires", "due": starts}
        if last.state != "firing" or self.due >= len(chain.steps):
            return None
        # a tick comes a little later than it was due; a silence puts it off by much more
        fired = self.fired if self.fired is not None and self.fired > starts + 5_000 else starts
        step = chain.steps[self.due]
        due = fired + int(step.after)
        return {"what": "step", "step": self.due, "role": step.role, "who": plan.people.get(step.role), "channel": step.channel, "due": due}

    def json(self, plans: Plans) -> bytes:
        steps = b",".join(self.steps[key] for key in sorted(self.steps))
        fired = b"null" if self.fired is None else b"%d" % self.fired
        return b'%b,"fired":%b,"steps":[%b],"next":%b}' % (self.full.rstrip()[:-1], fired, steps, _JSON.encode(self.following(plans)))


class _Action:
    """An action and the states that it went through."""

    def __init__(self) -> None:
        self.full = b""
        self.state = ""
        self.states: list[dict[str, object]] = []

    def take(self, body: ActionEvent, identity: str, ts: int, full: bytes) -> None:
        self.full, self.state = full, body.state
        self.states.append({"state": body.state, "ts": ts, "by": body.by, "why": body.why, "id": identity})

    def json(self) -> bytes:
        return b'%b,"states":%b}' % (self.full.rstrip()[:-1], _JSON.encode(self.states))


class Life:
    """The living part of one subject.

    `changed` says at which change of the world each section changed last; `told` is the line of it in an overview.
    """

    __slots__ = (
        "_orphans",
        "_positions",
        "actions",
        "alerts",
        "budgets",
        "changed",
        "closed",
        "done",
        "refusals",
        "signals",
        "told",
        "voices",
    )

    def __init__(self) -> None:
        self.changed: dict[str, int] = {}
        self.told = b""
        self.voices: _Voices | None = None
        self.alerts: dict[str, _Alert] = {}
        self.closed: deque[_Alert] | None = None
        self.actions: dict[str, _Action] = {}
        self.done: deque[_Action] | None = None
        self.budgets: dict[str, bytes] = {}
        self.signals: bytes | None = None
        self.refusals: list[bytes] = []
        self._positions: dict[str, tuple[int, int, int]] = {}
        self._orphans: dict[str, _Alert] = {}

    def take(self, read: LifeRead) -> str | None:
        """Takes an event; the section that it changed, None: it was known already."""
        if read.position is not None:
            known = self._positions.get(read.topic)
            if known is not None and read.position <= known:
                return None
            self._positions[read.topic] = read.position
        body = read.body
        if body is None:
            self.signals = read.full
        elif isinstance(body, VoiceEvent):
            if self.voices is None:
                self.voices = _Voices()
            self.voices.take(body, read.ts, read.full)
        elif isinstance(body, AlertEvent):
            self._take_alert(body, read.full)
        elif isinstance(body, EscalationEvent):
            self._alert(body.alert_id).step(body, read.full)
        elif isinstance(body, ActionEvent):
            self._take_action(body, read)
        elif isinstance(body, BudgetState):
            self.budgets[body.metric] = read.full
        else:
            self.refusals = [read.full, *self.refusals[: REFUSALS_KEPT - 1]]
        return SECTIONS[read.topic]

    def _take_alert(self, body: AlertEvent, full: bytes) -> None:
        alert = self.alerts.get(body.alert_id) or self._orphans.pop(body.alert_id, None) or _Alert()
        alert.take(body, full)
        if body.state != "resolved":
            self.alerts[body.alert_id] = alert
            return
        self.alerts.pop(body.alert_id, None)
        if self.closed is None:
            self.closed = deque(maxlen=CLOSED_KEPT)
        self.closed.appendleft(alert)

    def _alert(self, alert_id: str) -> _Alert:
        """The alert of that id; one that is not known (yet) is kept aside."""
        found = self.alerts.get(alert_id) or self._orphans.get(alert_id)
        if found is None:
            found = next((each for each in self.closed or () if each.last is not None and each.last.alert_id == alert_id), None)
        if found is None:
            if len(self._orphans) >= ORPHANS_KEPT:
                del self._orphans[next(iter(self._orphans))]
            found = self._orphans[alert_id] = _Alert()
        return found

    def _take_action(self, body: ActionEvent, read: LifeRead) -> None:
        action = self.actions.get(body.action_id) or _Action()
        action.take(body, read.id, read.ts, read.full)
        if body.state not in FINAL:
            self.actions[body.action_id] = action
            return
        self.actions.pop(body.action_id, None)
        if self.done is None:
            self.done = deque(maxlen=CLOSED_KEPT)
        self.done.appendleft(action)

    @property
    def is_resting(self) -> bool:
        """Whether nobody speaks or waits, no alert is open and no action under way."""
        voices = self.voices
        return not self.alerts and not self.actions and (voices is None or not (voices.active or voices.queued or voices.muted))

    # as it is told

    def slim(self, subject: SubjectKey) -> bytes:
        """The line of an overview."""
        voices = self.voices
        states = [alert.last.state for alert in self.alerts.values() if alert.last is not None]
        firing = [alert.last.priority for alert in self.alerts.values() if alert.last is not None and alert.last.state == "firing"]
        return _JSON.encode(
            {
                "namespace": subject.namespace,
                "tenant": subject.tenant,
                "subject": subject.subject,
                "leading": None if voices is None else voices.leading,
                "active": [] if voices is None else list(voices.active),
                "queued": [] if voices is None else list(voices.queued),
                "symbol": None if voices is None else voices.symbol,
                "mode": None if voices is None else voices.mode,
                "firing": len(firing),
                "acknowledged": states.count("acknowledged"),
                "pending": states.count("pending") + states.count("silenced"),
                "worst": min(firing, default=None),
                "waiting": sum(action.state == "awaiting_approval" for action in self.actions.values()),
                "actions": len(self.actions),
            }
        )

    def voices_json(self) -> bytes:
        """Who speaks; of a subject whose voices have never said anything, what is at rest."""
        return (self.voices or _Voices()).json()

    def section(self, name: str, plans: Plans) -> bytes:
        """One section as JSON."""
        if name == "voices":
            return self.voices_json()
        if name == "alerts":
            closed = b",".join(alert.json(plans) for alert in self.closed or ())
            return b'{"open":[%b],"closed":[%b]}' % (b",".join(alert.json(plans) for alert in self.alerts.values()), closed)
        if name == "actions":
            done = b",".join(action.json() for action in self.done or ())
            return b'{"open":[%b],"closed":[%b]}' % (b",".join(action.json() for action in self.actions.values()), done)
        if name == "budgets":
            return b"[%b]" % b",".join(self.budgets.values())
        if name == "refusals":
            return b"[%b]" % b",".join(self.refusals)
        return self.signals or b"null"

    def json(self, plans: Plans, since: int = 0, upto: int | None = None) -> bytes | None:
        """The sections that changed after `since` up to `upto` (None: all), None: none did."""
        names = [name for name, at in self.changed.items() if at > since and (upto is None or at <= upto)]
        return b"{%b}" % b",".join(b'"%b":%b' % (name.encode(), self.section(name, plans)) for name in names) if names else None
