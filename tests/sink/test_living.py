"""Budgets, signals, voices, alerts, escalations and actions: from topics into tables, each field, once; and as things stand."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from schemas.topics import ACTIONS, ALERTS, BUDGET, ESCALATIONS, HEADER_BY, HEADER_ID, SIGNALS, VOICES
from sinks.clickhouse.sink import Sink
from tests.sink.helpers import Records, settings, table
from tests.sink.living import ACTION, ALERT, BUDGET_STATE, ESCALATION, NOW, SAMPLE, VOICE
from tests.sink.test_sink import asking, count
from tests.store.process import until

pytestmark = [pytest.mark.kafka, pytest.mark.store]
__all__ = ["asking"]

KEY = b"default/alpha"
TIMES = {"since", "first", "last", "due", "until"}
JSON = {"cause", "terms", "dropped", "evidence", "review", "effect"}
ONE_EACH: dict[str, tuple[str, Any]] = {
    BUDGET: ("budgets", BUDGET_STATE),
    SIGNALS: ("signals", SAMPLE),
    VOICES: ("voices", VOICE),
    ALERTS: ("alerts", ALERT),
    ESCALATIONS: ("escalations", ESCALATION),
    ACTIONS: ("actions", ACTION),
}
NONE_AT_ALL: dict[str, Any] = {
    BUDGET: msgspec.structs.replace(BUDGET_STATE, burn={}, bad={}, alert=None, threshold=None),
    SIGNALS: msgspec.structs.replace(SAMPLE, changed=[], values={}),
    VOICES: msgspec.structs.replace(
        VOICE, priority=None, rule=None, terms=[], against=None, reason=None, leading=None, mode=None, active=[], queued=[], actions=[]
    ),
    ALERTS: msgspec.structs.replace(
        ALERT, previous=None, threshold=None, side=None, value=None, statistic=None, window_ms=None, auto_actions=[], by=None, why=None
    ),
    ESCALATIONS: msgspec.structs.replace(ESCALATION, reason="x", value=None, threshold=None),
    ACTIONS: msgspec.structs.replace(ACTION, previous=None, review=None, until=None, by="anna", why="so"),
}
"""The same with everything missing that may be."""


class Feed:
    """Sends outputs of a namespace, and runs a sink until they are stored."""

    def __init__(self, kafka: str, store: Any, namespace: str, asking: Any) -> None:
        self.records = Records(kafka, namespace)
        self.namespace = namespace
        self.asking = asking
        self._sink = Sink(settings(store, kafka, namespace), CollectorRegistry())

    def say(self, topic: str, identity: str, value: Any, by: bytes | None = None) -> None:
        headers = [(HEADER_ID, identity.encode()), *([(HEADER_BY, by)] if by else [])]
        self.records.send(topic, msgspec.json.encode(value), key=KEY, ts=NOW, headers=headers)

    def sink(self, rows: dict[str, int]) -> None:
        """Until the views have so many rows."""
        self.records.flush()
        self._sink.start()
        try:
            for view, number in rows.items():
                until(lambda view=view, number=number: count(self.asking, table(self.namespace, view)) == number, view)  # type: ignore[misc]
        finally:
            assert self._sink.stop(60)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        return list(self.asking.query(sql.replace("$", f"{table(self.namespace, '')}")).named_results())


@pytest.fixture
def feed(kafka: str, store: Any, namespace: str, asking: Any) -> Feed:
    return Feed(kafka, store, namespace, asking)


def _times(fields: list[str]) -> str:
    return ", ".join([f"toUnixTimestamp64Milli(`{field}`) AS `{field}`" for field in fields])


def test_every_field_lands_in_its_column(feed: Feed) -> None:
    """What is there and what is missing; sent twice stands once; nested parts are the JSON that they were."""
    for topic, (_, full) in ONE_EACH.items():
        for _ in range(2):
            feed.say(topic, "0-7-0-0-aa", full)
            feed.say(topic, "0-8-0-0-aa", NONE_AT_ALL[topic])
    feed.sink({f"v_{name}": 2 for name, _ in ONE_EACH.values()})
    for topic, (name, full) in ONE_EACH.items():
        times = [field for field in full.__struct_fields__ if field in TIMES]
        also = f", {_times([*times, 'ts'])}"
        found = feed.rows(f"SELECT * EXCEPT ({', '.join([*times, 'ts'])}){also} FROM $v_{name} ORDER BY id")
        for row, message, identity in zip(found, (full, NONE_AT_ALL[topic]), ("0-7-0-0-aa", "0-8-0-0-aa"), strict=True):
            assert (row.pop("id"), row.pop("ts")) == (identity, NOW)
            if topic == ESCALATIONS:
                assert row.pop("by") == ""
            row = {field: msgspec.json.decode(value) if field in JSON else value for field, value in row.items()}
            assert row == msgspec.to_builtins(message)


def test_rows_are_of_the_day_of_their_record(feed: Feed) -> None:
    """By which they are cut and deleted."""
    for topic, (_, full) in ONE_EACH.items():
        feed.say(topic, "0-7-0-0-aa", full)
    feed.sink({f"v_{name}": 1 for name, _ in ONE_EACH.values()})
    for name, _ in ONE_EACH.values():
        assert feed.rows(f"SELECT toString(day) AS day FROM ${name}") == [{"day": "2025-11-01"}]


def test_alerts_now_are_those_that_are_not_resolved(feed: Feed) -> None:
    """Of each alert its latest state in the log, however often and late an older one is written again."""
    replace = msgspec.structs.replace
    feed.say(ALERTS, "0-10-0-1-aa", ALERT)
    feed.say(ALERTS, "0-11-0-1-aa", replace(ALERT, alert_id="b"))
    feed.say(ALERTS, "0-12-0-10-aa", replace(ALERT, state="acknowledged"))
    feed.say(ALERTS, "0-12-0-9-aa", ALERT)
    feed.say(ALERTS, "0-100-0-1-aa", replace(ALERT, alert_id="b", state="resolved"))
    feed.say(ALERTS, "0-11-0-1-aa", replace(ALERT, alert_id="b"))
    feed.sink({"v_alerts": 5})
    assert feed.rows("SELECT alert_id, state FROM $v_alerts_now") == [{"alert_id": "0-7-0-1-aa", "state": "acknowledged"}]


def test_actions_now_are_those_that_are_not_over(feed: Feed) -> None:
    """Dispatched and acknowledged ones are open; effective, ineffective, refused and expired ones are not."""
    for number, state in enumerate(("refused", "effective", "ineffective", "expired", "acknowledged")):
        feed.say(ACTIONS, f"0-{number}-0-0-aa", msgspec.structs.replace(ACTION, action_id=f"a{number}"))
        feed.say(ACTIONS, f"0-{number}-0-1-aa", msgspec.structs.replace(ACTION, action_id=f"a{number}", state=state))
    feed.say(ACTIONS, "0-9-0-0-aa", msgspec.structs.replace(ACTION, action_id="a9"))
    feed.sink({"v_actions": 11})
    assert feed.rows("SELECT action_id, toString(state) AS state FROM $v_actions_now ORDER BY action_id") == [
        {"action_id": "a4", "state": "acknowledged"},
        {"action_id": "a9", "state": "dispatched"},
    ]


def test_voices_and_budgets_now_are_those_of_the_last_event(feed: Feed) -> None:
    """Who is active after a subject's last event, and who leads; the latest budget of each metric."""
    replace = msgspec.structs.replace
    feed.say(VOICES, "0-10-0-0-aa", replace(VOICE, active=["pino"]))
    feed.say(VOICES, "0-11-0-0-aa", VOICE)
    feed.say(VOICES, "0-10-0-0-aa", replace(VOICE, active=["pino"]))
    feed.say(VOICES, "0-12-0-0-bb", replace(VOICE, subject="beta"))
    feed.say(VOICES, "0-13-0-0-bb", replace(VOICE, subject="beta", event="deactivated", active=[], leading=None))
    feed.say(BUDGET, "0-9-0-0-aa", replace(BUDGET_STATE, alert=None))
    feed.say(BUDGET, "0-20-0-0-aa", BUDGET_STATE)
    feed.sink({"v_voices": 4, "v_budgets": 2})
    assert feed.rows("SELECT subject, voice, leads FROM $v_voices_now ORDER BY voice") == [
        {"subject": "alpha", "voice": "hundun", "leads": 0},
        {"subject": "alpha", "voice": "pino", "leads": 1},
    ]
    assert feed.rows("SELECT metric, toString(alert) AS alert FROM $v_budgets_now") == [{"metric": "clarity", "alert": "page"}]


def test_notifications_tell_what_became_of_each_step(feed: Feed) -> None:
    """Sent, failed with the reason, or still due; the engine's `cancelled` is no end of a step that became due."""
    replace = msgspec.structs.replace
    for number in range(3):
        feed.say(ESCALATIONS, f"0-{number}-0-0-aa", replace(ESCALATION, step=number))
    feed.say(ESCALATIONS, "0-9-0-0-aa", replace(ESCALATION, state="cancelled", step=3))
    feed.say(ESCALATIONS, "0-0-0-0-aa-sent", replace(ESCALATION, step=0, state="sent"), b"notify")
    feed.say(ESCALATIONS, "0-1-0-0-aa-failed", replace(ESCALATION, step=1, state="failed", reason="gone"), b"notify")
    feed.sink({"v_escalations": 6})
    found = feed.rows("SELECT step, state, reason, toUnixTimestamp64Milli(ended) AS ended FROM $v_notifications ORDER BY step")
    assert found == [
        {"step": 0, "state": "sent", "reason": None, "ended": NOW},
        {"step": 1, "state": "failed", "reason": "gone", "ended": NOW},
        {"step": 2, "state": "due", "reason": None, "ended": None},
    ]
