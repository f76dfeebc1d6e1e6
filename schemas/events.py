"""What the living part of the engine says: budgets, signals, voices, alerts, escalations and actions.

As in `schemas.outputs`, values are plain numbers and times epoch milliseconds; `config` is the hash of the configuration.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from schemas.outputs import Int64, Level, Priority, Side

BudgetAlert = Literal["page", "ticket"]
VoiceWhat = Literal[
    "activated", "deactivated", "pre-empted", "queued", "dropped", "synthesized", "muted", "unmuted", "acknowledged", "symbol", "mode"
]
AlertKind = Literal["slo", "unknown", "budget"]
AlertState = Literal["pending", "firing", "acknowledged", "silenced", "resolved"]
EscalationState = Literal["due", "sent", "failed", "cancelled"]
ActionState = Literal[
    "requested", "approved", "awaiting_approval", "refused", "dispatched", "acknowledged", "effective", "ineffective", "expired"
]
Decision = Literal["approved", "refused", "needs_approval"]


class Cause(msgspec.Struct, frozen=True):
    """Where in the log the record stands that made the engine say this: full topic name, partition, offset."""

    topic: str
    partition: Int64
    offset: Int64


class TermValue(msgspec.Struct, frozen=True):
    """One term of a rule: its text, whether it holds (null: unknown), and the value of its signal then (null: unknown)."""

    term: str
    holds: bool | None
    value: float | None


class BudgetState(msgspec.Struct, frozen=True):
    """Error budget of one metric (topic `slo.budget`), told when its alert changes.

    `bad_ms` of the last `window_ms` were outside OK; `remaining` is the share of the budget left (below 0: overspent);
    `burn` is the burn rate by window (`1h`: bad share of the last hour ÷ (1 − objective)), `threshold` the rate that
    `alert` asks for and `bad` the bad ms by window, so that the arithmetic can be followed.
    """

    tenant: str
    subject: str
    metric: str
    objective: float
    window_ms: Int64
    bad_ms: Int64
    remaining: float
    burn: dict[str, float]
    bad: dict[str, Int64]
    alert: BudgetAlert | None
    previous: BudgetAlert | None
    threshold: float | None
    cause: Cause
    config: str


class SignalsSample(msgspec.Struct, frozen=True):
    """Computed and published signals of a subject (topic `signals.events`): when one becomes yes or ceases to be, and now and then.

    `changed` names those that changed (empty: a regular sample); `values` are all known ones, yes as 1 and no as 0.
    """

    tenant: str
    subject: str
    changed: list[str]
    values: dict[str, float]
    cause: Cause
    config: str


class VoiceEvent(msgspec.Struct, frozen=True):
    """What a voice did (topic `voices.events`).

    `rule` and `terms` say by which rule, `against` names the other side of a conflict, `reason` says why in words;
    `leading` is the leading voice, `symbol` the ritual symbol and `mode` the tonal mode after the event. `active` and
    `queued` are the voices as they stand after it, `actions` the response actions that the event suggests or merges,
    `dropped` those that a synthesis left out, each with its reason. For `symbol` and `mode` events `voice` is theirs.
    """

    tenant: str
    subject: str
    voice: str
    event: VoiceWhat
    priority: str | None
    rule: str | None
    terms: list[TermValue]
    against: str | None
    reason: str | None
    leading: str | None
    symbol: str
    mode: str | None
    active: list[str]
    queued: list[str]
    actions: list[str]
    dropped: dict[str, str]
    by: str | None
    why: str | None
    evidence: Cause
    config: str


class AlertEvidence(msgspec.Struct, frozen=True):
    """What an alert rests on: the id of the status or budget that caused it, points of its window, and where they stand."""

    id: str
    count: Int64 | None
    late: Int64 | None
    topic: str
    partition: Int64
    first_offset: Int64 | None
    last_offset: Int64
    burn: dict[str, float] | None = None
    bad: dict[str, Int64] | None = None


class AlertEvent(msgspec.Struct, frozen=True):
    """A state of an alert (topic `alerts.events`). `alert_id` is the same from its first event to its last.

    `first` and `last` are log times (ms) of its first and of this event, `since` the subject time of what caused it.
    `threshold`, `side` and `value` are those of the status; `chain` is the escalation chain (its priority), `step` the
    number of steps that have become due; `resolution` says how it ended (null while open); `by` and `why` are a person's.
    `flapping` tells that changes are held as one alert.
    """

    alert_id: str
    tenant: str
    subject: str
    metric: str
    kind: AlertKind
    level: Level
    priority: Priority
    state: AlertState
    previous: AlertState | None
    threshold: float | None
    side: Side | None
    value: float | None
    statistic: str | None
    window_ms: Int64 | None
    since: Int64
    first: Int64
    last: Int64
    group: str
    auto_actions: list[str]
    voice_triggers: list[str]
    chain: Priority
    step: Int64
    flapping: bool
    resolution: str | None
    by: str | None
    why: str | None
    evidence: AlertEvidence
    config: str


class EscalationEvent(msgspec.Struct, frozen=True):
    """One step of an alert's chain (topic `escalations.events`).

    The engine says `due` and `cancelled`, the notifier `sent` and `failed`. `kind` is `trigger` for a step, `resolve`
    for telling those who were notified that it is over; `step` counts from 0. `due` is log time in ms, `dedup_key` is
    the same for all deliveries of one step; `summary` is one line for people.
    """

    alert_id: str
    tenant: str
    subject: str
    metric: str
    priority: Priority
    level: Level
    kind: Literal["trigger", "resolve"]
    step: Int64
    role: str
    who: str
    channel: str
    state: EscalationState
    reason: str | None
    due: Int64
    dedup_key: str
    summary: str
    value: float | None
    threshold: float | None
    config: str


class Review(msgspec.Struct, frozen=True):
    """Iskriv's (or a person's) decision on an action."""

    by: str
    decision: Decision
    reason: str


class Effect(msgspec.Struct, frozen=True):
    """What an action was to change, and what became of it: `within` ms after the acknowledgement (`acknowledged`, subject time)."""

    metric: str
    low: float | None
    high: float | None
    within: Int64
    before: float | None
    after: float | None
    acknowledged: Int64 | None


class ActionEvidence(msgspec.Struct, frozen=True):
    """Why an action was asked for: its condition with values, since when it holds (subject ms), and the causing record."""

    condition: str
    terms: list[TermValue]
    since: Int64
    topic: str
    partition: Int64
    offset: Int64


class ActionEvent(msgspec.Struct, frozen=True):
    """A state of an automatic action (topic `actions.events`). `action_id` is the same through its whole life.

    `strength` is of 10. `until` is the log time (ms) by which an acknowledgement or an approval must come, else null.
    `by` and `why` are those of the command that caused this state.
    """

    action_id: str
    tenant: str
    subject: str
    action: str
    metric: str
    level: Priority
    state: ActionState
    previous: ActionState | None
    strength: Int64
    review: Review | None
    effect: Effect
    until: Int64 | None
    by: str | None
    why: str | None
    evidence: ActionEvidence
    config: str
