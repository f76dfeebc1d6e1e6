"""Records of budgets, signals, voices, alerts, escalations and actions → blocks of their tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from schemas.topics import ACTIONS, ALERTS, BUDGET, ESCALATIONS, SIGNALS, VOICES
from sinks.clickhouse import native
from sinks.clickhouse.native import Column
from sinks.clickhouse.rows import Row, few, few_or_none, nested, of_each


class BudgetRow(msgspec.Struct, gc=False):
    """A budget's state; nested parts of all these rows stay the JSON that they are."""

    tenant: str
    subject: str
    metric: str
    objective: float
    window_ms: int
    bad_ms: int
    remaining: float
    burn: dict[str, float]
    bad: dict[str, float]
    alert: str | None
    previous: str | None
    threshold: float | None
    cause: msgspec.Raw
    config: str


class SignalsRow(msgspec.Struct, gc=False):
    """A sample of signals."""

    tenant: str
    subject: str
    changed: list[str]
    values: dict[str, float]
    cause: msgspec.Raw
    config: str


class VoiceRow(msgspec.Struct, gc=False):
    """What a voice did."""

    tenant: str
    subject: str
    voice: str
    event: str
    priority: str | None
    rule: str | None
    terms: msgspec.Raw
    against: str | None
    reason: str | None
    leading: str | None
    symbol: str
    mode: str | None
    active: list[str]
    queued: list[str]
    actions: list[str]
    dropped: msgspec.Raw
    by: str | None
    why: str | None
    evidence: msgspec.Raw
    config: str


class AlertRow(msgspec.Struct, gc=False):
    """A state of an alert."""

    alert_id: str
    tenant: str
    subject: str
    metric: str
    kind: str
    level: str
    priority: str
    state: str
    previous: str | None
    threshold: float | None
    side: str | None
    value: float | None
    statistic: str | None
    window_ms: int | None
    since: int
    first: int
    last: int
    group: str
    auto_actions: list[str]
    voice_triggers: list[str]
    chain: str
    step: int
    flapping: bool
    resolution: str | None
    by: str | None
    why: str | None
    evidence: msgspec.Raw
    config: str


class EscalationRow(msgspec.Struct, gc=False):
    """A step that is due or cancelled, or its end in the notifier's ledger."""

    alert_id: str
    tenant: str
    subject: str
    metric: str
    priority: str
    level: str
    kind: str
    step: int
    role: str
    who: str
    channel: str
    state: str
    reason: str | None
    due: int
    dedup_key: str
    summary: str
    value: float | None
    threshold: float | None
    config: str


class ActionRow(msgspec.Struct, gc=False):
    """A state of an automatic action."""

    action_id: str
    tenant: str
    subject: str
    action: str
    metric: str
    level: str
    state: str
    previous: str | None
    strength: int
    review: msgspec.Raw
    effect: msgspec.Raw
    until: int | None
    by: str | None
    why: str | None
    evidence: msgspec.Raw
    config: str


def _budgets(rows: list[Row]) -> list[Column]:
    return [
        *_head(rows),
        *few(rows, "metric"),
        *_floats(rows, "objective", "remaining"),
        *_integers(rows, "window_ms", "bad_ms"),
        native.number_maps("burn", of_each(rows, "burn")),
        native.number_maps("bad", of_each(rows, "bad")),
        *few_or_none(rows, "alert", "previous"),
        *_maybe_floats(rows, "threshold"),
        *nested(rows, "cause"),
    ]


def _signals(rows: list[Row]) -> list[Column]:
    return [
        *_head(rows),
        native.text_lists("changed", of_each(rows, "changed")),
        native.number_maps("values", of_each(rows, "values")),
        *nested(rows, "cause"),
    ]


def _voices(rows: list[Row]) -> list[Column]:
    return [
        *_head(rows),
        *few(rows, "voice", "event", "symbol"),
        *few_or_none(rows, "priority", "rule", "against", "leading", "mode", "by"),
        *_maybe_texts(rows, "reason", "why"),
        *[native.text_lists(field, of_each(rows, field)) for field in ("active", "queued", "actions")],
        *nested(rows, "terms", "dropped", "evidence"),
    ]


