"""The notifier as a process of its own, between a real broker and real receivers."""

from __future__ import annotations

import re
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka import Consumer, TopicPartition

from iskra.stack.topics import ensure_topics
from schemas.events import EscalationEvent
from schemas.headers import headers_of
from schemas.topics import DEFAULT_PARTITIONS, ESCALATIONS, full_name
from sinks.notify.adapters.inbox import file_of, read
from tests.notify.helpers import CHANNELS, Engine, NotifyProcess, configuration, event, identity, ledger, states, until
from tests.notify.receivers import Http
from tests.streams.helpers import dump

pytestmark = pytest.mark.kafka

QUICK = {"first_pause": "20ms", "longest_pause": "100ms", "timeout": "2s"}


@pytest.fixture
def http_receiver() -> Iterator[Http]:
    """An HTTP receiver; everything that it was sent was as it must be."""
    receiver = Http()
    yield receiver
    receiver.close()
    assert receiver.wrong == []


Start = Callable[..., NotifyProcess]


@pytest.fixture
def start(kafka: str, namespace: str, tmp_path: Path, http_receiver: Http) -> Iterator[Start]:
    """Starts notifiers whose channel slack leads to the receiver's webhook, pagerduty to its PagerDuty, email to the inbox."""
    adapters = {
        "hook": {"type": "webhook", "url": http_receiver.url("hook"), "secret_env": "HOOK_SECRET"},
        "duty": {"type": "pagerduty", "url": http_receiver.url("pagerduty"), "routing_key_env": "ROUTING_KEY"},
        "inbox": {"type": "inbox"},
    }
    channels = {"slack": ["hook"], "pagerduty": ["duty"], "email": ["inbox"]}
    started: list[NotifyProcess] = []

    def one(instance: str = "notify", in_namespace: str = namespace, **delivery: Any) -> NotifyProcess:
        config = configuration(tmp_path / f"config-{instance}", adapters, channels, **{**QUICK, **delivery})
        process = NotifyProcess(kafka, in_namespace, config, tmp_path, instance)
        started.append(process)
        return process

    yield one
    for process in started:
        process.kill()


def _hooks(receiver: Http) -> list[str]:
    """Ids that the webhook took, in order."""
    return [taken.headers["idempotency-key"] for taken in receiver.taken if "idempotency-key" in taken.headers]


def _committed(kafka: str, namespace: str) -> list[int]:
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": f"{namespace}.sink.notify"})
    places = [TopicPartition(full_name(namespace, ESCALATIONS), number) for number in range(DEFAULT_PARTITIONS)]
    try:
        return [place.offset for place in consumer.committed(places, timeout=30)]
    finally:
        consumer.close()


def test_each_channel_leads_where_the_configuration_says(kafka: str, namespace: str, start: Start, http_receiver: Http) -> None:
    """A step of each channel is delivered, and `sent` stands in the ledger beside it, under its key, marked as ours."""
    engine = Engine(kafka, namespace)
    process = start().start()
    ids = {channel: engine.say(event(f"a-{channel}", channel=channel)) for channel in CHANNELS}
    engine.flush()
    until(lambda: len(states(kafka, namespace)) == 3, "the ledger has three ends")
    assert states(kafka, namespace) == {id_: ["sent"] for id_ in ids.values()}
    assert _hooks(http_receiver) == [ids["slack"]]
    assert [taken.body["dedup_key"] for taken in http_receiver.taken if "routing_key" in taken.body] == ["a-pagerduty/0"]
    assert [message["id"] for message in read(file_of(process.data, namespace))] == [ids["email"]]
    for messages in dump(kafka, full_name(namespace, ESCALATIONS)):
        keys = {headers_of(message)["id"].decode().removesuffix("-sent"): message.key() for message in messages}
        assert all(key == b"default/alpha" for key in keys.values())
    assert process.stop() == 0


def test_figures_and_health(kafka: str, namespace: str, start: Start, http_receiver: Http) -> None:
    """What was sent, what waits and how long; what alerts look at is there before anything happens."""
    process = start().start()

    def figures() -> str:
        return httpx.get(f"http://127.0.0.1:{process.port}/metrics", timeout=10).text

    for channel in CHANNELS:
        assert f'iskra_notify_ended_total{{channel="{channel}",state="failed"}} 0.0' in figures()
        assert f'iskra_notify_pending{{channel="{channel}"}} 0.0' in figures()
    http_receiver.mode = "500"
    engine = Engine(kafka, namespace)
    engine.say(event())
    engine.flush()
    until(lambda: 'iskra_notify_pending{channel="slack"} 1.0' in figures(), "one waits")
    http_receiver.mode = "ok"
    until(lambda: 'iskra_notify_ended_total{channel="slack",state="sent"} 1.0' in figures(), "it is sent")
    until(lambda: len(re.findall(r"iskra_notify_lag_records\{partition=\"\d\"\} 0.0", figures())) == DEFAULT_PARTITIONS, "lag is told")


