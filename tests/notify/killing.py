"""Twenty alerts through the real worker, notifier and broker, all of them killed at random moments; and what must hold then."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import yaml
from confluent_kafka import Consumer, Producer, TopicPartition

from iskra.config_files import DEFAULT_DIR
from iskra.stack import ports
from iskra.stack.stack import Stack, StackSettings
from schemas.commands import AcknowledgeAlert, encode_command
from schemas.events import AlertEvent, EscalationEvent
from schemas.headers import headers_of
from schemas.partitioning import partition_for, subject_key
from schemas.topics import (
    ALERTS,
    DEFAULT_PARTITIONS,
    ESCALATIONS,
    HEADER_BY,
    HEADER_ID,
    HEADER_KIND,
    KIND_COMMAND,
    LIVE_NAMESPACE,
    POINTS,
    full_name,
)
from tests.notify.receivers import HOOK_SECRET, ROUTING_KEY, Http

ALERTS_A_RUN = 20
KILLS_A_RUN = 5
PARTS = ("worker", "notify", "kafka")
CHAIN_S = (0, 2, 4)
"""When the three steps of P0 are due, s; in earnest it is minutes."""
BAD, GOOD = 0.95, 0.45
DEADLINE_S = 180.0


class Seen(NamedTuple):
    """A record of alerts or escalations, and when it was read here (monotonic s)."""

    at: float
    partition: int
    offset: int
    id: str
    ours: bool
    value: Any


class Watch:
    """Reads alerts and escalations from their beginning in a thread of its own, whatever happens to the broker."""

    def __init__(self, kafka: str) -> None:
        self.alerts: list[Seen] = []
        self.escalations: list[Seen] = []
        self._stop = threading.Event()
        self._consumer = Consumer(
            {
                "bootstrap.servers": kafka,
                "group.id": "tests",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "reconnect.backoff.max.ms": 200,
                "log_level": 2,
            }
        )
        names = {full_name(LIVE_NAMESPACE, ALERTS): AlertEvent, full_name(LIVE_NAMESPACE, ESCALATIONS): EscalationEvent}
        self._types: dict[str, Any] = dict(names)
        self._consumer.assign([TopicPartition(name, number, 0) for name in names for number in range(DEFAULT_PARTITIONS)])
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        places: set[tuple[str, int, int]] = set()
        while not self._stop.is_set():
            for message in self._consumer.consume(500, 0.05):
                place = (message.topic() or "", message.partition() or 0, message.offset() or 0)
                if message.error() is not None or place in places:  # a broker that comes back may be read again from the beginning
                    continue
                places.add(place)
                headers = headers_of(message)
                value = msgspec.json.decode(message.value() or b"", type=self._types[place[0]])
                seen = Seen(time.monotonic(), place[1], place[2], headers[HEADER_ID].decode(), headers.get(HEADER_BY) == b"notify", value)
                (self.alerts if isinstance(value, AlertEvent) else self.escalations).append(seen)

    def close(self) -> None:
        """Ends it."""
        self._stop.set()
        self._thread.join(30)
        self._consumer.close()


class Subjects:
    """Sends a point of each subject every half second: `bad` ones are in crisis."""

    def __init__(self, kafka: str, names: list[str]) -> None:
        self._producer = Producer(
            {
                "bootstrap.servers": kafka,
                "enable.idempotence": True,
                "message.timeout.ms": 0,
                "reconnect.backoff.max.ms": 200,
                "log_level": 2,
            }
        )
        self._topic = full_name(LIVE_NAMESPACE, POINTS)
        self.names = names
        self.bad: set[str] = set()

    def _send(self, subject: str, value: bytes, headers: Any = None) -> None:
        key = subject_key("default", subject)
        self._producer.produce(self._topic, value, key, partition_for(key, DEFAULT_PARTITIONS), headers=headers)
        self._producer.poll(0)

    def beat(self) -> None:
        """One point each."""
        now = int(time.time() * 1000)
        for name in self.names:
            point = {"subject": name, "metric": "chaos", "value": BAD if name in self.bad else GOOD, "ts": now}
            self._send(name, msgspec.json.encode(point))

    def acknowledge(self, subject: str, alert: str) -> None:
        """A person takes an alert."""
        command = AcknowledgeAlert(subject=subject, who="tester", alert_id=alert)
        self._send(subject, encode_command(command), [(HEADER_KIND, KIND_COMMAND)])


def configuration(folder: Path, receiver: Http) -> Path:
    """Iskra's configuration with a chain of seconds, whose channels lead to the receiver."""
    shutil.copytree(DEFAULT_DIR, folder)
    told = yaml.safe_load((folder / "escalation.yml").read_text())
    for step, after in zip(told["chains"]["P0"]["steps"], CHAIN_S, strict=True):
        step["after"] = f"{after}s"
    (folder / "escalation.yml").write_text(yaml.safe_dump(told))
    notify = {
        "channels": {"slack": ["hook"], "pagerduty": ["duty"], "email": ["hook"]},
        "adapters": {
            "hook": {"type": "webhook", "url": receiver.url("hook"), "secret_env": "HOOK_SECRET"},
            "duty": {"type": "pagerduty", "url": receiver.url("pagerduty"), "routing_key_env": "ROUTING_KEY"},
        },
        "delivery": {"first_pause": "100ms", "longest_pause": "500ms", "timeout": "5s"},
    }
    (folder / "notify.yml").write_text(yaml.safe_dump(notify))
    return folder


