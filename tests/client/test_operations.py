"""`iskra actions`, `alerts`, `voices` and the subject's own actor, over a real broker with a small worker."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from experiments.driver import Timed
from iskra import config_files
from iskra.cli import root
from iskra.cli.alerts import _line
from iskra.client import ActionEvent, Actor, Consumer, Message, WindowStats
from iskra.driver import LogWriter, drive
from schemas.config import Config
from schemas.events import AlertEvent
from schemas.points import Point
from tests.small_worker import SmallWorker

pytestmark = pytest.mark.kafka

START = 1_762_435_080
LEVELS = {"clarity": 0.80, "chaos": 0.14, "trust": 0.80, "pain": 0.65}
"""Pain asks for recovery at once; chaos for an injection which, of strength 4 here, waits for a person."""


def impatient() -> Config:
    """The configuration in which chaos must be low for 20 s only, and its injection is strong."""
    config = config_files.load()
    assert config.living is not None
    section = config.living.actions
    strong = msgspec.structs.replace(section.actions["stimulate_creative_chaos"], strength=4, for_=20_000)
    grounds = [refusal for refusal in section.refuse if refusal.when == "ethical_violation"]
    changed = msgspec.structs.replace(section, actions={**section.actions, "stimulate_creative_chaos": strong}, refuse=grounds)
    return msgspec.structs.replace(config, living=msgspec.structs.replace(config.living, actions=changed))


@pytest.fixture
def worker(kafka: str, namespace: str) -> Iterator[SmallWorker]:
    """A worker that judges by that configuration."""
    small = SmallWorker(kafka, namespace, impatient())
    yield small
    small.close()


def go(kafka: str, namespace: str, worker: SmallWorker, seconds: int, begin: int = 0, subject: str = "alpha") -> None:
    """So many seconds in the life of a subject that is in trouble."""

    def source(second: int) -> list[Timed]:
        return [
            Timed(
                second * 1000 - 500 + n, Point(subject=subject, metric=vital, value=level + second % 7 / 1000, ts=second * 1000 - 500 + n)
            )
            for n, (vital, level) in enumerate(LEVELS.items())
        ]

    drive(LogWriter(kafka, namespace), source, worker, start=START + begin, seconds=seconds)


def invoke(kafka: str, namespace: str, *arguments: str, code: int = 0) -> Any:
    """What a command says as JSON."""
    done = CliRunner().invoke(root, [*arguments, "--kafka", kafka, "--namespace", namespace, "--json"])
    assert done.exit_code == code, done.output
    return json.loads(done.stdout) if code in (0, 1) else done.output


def test_actions_are_listed_approved_and_refused(kafka: str, namespace: str, worker: SmallWorker) -> None:
    """What waits is listed; a person's approval is answered by the worker; what makes no sense is refused with the reason."""
    go(kafka, namespace, worker, 30)
    listed = invoke(kafka, namespace, "actions", "list")
    assert [(action["action"], action["state"]) for action in listed] == [
        ("emergency_recovery", "dispatched"),
        ("stimulate_creative_chaos", "awaiting_approval"),
    ]
    assert invoke(kafka, namespace, "actions", "list", "--subject", "bravo") == []
    recovery, injection = (action["action_id"] for action in listed)
    answer = invoke(kafka, namespace, "actions", "approve", injection, "--who", "ann", "--why", "seen")
    assert [(output["value"]["state"], output["value"]["by"], output["value"]["why"]) for output in answer["outputs"]] == [
        ("approved", "ann", "seen")
    ]
    refused = invoke(kafka, namespace, "actions", "refuse", recovery, code=1)
    assert "expected an action that is awaiting_approval" in refused["refused"]
    assert "expected the id of an action" in invoke(kafka, namespace, "actions", "approve", "0-0-0-0-none", code=2)
    go(kafka, namespace, worker, 10, 30)
    states = {action["action"]: action["state"] for action in invoke(kafka, namespace, "actions", "list", "--all")}
    assert states["stimulate_creative_chaos"] == "dispatched"


