"""A notifier whose partitions were taken and given back, with ends of its own, or attempts, still on their way.

A broker that is away for longer than the group's session does that. What has arrived when the topic is read anew is a matter
of milliseconds, so that the order is scripted here; tests/notify/test_kills.py has it from a real broker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from sinks.notify.book import Due, Record
from sinks.notify.errors import Later
from sinks.notify.message import Notification
from sinks.notify.notifier import Notifier
from sinks.notify.settings import LogAdapter, NotifyConfig, Settings
from sinks.notify.topic import Assigned, CaughtUp, Event, Revoked, Topic
from tests.notify.channels import Receiver, busy, eventually
from tests.notify.helpers import event, record

STEP = record(0, event())
TAKEN_BY_SOMEBODY = record(1, event(state="cancelled", reason="acknowledged"))
SENT = record(2, event(), f"{STEP.id}-sent", ours=True)

Ends = list[tuple[str, Callable[[], None]]]
"""What was written to the ledger: the state, and what tells the notifier that the broker has it."""


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Ends:
    """The ledger in place of the broker's."""
    written: Ends = []

    def write(_: Topic, due: Due, state: str, reason: str | None, done: Callable[[Due], None]) -> None:
        written.append((state, lambda: done(due)))

    monkeypatch.setattr(Topic, "write", write)
    return written


def play(folder: Path, ends: Ends, *then: Event | asyncio.Event | None, receiver: Receiver | None = None) -> list[str]:
    """Delivers STEP (with a receiver: begins to), takes the partition away and gives it back, then plays what came.

    Args:
        then: what is read; None: the broker has our end; an event is set: the receiver goes on.
    Returns:
        The states in the ledger.
    """

    async def work() -> None:
        config = NotifyConfig(channels={"slack": ["log"]}, adapters={"log": LogAdapter()})
        settings = Settings(kafka="127.0.0.1:1", namespace="n", live=False, instance="i", config=config, inbox=folder / "inbox")
        async with aiohttp.ClientSession() as http:
            notifier = Notifier(settings, http, CollectorRegistry())
            for channel in notifier.channels.values():
                channel.start()
            for came in (Assigned([0]), STEP, CaughtUp(0)):
                notifier._take(came)
            await eventually(lambda: receiver.calls if receiver else ends)
            for one in (Revoked([0]), Assigned([0]), *then):
                if one is None:
                    ends[0][1]()
                elif isinstance(one, asyncio.Event):
                    one.set()
                    await eventually(lambda: not any(busy(channel) for channel in notifier.channels.values()))
                else:
                    notifier._take(one)
            await eventually(lambda: not any(channel.size for channel in notifier.channels.values()))
            for channel in notifier.channels.values():
                await channel.close()
            await notifier._topic.close()

    asyncio.run(work())
    return [state for state, _ in ends]


@pytest.mark.parametrize(
    "then",
    [
        pytest.param([STEP, CaughtUp(0), TAKEN_BY_SOMEBODY, None, SENT], id="the ledger is behind"),
        pytest.param([STEP, None, CaughtUp(0), TAKEN_BY_SOMEBODY, SENT], id="acknowledged while the topic was read"),
        pytest.param([None, STEP, CaughtUp(0), TAKEN_BY_SOMEBODY, SENT], id="acknowledged before it was read up to an older end"),
        pytest.param([None, STEP, TAKEN_BY_SOMEBODY, SENT, CaughtUp(0)], id="all of it was there"),
    ],
)
def test_what_was_sent_does_not_end_a_second_time(tmp_path: Path, ends: Ends, then: list[Record | CaughtUp | None]) -> None:
    """Told once, in the ledger once, and an acknowledgement afterwards cancels nothing that was sent."""
    assert play(tmp_path, ends, *then) == ["sent"]


def test_what_the_ledger_never_got_from_another_is_delivered(tmp_path: Path, ends: Ends) -> None:
    """The rule holds for our own ends alone: a step that came meanwhile is delivered as ever."""
    other = record(3, event("a2"))
    assert play(tmp_path, ends, STEP, None, SENT, other, CaughtUp(0)) == ["sent", "sent"]


class Slow(Receiver):
    """Takes its time over a step until `go` is set, and then takes it, or not at the first time."""

    def __init__(self, *, refuses_once: bool = False) -> None:
        self.go = asyncio.Event()

        async def waits(notification: Notification, count: int) -> None:
            if notification.event.kind == "trigger":
                await self.go.wait()
                if refuses_once and count == 1:
                    raise Later("busy")

        super().__init__(waits)


@pytest.fixture
def slow(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Slow:
    """The receiver of the channel; its parameter is `refuses_once`."""
    receiver = Slow(refuses_once=getattr(request, "param", False))
    monkeypatch.setattr("sinks.notify.notifier.make", lambda *_: receiver)
    return receiver


def test_an_attempt_under_way_is_not_made_twice(tmp_path: Path, ends: Ends, slow: Slow) -> None:
    """The partition is given back while the receiver takes its time: it is asked once."""
    assert play(tmp_path, ends, STEP, CaughtUp(0), slow.go, receiver=slow) == ["sent"]
    assert slow.calls == [STEP.id]


def test_an_attempt_that_ends_before_the_topic_is_read_counts(tmp_path: Path, ends: Ends, slow: Slow) -> None:
    """Who took it has it, whoever has the partition at that moment."""
    assert play(tmp_path, ends, slow.go, receiver=slow) == ["sent"]


@pytest.mark.parametrize(("slow", "end"), [(False, "sent"), (True, "cancelled")], indirect=["slow"])
def test_an_acknowledgement_waits_for_the_attempt_under_way(tmp_path: Path, ends: Ends, slow: Slow, end: str) -> None:
    """What was taken is `sent`; what was not is given up, and not tried again."""
    assert play(tmp_path, ends, STEP, CaughtUp(0), TAKEN_BY_SOMEBODY, slow.go, receiver=slow) == [end]
    assert slow.calls == [STEP.id]


def test_the_end_of_an_alert_goes_behind_the_attempt_under_way(tmp_path: Path, ends: Ends, slow: Slow) -> None:
    """A resolve that overtook its trigger would leave an incident open that nobody closes."""
    over = record(1, event(kind="resolve", step=1))
    assert play(tmp_path, ends, STEP, over, CaughtUp(0), slow.go, receiver=slow) == ["sent", "sent"]
    assert slow.taken == [STEP.id, over.id]


@pytest.mark.parametrize("slow", [True], indirect=True)
def test_an_attempt_that_failed_meanwhile_is_made_again(tmp_path: Path, ends: Ends, slow: Slow) -> None:
    """By whoever has the partition then."""
    assert play(tmp_path, ends, slow.go, STEP, CaughtUp(0), receiver=slow) == ["sent"]
    assert slow.calls == [STEP.id, STEP.id]