def _alerts(rows: list[Row]) -> list[Column]:
    return [
        *_head(rows),
        native.texts("alert_id", of_each(rows, "alert_id")),
        *few(rows, "metric", "kind", "level", "priority", "state", "group", "chain"),
        *few_or_none(rows, "previous", "side", "statistic", "resolution", "by"),
        *_maybe_texts(rows, "why"),
        *_maybe_floats(rows, "threshold", "value"),
        native.nullable_numbers("window_ms", "UInt64", of_each(rows, "window_ms")),
        *[native.times(field, of_each(rows, field)) for field in ("since", "first", "last")],
        *[native.text_lists(field, of_each(rows, field)) for field in ("auto_actions", "voice_triggers")],
        native.numbers("step", "UInt32", of_each(rows, "step")),
        native.numbers("flapping", "UInt8", [int(flapping) for flapping in of_each(rows, "flapping")]),
        *nested(rows, "evidence"),
    ]


def _escalations(rows: list[Row]) -> list[Column]:
    return [
        *_head(rows),
        native.few_texts("by", native.factor([row.by for row in rows])),
        *few(rows, "metric", "priority", "level", "kind", "role", "who", "channel", "state"),
        *[native.texts(field, of_each(rows, field)) for field in ("alert_id", "dedup_key", "summary")],
        native.numbers("step", "UInt32", of_each(rows, "step")),
        *_maybe_texts(rows, "reason"),
        native.times("due", of_each(rows, "due")),
        *_maybe_floats(rows, "value", "threshold"),
    ]


def _actions(rows: list[Row]) -> list[Column]:
    return [
        *_head(rows),
        native.texts("action_id", of_each(rows, "action_id")),
        *few(rows, "action", "metric", "level", "state"),
        *few_or_none(rows, "previous", "by"),
        *_maybe_texts(rows, "why"),
        native.numbers("strength", "UInt8", of_each(rows, "strength")),
        native.nullable_times("until", of_each(rows, "until")),
        *nested(rows, "review", "effect", "evidence"),
    ]


def _head(rows: list[Row]) -> list[Column]:
    """What all have: id, whose, configuration, time."""
    times = [row.ts for row in rows]
    return [
        native.texts("id", [row.id for row in rows]),
        *few(rows, "tenant", "subject", "config"),
        native.times("ts", times),
        native.days("day", times),
    ]


def _floats(rows: list[Row], *fields: str) -> list[Column]:
    return [native.numbers(field, "Float64", of_each(rows, field)) for field in fields]


def _maybe_floats(rows: list[Row], *fields: str) -> list[Column]:
    return [native.nullable_numbers(field, "Float64", of_each(rows, field)) for field in fields]


def _integers(rows: list[Row], *fields: str) -> list[Column]:
    return [native.numbers(field, "UInt64", of_each(rows, field)) for field in fields]


def _maybe_texts(rows: list[Row], *fields: str) -> list[Column]:
    return [native.nullable_texts(field, of_each(rows, field)) for field in fields]


TABLES: dict[str, tuple[msgspec.json.Decoder[Any], str, Callable[[list[Row]], list[Column]]]] = {
    BUDGET: (msgspec.json.Decoder(BudgetRow), "budgets", _budgets),
    SIGNALS: (msgspec.json.Decoder(SignalsRow), "signals", _signals),
    VOICES: (msgspec.json.Decoder(VoiceRow), "voices", _voices),
    ALERTS: (msgspec.json.Decoder(AlertRow), "alerts", _alerts),
    ESCALATIONS: (msgspec.json.Decoder(EscalationRow), "escalations", _escalations),
    ACTIONS: (msgspec.json.Decoder(ActionRow), "actions", _actions),
}
"""Of each topic: how a record is read, the table, and its columns."""
