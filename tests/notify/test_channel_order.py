"""One channel with much to do: order, priorities, patience, and what stops it. Receivers here are scripts."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sinks.notify.book import Due
from sinks.notify.errors import Later, Refused
from sinks.notify.message import Notification
from tests.notify.channels import Bench, Receiver, busy, eventually, run
from tests.notify.helpers import due, event


def test_all_adapters_are_told_and_each_once() -> None:
    """The one that took it is not asked again while the other fails; one that refuses makes it fail, when the others have it."""

    async def third_time(_: Notification, count: int) -> None:
        if count < 3:
            raise Later("busy")

    async def no(_: Notification, __: int) -> None:
        raise Refused("never")

    good, slow, bad = Receiver(), Receiver(third_time), Receiver(no)
    bench = Bench({"good": good, "slow": slow, "bad": bad})

    async def work() -> None:
        bench.channel.submit(due(1))
        await bench.ended(1)

    run(bench, work)
    assert bench.ends[due(1).id] == ("failed", "never")
    assert (len(good.calls), len(slow.calls), len(bad.calls), slow.taken) == (1, 3, 1, [due(1).id])


def test_what_is_acknowledged_while_it_waits_is_not_sent() -> None:
    """Before its first attempt, and between two; the next message of the alert goes out."""

    async def no(notification: Notification, _: int) -> None:
        if notification.event.kind == "trigger":
            raise Later("busy")

    receiver = Receiver(no)
    bench = Bench({"one": receiver}, first_pause=30_000, longest_pause=30_000)
    first, second, over = due(1), due(2, event(step=1)), due(3, event(kind="resolve"))

    async def work() -> None:
        for one in (first, second, over):
            bench.channel.submit(one)
        await eventually(lambda: receiver.calls and not busy(bench.channel))
        for one in (first, second):
            one.stopped = "cancelled: acknowledged"
            assert bench.channel.stop(one)
        await bench.ended(3)
        assert not bench.channel.stop(first), "it is not on its way any more"

    run(bench, work)
    assert bench.ends == {
        first.id: ("cancelled", "cancelled: acknowledged"),
        second.id: ("cancelled", "cancelled: acknowledged"),
        over.id: ("sent", None),
    }
    assert receiver.calls == [first.id, over.id]


def test_an_attempt_under_way_ends_before_it_is_given_up() -> None:
    """If it was taken it is `sent`; if not there is no further attempt."""
    for fails in (False, True):
        go = asyncio.Event()

        async def waits(_: Notification, __: int, go: asyncio.Event = go, fails: bool = fails) -> None:
            await go.wait()
            if fails:
                raise Later("busy")

        receiver = Receiver(waits)
        bench = Bench({"one": receiver})
        one = due(1)

        async def work(go: asyncio.Event = go, receiver: Receiver = receiver, bench: Bench = bench, one: Due = one) -> None:
            bench.channel.submit(one)
            await eventually(lambda: receiver.calls)
            one.stopped = "cancelled: acknowledged"
            assert bench.channel.stop(one)
            assert bench.ends == {}
            go.set()
            await bench.ended(1)

        run(bench, work)
        assert bench.ends[one.id] == (("cancelled", "cancelled: acknowledged; 1 attempt before: busy") if fails else ("sent", None))
        assert len(receiver.calls) == 1


def test_p0_goes_first() -> None:
    """However many others wait."""
    receiver = Receiver()
    bench = Bench({"one": receiver}, concurrency=1)
    low = [due(n, event(f"p2-{n}", priority="P2")) for n in range(20)]
    high = due(99, event("p0", priority="P0"))

    async def work() -> None:
        for one in (*low, high):
            bench.channel.submit(one)
        await bench.ended(21)

    run(bench, work)
    assert receiver.calls == [high.id, *(one.id for one in low)]


def test_patience_holds_for_the_whole_channel() -> None:
    """After a 429 nothing is asked until the time is over, then in order of urgency."""

    async def patience_once(notification: Notification, count: int) -> None:
        if notification.id == first.id and count == 1:
            raise Later("too many", 0.2)

    receiver = Receiver(patience_once)
    bench = Bench({"one": receiver}, concurrency=1)
    first, second, urgent = due(1, event("a", priority="P1")), due(2, event("b", priority="P2")), due(3, event("c", priority="P0"))
    asked: list[int] = []

    async def work() -> None:
        bench.channel.submit(first)
        await eventually(lambda: receiver.calls)
        bench.channel.submit(second)
        bench.channel.submit(urgent)
        await asyncio.sleep(0.05)
        asked.append(len(receiver.calls))
        await bench.ended(3)

    run(bench, work)
    assert asked == [1]
    assert receiver.taken == [urgent.id, first.id, second.id]


def test_a_stop_is_quick_and_loses_nothing() -> None:
    """Attempts under way are finished, no other begins; what is left has no end, so the ledger still owes it."""
    go = asyncio.Event()

    async def waits(_: Notification, __: int) -> None:
        await go.wait()

    receiver = Receiver(waits)
    bench = Bench({"one": receiver}, concurrency=2)

    async def work() -> None:
        for n in range(5):
            bench.channel.submit(due(n, event(f"a{n}")))
        await eventually(lambda: len(receiver.calls) == 2)
        closing = asyncio.create_task(bench.channel.close())
        await asyncio.sleep(0)
        go.set()
        await closing

    async def whole() -> None:
        bench.channel.start()
        await work()

    asyncio.run(whole())
    assert set(bench.ends) == {due(0).id, due(1).id}
    assert bench.channel.size == 3


def test_what_is_dropped_is_forgotten_without_a_word() -> None:
    """Its end is known from elsewhere; the next message of the alert goes out."""

    async def no(notification: Notification, _: int) -> None:
        if notification.id == first.id:
            raise Later("busy")

    receiver = Receiver(no)
    bench = Bench({"one": receiver}, first_pause=30_000, longest_pause=30_000)
    first, second = due(1), due(2, event(step=1))

    async def work() -> None:
        bench.channel.submit(first)
        bench.channel.submit(second)
        await eventually(lambda: receiver.calls and not busy(bench.channel))
        bench.channel.drop(first)
        await bench.ended(1)

    run(bench, work)
    assert bench.ends == {second.id: ("sent", None)}


@hypothesis_settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["P0", "P1", "P2"]), st.integers(0, 3)), min_size=1, max_size=30),
    st.integers(1, 5),
)
def test_order_of_an_alert_is_kept_whatever_fails(sent: list[tuple[int, str, int]], concurrency: int) -> None:
    """Every message is taken once, those of one alert in the order in which they were submitted, never more at once than allowed."""
    dues = [due(n, event(f"a{alert}", priority=priority)) for n, (alert, priority, _) in enumerate(sent)]
    failures = {one.id: fails for one, (_, _, fails) in zip(dues, sent, strict=True)}

    async def fails_first(notification: Notification, count: int) -> None:
        if count <= failures[notification.id]:
            raise Later("busy")

    receiver = Receiver(fails_first)
    bench = Bench({"one": receiver}, concurrency=concurrency)

    async def work() -> None:
        for one in dues:
            bench.channel.submit(one)
        await bench.ended(len(dues))

    run(bench, work)
    assert sorted(receiver.taken) == sorted(one.id for one in dues)
    assert receiver.most <= concurrency
    for alert in {one.event.alert_id for one in dues}:
        mine = [one.id for one in dues if one.event.alert_id == alert]
        assert [id_ for id_ in receiver.taken if id_ in mine] == mine


def test_one_slow_channel_delays_no_other() -> None:
    """While one receiver hangs with everything it may do at once, another channel delivers all of its own."""
    go = asyncio.Event()

    async def hangs(_: Notification, __: int) -> None:
        await go.wait()

    slow, quick = Bench({"one": Receiver(hangs)}, concurrency=2), Bench({"two": Receiver()})

    async def whole() -> None:
        slow.channel.start()
        quick.channel.start()
        for n in range(100):
            slow.channel.submit(due(n, event(f"a{n}")))
            quick.channel.submit(due(n, event(f"a{n}")))
        await quick.ended(100)
        assert slow.ends == {}
        go.set()
        await slow.ended(100)
        await slow.channel.close()
        await quick.channel.close()

    asyncio.run(whole())
