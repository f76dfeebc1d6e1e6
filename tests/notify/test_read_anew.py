"""A notifier whose partitions were taken and given back, while ends of its own were still on their way into the ledger.

A broker that is away for longer than the group's session does that. Which of the notifier's own writes it has when the topic
is read anew is a matter of milliseconds, so that the order is scripted here; tests/notify/test_kills.py has it from a real one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from sinks.notify.book import Due, Record
from sinks.notify.notifier import Notifier
from sinks.notify.settings import LogAdapter, NotifyConfig, Settings
from sinks.notify.topic import Assigned, CaughtUp, Event, Revoked, Topic
from tests.notify.channels import eventually
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


def play(folder: Path, ends: Ends, *then: Event | None) -> list[str]:
    """Delivers STEP, takes the partition away and gives it back, then plays what came; None: the broker has our end.

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
            await eventually(lambda: ends)
            for one in (Revoked([0]), Assigned([0]), *then):
                if one is None:
                    ends[0][1]()
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