def test_what_was_owed_when_it_ended_is_delivered_by_the_next(kafka: str, namespace: str, start: Start, http_receiver: Http) -> None:
    """Also what came while it was away; what was delivered is not sent again; an acknowledged step is given up in the ledger."""
    engine = Engine(kafka, namespace)
    process = start()
    process.start()
    first = engine.say(event("a1"))
    engine.flush()
    until(lambda: states(kafka, namespace), "the first is sent")
    http_receiver.mode = "500"
    second, third = engine.say(event("a2")), engine.say(event("a3"))
    engine.flush()
    until(lambda: http_receiver.asked >= 4, "both are tried")
    process.kill()
    engine.say(event("a3", state="cancelled", reason="acknowledged"))
    fourth = engine.say(event("a4"))
    engine.flush()
    http_receiver.mode = "ok"
    process.start()
    until(lambda: len(states(kafka, namespace)) == 4, "the ledger has four ends")
    assert states(kafka, namespace) == {first: ["sent"], second: ["sent"], third: ["cancelled"], fourth: ["sent"]}
    assert _hooks(http_receiver) == [first, second, fourth]


def test_nothing_is_committed_before_the_ledger_has_it(kafka: str, namespace: str, start: Start, http_receiver: Http) -> None:
    """While a step is on its way the group's offset stays at it; then it moves behind its end."""
    http_receiver.mode = "500"
    engine = Engine(kafka, namespace)
    process = start()
    process.start()
    for _ in range(3):
        engine.say(event("a1"))
    engine.flush()
    until(lambda: http_receiver.asked > 3, "it is tried")
    assert max(_committed(kafka, namespace)) <= 0
    http_receiver.mode = "ok"
    until(lambda: max(_committed(kafka, namespace)) >= 3, "the offset moves")
    assert len(states(kafka, namespace)) == 3


def test_a_worker_that_writes_again_tells_nobody_again(kafka: str, namespace: str, start: Start, http_receiver: Http) -> None:
    """Due and cancelled records with the same ids as before: before and after a restart of the notifier."""
    engine = Engine(kafka, namespace)
    process = start().start()
    said: list[tuple[str, EscalationEvent]] = []
    for position, told in enumerate([event("a1"), event("a1", state="cancelled"), event("a1", step=1), event("a2")]):
        said.append((engine.say(told, identity(position)), told))
    engine.flush()
    until(lambda: len(states(kafka, namespace)) == 3, "three ends")
    for id_, told in said:
        engine.say(told, id_)
    engine.flush()
    process.kill()
    process.start()
    last = engine.say(event("a3"), identity(9))
    engine.flush()
    until(lambda: last in states(kafka, namespace), "the last is sent")
    assert {id_: len(ends) for id_, ends in states(kafka, namespace).items()} == {said[0][0]: 1, said[2][0]: 1, said[3][0]: 1, last: 1}
    assert len(_hooks(http_receiver)) == len(set(_hooks(http_receiver)))
    assert set(_hooks(http_receiver)) - {said[0][0]} == {said[2][0], said[3][0], last}


def test_what_nobody_can_be_told_fails_with_the_reason(kafka: str, namespace: str, start: Start, http_receiver: Http) -> None:
    """A channel that is not configured, and a receiver that refuses."""
    engine = Engine(kafka, namespace)
    start().start()
    unknown = engine.say(event("a1", channel="pigeon"))
    http_receiver.mode = "400"
    refused = engine.say(event("a2"))
    engine.flush()
    until(lambda: len(states(kafka, namespace)) == 2, "two ends")
    found = ledger(kafka, namespace)
    assert [(end.state, end.reason) for end in found[unknown]] == [("failed", "no channel pigeon in notify.yml")]
    assert [(end.state, end.reason) for end in found[refused]] == [("failed", "webhook answered 400: said so")]