def test_alerts_are_listed_acknowledged_and_resolved(kafka: str, namespace: str, worker: SmallWorker) -> None:
    """By id, with who and why; what is over is listed with --all only."""
    go(kafka, namespace, worker, 40)
    listed = invoke(kafka, namespace, "alerts", "list")
    pain = next(alert for alert in listed if alert["metric"] == "pain")
    assert (pain["state"], pain["priority"]) == ("firing", "P1")
    answer = invoke(kafka, namespace, "alerts", "ack", pain["alert_id"], "--who", "ann", "--why", "on it")
    assert ("acknowledged", "ann") in [(output["value"]["state"], output["value"]["by"]) for output in answer["outputs"]]
    answer = invoke(kafka, namespace, "alerts", "resolve", pain["alert_id"], "--who", "ann")
    assert "resolved" in [output["value"]["state"] for output in answer["outputs"]]
    assert pain["alert_id"] not in [alert["alert_id"] for alert in invoke(kafka, namespace, "alerts", "list")]
    assert pain["alert_id"] in [alert["alert_id"] for alert in invoke(kafka, namespace, "alerts", "list", "--all")]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "(slo)  30 s mean 0.750 (bound 0.7)  step 1"),
        ({"value": 0.38}, "(slo)  mean of the last seconds over the bound 0.7 (30 s mean 0.380)  step 1"),
        (
            {"metric": "trust", "value": 0.62, "threshold": 0.4, "side": "low"},
            "(slo)  mean of the last seconds under the bound 0.4 (30 s mean 0.620)  step 1",
        ),
        ({"value": 0.38, "state": "resolved"}, "(slo)  30 s mean 0.380 (bound 0.7)  step 1"),
        ({"value": 0.59, "priority": "P1", "threshold": 0.6}, "(slo)  30 s mean 0.590 (bound 0.6)  step 1"),
        ({"kind": "unknown", "value": None, "threshold": None, "side": None}, "(unknown)  step 1"),
        (
            {"kind": "budget", "value": 15.2, "threshold": 14.4, "side": None, "statistic": None, "window_ms": None},
            "(budget)  15.200 (bound 14.4)  step 1",
        ),
    ],
)
def test_a_line_of_an_alert_says_which_mean_decided(fields: dict[str, Any], said: str) -> None:
    """Where the mean of the last seconds alone is beyond, the value of the long one is in range and explains nothing."""
    event: dict[str, Any] = {
        "alert_id": "0-1-0-0-aa",
        "tenant": "default",
        "subject": "alpha",
        "metric": "pain",
        "kind": "slo",
        "level": "BLOCK",
    }
    event |= {"priority": "P0", "state": "firing", "previous": None, "threshold": 0.7, "side": "high", "value": 0.75}
    event |= {"statistic": "mean", "window_ms": 30_000, "since": START, "first": START, "last": START, "group": "g", "auto_actions": []}
    event |= {"voice_triggers": [], "chain": "P0", "step": 1, "flapping": False, "resolution": None, "by": None, "why": None}
    evidence = {"id": "0-1-0-0-bb", "count": 30, "late": 0, "topic": "t", "partition": 0, "first_offset": 0, "last_offset": 1}
    event |= {"evidence": evidence, "config": "c"}
    assert said in _line(msgspec.convert({**event, **fields}, AlertEvent))


def test_voices_are_listed_muted_and_unmuted(kafka: str, namespace: str, worker: SmallWorker) -> None:
    """Isolation is told by an event and shown; a voice that does not exist is refused."""
    go(kafka, namespace, worker, 10)
    invoke(kafka, namespace, "voices", "mute", "hundun", "--subject", "alpha", "--who", "ann", "--why", "it breaks what we build")
    [state] = invoke(kafka, namespace, "voices", "list")
    assert (state["subject"], state["muted"], state["active"]) == ("alpha", ["hundun"], [])
    invoke(kafka, namespace, "voices", "unmute", "hundun", "--subject", "alpha")
    [state] = invoke(kafka, namespace, "voices", "list", "--subject", "alpha")
    assert state["muted"] == []
    assert "refused" in invoke(kafka, namespace, "voices", "mute", "nobody", "--subject", "alpha", code=1)


def test_no_worker_no_answer(kafka: str, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command stands in the log; who waits is told that nobody has answered: exit code 3."""
    monkeypatch.setattr("iskra.commands.ANSWER_S", 0.2)
    worker = SmallWorker(kafka, namespace)
    go(kafka, namespace, worker, 10)
    worker.close()
    said = invoke(kafka, namespace, "voices", "mute", "hundun", "--subject", "alpha", code=3)
    assert "no worker has answered" in said


def test_outputs_of_others_without_end_are_no_answer(kafka: str, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where they come faster than they are read, who waits is told in time all the same."""
    monkeypatch.setattr("iskra.commands.ANSWER_S", 0.2)
    other = Message(topic="dead-letters", partition=0, offset=0, index=0, key="", id="other", ts=0, value=None, headers={})
    begun = time.monotonic()

    def flood(*_: object) -> Message:
        assert time.monotonic() < begun + 20, "the flood is read for ever"
        return other

    monkeypatch.setattr(Consumer, "poll", flood)
    assert "no worker has answered" in invoke(kafka, namespace, "voices", "mute", "hundun", "--subject", "alpha", code=3)


def test_an_actor_performs_and_acknowledges(kafka: str, namespace: str, worker: SmallWorker) -> None:
    """Dispatches for its subjects are performed, once; where the handler fails, nothing is acknowledged and the next one comes."""
    go(kafka, namespace, worker, 30)
    go(kafka, namespace, worker, 30, 30, subject="bravo")
    performed: list[tuple[str, str]] = []

    def perform(event: ActionEvent) -> None:
        if event.subject == "bravo":
            raise RuntimeError("cannot")
        performed.append((event.subject, event.action))

    with Actor(kafka, perform, group="actors", subjects=["alpha", "bravo"], who="alpha-actor", namespace=namespace) as actor:
        acknowledged = []
        # 3 events of recovery and 2 of the injection, for each subject
        heard = 0
        while heard < 10:
            before = actor.events
            event = actor.step(1.0)
            heard += actor.events - before
            acknowledged += [event] if event is not None else []
    assert [(event.subject, event.action) for event in acknowledged] == performed == [("alpha", "emergency_recovery")]
    go(kafka, namespace, worker, 10, 60, subject="bravo")
    with Consumer(kafka, "actions.events", namespace=namespace, until_end=True) as consumer:
        events = [message.value for message in consumer]
    assert not any(isinstance(event, WindowStats) for event in events)
    told = [(e.subject, e.by) for e in events if isinstance(e, ActionEvent) and e.state == "acknowledged"]
    assert told == [("alpha", "alpha-actor")]