async def until(condition: Callable[[], Any], what: str, each: Callable[[], None] = lambda: None) -> None:
    """Waits for the condition; `each` is called twice a second meanwhile."""
    deadline = time.monotonic() + DEADLINE_S
    beat = 0.0
    while not condition():
        now = time.monotonic()
        assert now < deadline, what
        if now >= beat:
            beat = now + 0.5
            each()
        await asyncio.sleep(0.02)


class Run:
    """One run of twenty alerts: a third goes through its whole chain, a third is acknowledged while its receiver is away, a
    third is acknowledged after it was told."""

    def __init__(self, number: int, stack: Stack, receiver: Http, watch: Watch, seed: int) -> None:
        self._stack = stack
        self._receiver = receiver
        self._watch = watch
        self._chance = random.Random(seed)
        names = [f"run{number}-{which:02d}" for which in range(ALERTS_A_RUN)]
        self._subjects = Subjects(stack.running.kafka, names)
        self.whole, self.away, self.told = set(names[0::3]), set(names[1::3]), set(names[2::3])

    async def play(self) -> None:
        """Plays it, with kills; returns when everything that must come has come."""
        subjects = self._subjects
        names = set(subjects.names)
        self._receiver.away |= self.away
        for _ in range(3):  # healthy at first
            subjects.beat()
            await asyncio.sleep(0.5)
        killing = asyncio.create_task(self._kill())
        subjects.bad |= names
        await until(lambda: names <= self._firing().keys(), "every alert fires", subjects.beat)
        await until(lambda: self.told <= self._taken(), "those are told", subjects.beat)
        for name in sorted(self.away | self.told):
            subjects.acknowledge(name, self._firing()[name])
        await until(lambda: (self.away | self.told) <= self._states("acknowledged"), "they are acknowledged", subjects.beat)
        await until(lambda: self._stopped(self.away), "what was on its way is given up", subjects.beat)
        self._receiver.away -= self.away  # from here on a retry would be taken
        await killing
        await until(lambda: all(len(self._steps(name)) == len(CHAIN_S) for name in self.whole), "whole chains", subjects.beat)
        subjects.bad.clear()
        await until(lambda: names <= self._states("resolved"), "every alert is resolved", subjects.beat)
        await until(lambda: not self._owed(), "every step has an end", subjects.beat)

    async def _kill(self) -> None:
        for _ in range(KILLS_A_RUN):
            await asyncio.sleep(self._chance.uniform(0.2, 3.0))
            pid = self._stack.pids.get(self._chance.choice(PARTS))
            if pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _mine(self, seen: list[Seen]) -> list[Seen]:
        names = set(self._subjects.names)
        return [one for one in list(seen) if one.value.subject in names]

    def _firing(self) -> dict[str, str]:
        return {one.value.subject: one.value.alert_id for one in self._mine(self._watch.alerts) if one.value.state == "firing"}

    def _states(self, state: str) -> set[str]:
        return {one.value.subject for one in self._mine(self._watch.alerts) if one.value.state == state}

    def _taken(self) -> set[str]:
        return {taken.body["subject"] for taken in list(self._receiver.taken) if "subject" in taken.body}

    def _steps(self, name: str) -> set[int]:
        """Steps of the subject's alert whose end is `sent`."""
        return {
            one.value.step
            for one in self._mine(self._watch.escalations)
            if one.ours and one.value.subject == name and one.value.state == "sent" and one.value.kind == "trigger"
        }

    def _stopped(self, names: set[str]) -> bool:
        return names <= {one.value.subject for one in self._mine(self._watch.escalations) if one.ours and one.value.state == "cancelled"}

    def _owed(self) -> set[str]:
        mine = self._mine(self._watch.escalations)
        ended = {one.id.rpartition("-")[0] for one in mine if one.ours}
        return {one.id for one in mine if not one.ours and one.value.state == "due"} - ended

    def check(self) -> None:
        """Every step delivered; none under two keys; none after an accepted acknowledgement; every step one end."""
        mine = self._mine(self._watch.escalations)
        due = {one.id: one.value for one in mine if not one.ours and one.value.state == "due"}
        ends: dict[str, set[str]] = defaultdict(set)
        given_up: dict[str, float] = {}
        for one in mine:
            if one.ours:
                ends[one.id.rpartition("-")[0]].add(one.value.state)
                if one.value.state == "cancelled":
                    given_up[one.id.rpartition("-")[0]] = one.at
        assert ends.keys() == due.keys()
        assert all(len(states) == 1 and states <= {"sent", "cancelled"} for states in ends.values()), dict(ends)

        # each step of an alert is due once, and was taken by its receiver under one key
        steps = [(value.alert_id, value.step, value.kind) for value in due.values()]
        assert len(steps) == len(set(steps))
        sent = {id_ for id_, states in ends.items() if states == {"sent"}}
        hooks = {taken.body["id"] for taken in self._receiver.taken if "id" in taken.body}
        keys = {(taken.body["dedup_key"], taken.body["event_action"]) for taken in self._receiver.taken if "event_action" in taken.body}
        for id_ in sent:
            value = due[id_]
            assert (value.dedup_key, value.kind) in keys if value.channel == "pagerduty" else id_ in hooks, value
        for taken in self._receiver.taken:
            if "id" in taken.body and taken.body["subject"] in self._subjects.names:
                assert taken.body["id"] in due, "a step under a key that the ledger does not know"
        for name in self.whole:
            assert self._steps(name) == set(range(len(CHAIN_S)))

        # no step becomes due behind the acknowledgement, and no request follows the end of one that was given up
        first_cancel: dict[str, Seen] = {}
        known: set[str] = set()
        for one in sorted((one for one in mine if not one.ours), key=lambda one: (one.partition, one.offset)):
            if one.id not in known:
                known.add(one.id)
                if one.value.state == "cancelled":
                    first_cancel.setdefault(one.value.alert_id, one)
                elif one.value.kind == "trigger":
                    assert one.value.alert_id not in first_cancel, "due after the acknowledgement"
        for request in [*self._receiver.taken, *self._receiver.tried]:
            assert request.at <= given_up.get(request.body.get("id", ""), request.at), "sent after it was given up"
        for name in self.away:
            assert not any(due[id_].subject == name and due[id_].kind == "trigger" and due[id_].channel == "slack" for id_ in sent)


async def play(folder: Path, runs: int, seed: int) -> None:
    """So many runs on one stack."""
    receiver = Http()
    os.environ |= {"HOOK_SECRET": HOOK_SECRET, "ROUTING_KEY": ROUTING_KEY}
    settings = StackSettings(
        data=folder / "data",
        gateway=False,
        sinks=False,
        reporter=False,
        config=configuration(folder / "config", receiver),
        # not the usual one: while this broker is down, another stack that starts would take it, and answer in its place
        kafka_port=ports.free_port(),
        worker_options=("--checkpoint-every", "1"),
    )
    try:
        async with Stack(settings) as stack:
            watch = Watch(stack.running.kafka)
            try:
                for number in range(runs):
                    run = Run(number, stack, receiver, watch, seed + number)
                    await run.play()
                    run.check()
            finally:
                watch.close()
    finally:
        receiver.close()
    assert receiver.wrong == []