def test_a_step_that_was_never_delivered_fails(kafka: str, namespace: str, start: Start, http_receiver: Http) -> None:
    """After the time to give up."""
    http_receiver.mode = "500"
    engine = Engine(kafka, namespace)
    start(give_up_after="300ms").start()
    id_ = engine.say(event("a1"))
    engine.flush()
    until(lambda: states(kafka, namespace), "an end")
    (end,) = ledger(kafka, namespace)[id_]
    assert end.state == "failed"
    assert re.fullmatch(r"given up after \d+ attempts: webhook answered 500: said so", end.reason or "")


def test_what_is_too_old_is_told_to_nobody(kafka: str, start: Start, http_receiver: Http) -> None:
    """A page a day after the fact helps nobody: it fails with its age. Only where times are the clock's."""
    ensure_topics(kafka, "iskra", DEFAULT_PARTITIONS)
    engine = Engine(kafka, "iskra")
    base = int(time.time()) * 1000
    alert = uuid.uuid4().hex
    old = engine.say(event(alert, due=base - 25 * 3_600_000), identity(base))
    young = engine.say(event(alert, due=base - 23 * 3_600_000, step=1), identity(base + 1))
    engine.flush()
    start(in_namespace="iskra").start()
    until(lambda: {old, young} <= states(kafka, "iskra").keys(), "two ends")
    found = ledger(kafka, "iskra")
    assert [(end.state, end.reason) for end in found[old]] == [("failed", "due 25.0 h ago, more than the 24 h after which nobody is told")]
    assert [end.state for end in found[young]] == ["sent"]


def test_two_notifiers_share_the_work(kafka: str, namespace: str, start: Start, http_receiver: Http) -> None:
    """A second one takes partitions over, the first hands them over in order; one that is killed leaves its part to the other."""
    engine = Engine(kafka, namespace)
    subjects = [f"s{number}" for number in range(40)]
    first = start("a").start()
    ids = [engine.say(event(f"1-{subject}", subject=subject)) for subject in subjects]
    second = start("b").start()
    ids += [engine.say(event(f"2-{subject}", subject=subject)) for subject in subjects]
    engine.flush()
    until(lambda: len(states(kafka, namespace)) == len(ids), "all are sent")
    first.kill()
    ids += [engine.say(event(f"3-{subject}", subject=subject)) for subject in subjects]
    engine.flush()
    until(lambda: len(states(kafka, namespace)) == len(ids), "all are sent by the one that is left")
    assert {ends[0] for ends in states(kafka, namespace).values()} == {"sent"}
    assert set(_hooks(http_receiver)) == set(ids)
    assert len(_hooks(http_receiver)) == len(ids)
    assert second.stop() == 0


def test_a_second_process_of_the_same_name_ends_the_first(kafka: str, namespace: str, start: Start) -> None:
    """It cannot know which is the right one, so it ends with a line that says so; it is started again by whoever looks after it."""
    first = start("a").start()
    second = start("a").start(wait=False)
    process = first.process
    assert process is not None
    until(lambda: process.poll() is not None, "the first has ended")
    assert process.returncode == 1
    assert "Kafka: " in first.log.read_text()
    second.kill()


def test_a_stop_finishes_what_is_under_way(kafka: str, namespace: str, start: Start, http_receiver: Http) -> None:
    """SIGTERM in a storm: exit 0, and what the receiver took is in the ledger, once each."""
    engine = Engine(kafka, namespace)
    process = start().start()
    ids = [engine.say(event(f"a{number}", subject=f"s{number % 50}")) for number in range(2_000)]
    engine.flush()
    until(lambda: len(http_receiver.taken) > 200, "some are sent")
    assert process.stop() == 0
    taken = _hooks(http_receiver)
    assert states(kafka, namespace) == {id_: ["sent"] for id_ in taken}
    assert len(taken) == len(set(taken))
    process.start()
    until(lambda: len(http_receiver.taken) == 2_000, "the others are sent by the next")
    assert sorted(_hooks(http_receiver)) == sorted(ids)


def test_a_broker_that_is_away_is_waited_for(kafka: str, namespace: str, start: Start) -> None:
    """A notifier that starts without one says that it is not ready, and goes on waiting."""
    process = start()
    process._command[process._command.index(kafka)] = "127.0.0.1:1"
    process.start(wait=False)

    def health() -> int:
        try:
            return httpx.get(f"http://127.0.0.1:{process.port}/healthz", timeout=10).status_code
        except httpx.TransportError:
            return 0

    until(lambda: health() == 503, "it answers")
    assert process.process is not None
    assert process.process.poll() is None
    process.signal(signal.SIGTERM)
    assert process.process.wait(60) == 0
