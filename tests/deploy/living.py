"""Ten minutes of voices, alerts, budgets and actions whose answers are known, for the dashboards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from tests.sink.living import ACTION, ALERT, BUDGET_STATE, ESCALATION, SAMPLE, VOICE

replace = msgspec.structs.replace
JSON = {"cause", "terms", "dropped", "evidence", "review", "effect"}
TIMES = {"since", "first", "last", "due", "until"}


def _insert(client: Any, table: str, identity: str, at: datetime, message: msgspec.Struct, **more: Any) -> None:
    fields = msgspec.to_builtins(message)
    row = {
        name: msgspec.json.encode(value).decode()
        if name in JSON
        else datetime.fromtimestamp(value / 1000, UTC)
        if name in TIMES and value is not None
        else value
        for name, value in fields.items()
    }
    row |= {"id": identity, "ts": at, "day": at.date(), **more}
    client.insert(table, [list(row.values())], column_names=list(row))


def fill(client: Any, start: datetime) -> None:
    """Rows of the ten minutes from `start`.

    alpha: pino speaks from 60 s to 360 s, from 180 s on with hundun, until the end hundun alone; kayn is queued against pino
    at 120 s; a synthesis at 400 s. Two alerts: one P0, told after 0.2 s, open; one P1, resolved, whose step nobody took.
    """

    def at(seconds: float) -> datetime:
        return start + timedelta(seconds=seconds)

    def ms(seconds: float) -> int:
        return int(at(seconds).timestamp() * 1000)

    voices: list[tuple[int, dict[str, Any]]] = [
        (60, {"event": "activated", "against": None, "active": ["pino"], "leading": "pino", "mode": "creative", "queued": []}),
        (120, {"voice": "kayn", "event": "queued", "against": "pino", "active": ["pino"], "leading": "pino", "mode": "creative"}),
        (180, {"voice": "hundun", "event": "activated", "against": None, "leading": "pino", "mode": "creative"}),
        (360, {"event": "deactivated", "against": None, "active": ["hundun"], "leading": "hundun", "mode": None, "queued": []}),
        (400, {"voice": "iskra", "event": "synthesized", "against": None, "active": ["hundun"], "leading": "hundun", "mode": None}),
    ]
    for number, (seconds, changes) in enumerate(voices):
        _insert(client, "voices", f"0-{9 + number}-0-0-aa", at(seconds), replace(VOICE, **changes))
    for number in range(10):
        values = {"coherence": 0.9, "vitality": 0.8, "volatility": 0.01 * number, "delta_rhythm": 70.0, "heartbeat": 61.0}
        _insert(client, "signals", f"0-{50 + number}-0-0-aa", at(60 * number), replace(SAMPLE, changed=[], values=values))
    _insert(client, "budgets", "0-20-0-0-aa", at(100), replace(BUDGET_STATE, alert=None, previous=None))
    _insert(client, "budgets", "0-120-0-0-aa", at(200), replace(BUDGET_STATE, remaining=-0.2, bad_ms=600_000))
    alert = replace(ALERT, first=ms(30), last=ms(30), since=ms(29))
    for number, (who, state, previous, priority, seconds) in enumerate(
        [
            ("a", "pending", None, "P0", 30),
            ("a", "firing", "pending", "P0", 30),
            ("b", "pending", None, "P1", 90),
            ("b", "firing", "pending", "P1", 120),
            ("b", "resolved", "firing", "P1", 300),
        ]
    ):
        begun = ms(30) if who == "a" else ms(90)
        told = replace(alert, alert_id=who, state=state, previous=previous, priority=priority, first=begun, last=ms(seconds))
        _insert(client, "alerts", f"0-{30 + number}-0-0-aa", at(seconds), told)
    for who, priority, seconds, state, later in (("a", "P0", 30, "sent", 0.2), ("b", "P1", 120, "failed", 3600)):
        due = replace(ESCALATION, alert_id=who, priority=priority, step=0, due=ms(seconds))
        identity = f"0-{40 if who == 'a' else 41}-0-0-aa"
        _insert(client, "escalations", identity, at(seconds), due, by="")
        _insert(client, "escalations", f"{identity}-{state}", at(seconds + later), replace(due, state=state), by="notify")
    for number, (who, state) in enumerate([("x", "requested"), ("x", "dispatched"), ("y", "requested"), ("y", "refused")]):
        _insert(client, "actions", f"0-{60 + number}-0-0-aa", at(200 + number), replace(ACTION, action_id=who, state=state, until=ms(260)))
