"""One channel: what is taken, retried, refused and bounded. Receivers here are scripts."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from sinks.notify.channel import Channel
from sinks.notify.errors import Later, Refused
from sinks.notify.message import Notification
from sinks.notify.metrics import Metrics
from sinks.notify.settings import Delivery
from tests.notify.channels import QUICK, Bench, Receiver, eventually, run
from tests.notify.helpers import due, event


def test_what_is_taken_is_sent() -> None:
    """Once, without a reason to tell."""
    receiver = Receiver()
    bench = Bench({"one": receiver})

    async def work() -> None:
        bench.channel.submit(due(1))
        await bench.ended(1)

    run(bench, work)
    assert bench.ends == {due(1).id: ("sent", None)}
    assert receiver.calls == [due(1).id]
    assert bench.channel.size == 0


def test_what_fails_is_tried_again() -> None:
    """Until it is taken; the ledger tells how often."""

    async def third_time(_: Notification, count: int) -> None:
        if count < 3:
            raise Later("busy")

    bench = Bench({"one": Receiver(third_time)})

    async def work() -> None:
        bench.channel.submit(due(1))
        await bench.ended(1)

    run(bench, work)
    assert bench.ends[due(1).id] == ("sent", "after 3 attempts")


def test_what_is_refused_fails_at_once() -> None:
    """With the receiver's words."""

    async def no(_: Notification, __: int) -> None:
        raise Refused("never")

    receiver = Receiver(no)
    bench = Bench({"one": receiver})

    async def work() -> None:
        bench.channel.submit(due(1))
        await bench.ended(1)

    run(bench, work)
    assert bench.ends[due(1).id] == ("failed", "never")
    assert len(receiver.calls) == 1


def test_what_is_not_delivered_in_time_fails() -> None:
    """After the time to give up, with the last error; the last attempt is made at its end."""

    async def busy(_: Notification, __: int) -> None:
        raise Later("busy")

    receiver = Receiver(busy)
    bench = Bench({"one": receiver}, give_up_after=30)

    async def work() -> None:
        bench.channel.submit(due(1))
        await bench.ended(1)

    run(bench, work)
    state, reason = bench.ends[due(1).id]
    assert (state, reason) == ("failed", f"given up after {len(receiver.calls)} attempts: busy")
    assert len(receiver.calls) > 2


def test_what_waits_too_long_for_its_turn_fails() -> None:
    """A channel with more messages than it can send gives up the oldest, so that it owes no more than it can hold."""
    go = asyncio.Event()

    async def waits(_: Notification, __: int) -> None:
        await go.wait()

    receiver = Receiver(waits)
    bench = Bench({"one": receiver}, concurrency=1, give_up_after=20)
    first, second = due(1, event("a")), due(2, event("b"))

    async def work() -> None:
        bench.channel.submit(first)
        bench.channel.submit(second)
        await eventually(lambda: receiver.calls)
        await asyncio.sleep(0.03)
        go.set()
        await bench.ended(2)

    run(bench, work)
    assert bench.ends == {
        first.id: ("sent", None),
        second.id: ("failed", "not sent within 0.02 s: the channel had more messages than it could send"),
    }


def test_an_attempt_is_bounded() -> None:
    """A receiver that hangs is left and tried again."""

    async def hangs_once(_: Notification, count: int) -> None:
        if count == 1:
            await asyncio.sleep(3600)

    bench = Bench({"one": Receiver(hangs_once)}, timeout=20)

    async def work() -> None:
        bench.channel.submit(due(1))
        await bench.ended(1)

    run(bench, work)
    assert bench.ends[due(1).id] == ("sent", "after 2 attempts")


def test_a_defect_of_an_adapter_ends_nothing() -> None:
    """It is told as an error that may pass."""

    async def broken_once(_: Notification, count: int) -> None:
        if count == 1:
            raise KeyError("x")

    bench = Bench({"one": Receiver(broken_once)})

    async def work() -> None:
        bench.channel.submit(due(1))
        await bench.ended(1)

    run(bench, work)
    assert bench.ends[due(1).id] == ("sent", "after 2 attempts")


def test_pauses_double_and_are_bounded() -> None:
    """Half certain, half by chance, from the first pause to the longest."""
    channel = Bench({"one": Receiver()}, first_pause=500, longest_pause=60_000).channel
    for attempts, whole in ((1, 0.5), (2, 1.0), (5, 8.0), (8, 60.0), (10_000, 60.0)):
        pauses = [channel._pause(attempts) for _ in range(200)]
        assert whole / 2 <= min(pauses) <= max(pauses) <= whole
        assert max(pauses) > min(pauses)


def test_the_figures_say_what_happened() -> None:
    """Attempts by adapter and outcome."""

    async def second_time(_: Notification, count: int) -> None:
        if count < 2:
            raise Later("busy")

    registry = CollectorRegistry()
    ends: list[str] = []
    channel = Channel(
        "slack", {"one": Receiver(second_time)}, Delivery(**QUICK), lambda _, state, __: ends.append(state), Metrics(registry)
    )

    async def whole() -> None:
        channel.start()
        channel.submit(due(1))
        await eventually(lambda: ends)
        await channel.close()

    asyncio.run(whole())
    found = {
        outcome: registry.get_sample_value("iskra_notify_attempts_total", {"adapter": "one", "outcome": outcome})
        for outcome in ("taken", "later")
    }
    assert found == {"taken": 1, "later": 1}


def test_a_policy_of_the_configuration_is_that_of_the_task() -> None:
    """The defaults: an hour, a minute, ten seconds."""
    policy = Delivery()
    assert (policy.give_up_after, policy.longest_pause, policy.timeout, policy.oldest) == (3_600_000, 60_000, 10_000, 86_400_000)
    with pytest.raises(TypeError):
        Delivery(unknown=1)  # type: ignore[call-arg]
