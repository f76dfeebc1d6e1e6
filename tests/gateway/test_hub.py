"""The hub without a broker: who gets what, how often, encoded how many times, and what happens to the slow."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from gateway.hub import BUCKET, CROWD, EMPTY_KEPT, QUICK_UPDATES_PER_S, UPDATES_PER_S, Client, Group, Hub, Subscription
from gateway.keys import Key, SubjectKey
from gateway.metrics import Metrics
from gateway.world import CHANGES_KEPT, POINTS_KEPT, VERDICTS_KEPT, Status, World

NS = "space"
SUBJECT = SubjectKey(NS, "default", "alpha")
ALL = Subscription(NS, None, None, points=False)
NEAR = Subscription(NS, None, SUBJECT, points=True)


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(story, 30))


def put(world: World, n: int, subject: str = "alpha", level: str = "OK") -> None:
    body = b'{"id":"%d","subject":"%b"}' % (n, subject.encode())
    world.put(Key(NS, "default", subject, "clarity"), Status(str(n), (n, 0, 0), level, n, "c", body, body))


class Browser:
    """Takes messages; `gate` cleared: its connection is stuck."""

    def __init__(self, hub: Hub, what: Subscription, resume: tuple[str, int] | None = None) -> None:
        self.messages: list[dict[str, Any]] = []
        self.texts: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.arrived = asyncio.Event()
        self.client: Client = hub.join(self._send)
        self.client.task = asyncio.ensure_future(self.client.run())
        hub.subscribe(self.client, what, resume)

    async def _send(self, message: dict[str, Any]) -> None:
        await self.gate.wait()
        self.texts.append(message["text"])
        self.messages.append(json.loads(message["text"]))
        self.arrived.set()

    async def until(self, condition: Callable[[], Any]) -> None:
        while not condition():
            self.arrived.clear()
            await self.arrived.wait()

    async def begun(self) -> None:
        await self.until(lambda: self.messages)

    def ids(self, field: str = "statuses") -> list[str]:
        return [each["id"] for message in self.messages if message["type"] == "delta" for each in message.get(field, [])]


def hub(**options: Any) -> Hub:
    return Hub(World(), Metrics(), "epoch", options.get("snapshot", 1000), options.get("behind", 10.0))


def test_a_change_goes_out_at_once_when_it_is_calm() -> None:
    """No timer of 100 ms stands between a lone change and the browser: it is sent in the next turn of the loop."""

    async def story() -> None:
        centre = hub()
        browser = Browser(centre, ALL)
        await browser.until(lambda: browser.messages)
        put(centre.world, 1)
        centre.pump()
        for _ in range(4):
            await asyncio.sleep(0)
        assert browser.ids() == ["1"]

    run(story())


@pytest.mark.parametrize("per_s", [UPDATES_PER_S, QUICK_UPDATES_PER_S])
def test_a_group_may_send_three_at_once_then_ten_or_twenty_a_second(per_s: float) -> None:
    """Tokens: three in the bucket, so many a second come in; points leave one for a verdict."""
    group = Group(ALL, World().overview(NS, None), None, 0, 0.0)
    group.urgent = True
    sent, now = 0, 0.0
    while now <= 10.0:
        if group.wait(now, per_s) <= 1e-9:
            group.tokens -= 1
            sent += 1
        now += 0.001
    assert abs(sent - (BUCKET + 10 * per_s)) <= 1
    group.tokens = 1.0
    group.urgent = False
    assert group.wait(now, per_s) == pytest.approx(1 / per_s, abs=0.002)
    group.urgent = True
    assert group.wait(now, per_s) == 0.0


def test_how_far_the_engine_has_come_goes_with_every_message() -> None:
    """Of the subject in focus and of its namespace: by it a page knows whether anybody judges, and what time it is in a virtual log."""

    async def story() -> None:
        centre = hub()
        world = centre.world
        put(world, 1_000)
        put(world, 2_000, "beta")
        browser = Browser(centre, NEAR)
        await browser.begun()
        assert browser.messages[0]["clock"] == 2_000
        assert browser.messages[0]["began"] == centre.began_ms
        for subject, end in (
            (SUBJECT, 10_000),
            (SubjectKey(NS, "default", "beta"), 20_000),
            (SUBJECT, 9_000),
            (SubjectKey("other", "a", "b"), 5),
        ):
            world.seen(subject, end)
        world.points(SUBJECT, [b'["clarity",11000,0.5]'])
        centre.pump()
        await browser.until(lambda: len(browser.messages) == 2)
        told = browser.messages[1]
        assert (told["judged"], told["clock"]) == (10_000, 20_000)
        # who stays gets no snapshot, and learns it of the subject that it turns to
        centre.subscribe(browser.client, NEAR._replace(subject=SubjectKey(NS, "default", "beta")), ("epoch", told["seq"]))
        await browser.until(lambda: len(browser.messages) == 3)
        assert (browser.messages[2]["type"], browser.messages[2]["judged"]) == ("resumed", 20_000)

    run(story())


@pytest.mark.parametrize(("clients", "per_s"), [(CROWD, QUICK_UPDATES_PER_S), (CROWD + 1, UPDATES_PER_S)])
def test_nobody_is_quick_in_a_crowd(clients: int, per_s: float) -> None:
    """Who asks for it gets twenty updates a second, while few are there."""

    async def story() -> None:
        centre = hub()
        quick = Browser(centre, NEAR._replace(quick=True))
        slow = Browser(centre, NEAR)
        others = [Browser(centre, ALL) for _ in range(clients - 2)]
        for browser in (quick, slow, *others):
            await browser.begun()
        waits = {}
        for browser in (quick, slow):
            group = browser.client.group
            assert group is not None
            group.tokens, group.refilled = 0.0, asyncio.get_running_loop().time()
            centre._schedule(group, group.refilled)
            assert group.timer is not None
            waits[browser] = group.timer.when() - group.refilled
        assert waits[quick] == pytest.approx(2 / per_s, abs=0.01)
        assert waits[slow] == pytest.approx(2 / UPDATES_PER_S, abs=0.01)

    run(story())


def test_one_message_is_encoded_once_for_all_who_see_the_same() -> None:
    """A hundred browsers with one subscription get the very same text, made once."""

    async def story() -> None:
        centre = hub()
        made = 0
        original = centre.world.delta

        def counting(*arguments: Any) -> bytes | None:
            nonlocal made
            made += 1
            return original(*arguments)

        centre.world.delta = counting  # type: ignore[assignment]
        browsers = [Browser(centre, ALL) for _ in range(100)]
        for browser in browsers:
            await browser.begun()
        before = made
        put(centre.world, 1)
        centre.pump()
        for browser in browsers:
            await browser.until(browser.ids)
        assert made == before + 1
        assert len({browser.texts[-1] for browser in browsers}) == 1

    run(story())


def test_a_stuck_browser_delays_nobody_and_gets_the_latest_in_one_message() -> None:
    """While one connection takes nothing, others go on; freed, it gets each metric's last state once, every verdict of its focus."""

    async def story() -> None:
        centre = hub()
        slow, quick = Browser(centre, NEAR), Browser(centre, ALL)
        await slow.until(lambda: slow.messages)
        await quick.until(lambda: quick.messages)
        slow.gate.clear()
        for n in range(1, 31):
            put(centre.world, n)
            centre.pump()
            await asyncio.sleep(0.01)
        await quick.until(lambda: "30" in quick.ids())
        assert slow.ids() == []
        slow.gate.set()
        await slow.until(lambda: "30" in slow.ids("verdicts"))
        assert slow.ids("verdicts") == [str(n) for n in range(1, 31)]
        # the message on which it was stuck, and one with all the rest
        assert len([message for message in slow.messages if message["type"] == "delta"]) <= 3

    run(story())


def test_who_is_stuck_for_too_long_is_cut_off_with_1013() -> None:
    """Beyond the limit the connection is ended; the hub forgets nothing of the others."""

    async def story() -> None:
        centre = hub(behind=0.05)
        stuck, quick = Browser(centre, ALL), Browser(centre, ALL)
        await stuck.until(lambda: stuck.messages)
        stuck.gate.clear()
        put(centre.world, 1)
        centre.pump()
        await quick.until(quick.ids)
        await asyncio.sleep(0.1)
        centre.sweep()
        assert stuck.client.closed == (1013, "too far behind")
        assert quick.client.closed is None

    run(story())


def test_memory_is_bounded_whatever_comes_while_nobody_takes_it() -> None:
    """What is kept for those who may come back has a limit in each kind; beyond it they get a snapshot."""

    async def story() -> None:
        centre = hub()
        browser = Browser(centre, NEAR)
        await browser.until(lambda: browser.messages)
        number = centre.world.number
        browser.gate.clear()
        for n in range(1, CHANGES_KEPT + 100):
            put(centre.world, n)
        centre.world.points(SUBJECT, [b'["clarity",1,0.5]'] * (POINTS_KEPT + 100))
        focus, overview = centre.world.foci[SUBJECT], centre.world.overviews[NS, None]
        assert (len(overview.log), len(focus.verdicts), len(focus.points)) == (CHANGES_KEPT, VERDICTS_KEPT, POINTS_KEPT)
        assert not centre.world.can_resume(overview, focus, number)
        assert centre.world.can_resume(overview, focus, centre.world.number - 5)
        again = Browser(centre, NEAR, resume=("epoch", number))
        await again.until(lambda: again.messages)
        assert again.messages[0]["type"] == "snapshot"

    run(story())


def test_those_in_need_come_first_when_a_snapshot_is_cut() -> None:
    """More statuses than fit: BLOCK, WARN and UNKNOWN are shown before OK, and the total is told."""

    async def story() -> None:
        centre = hub(snapshot=3)
        for n in range(100):
            put(centre.world, n, f"s{n:03}", {10: "WARN", 50: "BLOCK"}.get(n, "OK"))
        browser = Browser(centre, ALL)
        await browser.until(lambda: browser.messages)
        snapshot = browser.messages[0]
        assert snapshot["total"] == 100
        assert [each["subject"] for each in snapshot["statuses"]] == ["s050", "s010", "s000"]

    run(story())


def test_what_nobody_looks_at_is_forgotten_after_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups, foci and overviews end with their last viewer's grace; the raw points of a subject are no longer read."""

    async def story() -> None:
        monkeypatch.setattr("gateway.hub.KEEP_S", 0.0)
        centre = hub()
        watched: list[set[SubjectKey]] = []
        centre.watched = watched.append
        browser = Browser(centre, NEAR)
        await browser.until(lambda: browser.messages)
        assert watched[-1] == {SUBJECT}
        centre.leave(browser.client)
        await asyncio.sleep(0.01)
        centre.sweep()
        assert (centre.groups, centre.world.foci, centre.world.overviews) == ({}, {}, {})
        assert watched[-1] == set()

    run(story())


def test_sparklines_reach_the_overviews_that_show_the_subject() -> None:
    """A sample is told under namespace, tenant and subject, to whoever looks at that tenant."""

    async def story() -> None:
        centre = hub()
        here, elsewhere = Browser(centre, ALL), Browser(centre, Subscription(NS, "other", None, points=False))
        await here.begun()
        await elsewhere.begun()
        centre.world.sparks({SUBJECT: 0.75})
        centre.pump()
        await here.until(lambda: "sparks" in here.messages[-1])
        assert here.messages[-1]["sparks"] == {f"{NS}|default|alpha": 0.75}
        assert len(elsewhere.messages) == 1

    run(story())


def test_sending_is_awaited_one_message_at_a_time() -> None:
    """A connection never has two sends under way, whatever arrives meanwhile."""

    async def story() -> None:
        centre = hub()
        under_way = greatest = 0

        async def send(_: dict[str, Any]) -> None:
            nonlocal under_way, greatest
            under_way += 1
            greatest = max(greatest, under_way)
            await asyncio.sleep(0.005)
            under_way -= 1

        taker: Callable[[dict[str, Any]], Awaitable[None]] = send
        client = centre.join(taker)
        client.task = asyncio.ensure_future(client.run())
        centre.subscribe(client, ALL, None)
        for n in range(50):
            put(centre.world, n)
            centre.pump()
            client.control(b"{}")
            await asyncio.sleep(0.002)
        assert greatest == 1

    run(story())


def test_what_is_under_way_is_not_told_twice_to_who_subscribes_again() -> None:
    """A page that had not yet seen the last delta when it asked gets it once: points told twice would count twice."""

    async def story() -> None:
        centre = hub()
        put(centre.world, 1)
        browser = Browser(centre, NEAR)
        await browser.begun()
        seen = browser.messages[-1]["seq"]
        centre.world.points(SUBJECT, [b'["clarity",1,0.5]'])
        centre.pump()
        await browser.until(lambda: len(browser.messages) == 2)
        centre.subscribe(browser.client, NEAR, ("epoch", seen))  # sent before the delta arrived
        await browser.until(lambda: len(browser.messages) == 3)
        centre.world.points(SUBJECT, [b'["clarity",2,0.5]'])
        centre.pump()
        await browser.until(lambda: len(browser.messages) == 4)
        assert [message["type"] for message in browser.messages] == ["snapshot", "delta", "resumed", "delta"]
        assert [point for message in browser.messages for point in message.get("points", [])] == [["clarity", 1, 0.5], ["clarity", 2, 0.5]]
        assert browser.messages[2]["seq"] == browser.messages[1]["seq"]

    run(story())


def test_a_browser_that_looks_everywhere_leaves_little_behind() -> None:
    """Overviews and foci that nobody looks at any more are bounded in number, not only by a minute."""

    async def story() -> None:
        centre = hub()
        browser = Browser(centre, ALL)
        for n in range(10 * EMPTY_KEPT):
            centre.subscribe(browser.client, Subscription(NS, f"tenant-{n}", SubjectKey(NS, "t", f"s{n}"), points=True), None)
        most = EMPTY_KEPT + 2  # and where it looks, and where it has just looked
        assert len(centre.groups) <= most
        assert len(centre.world.overviews) <= most
        assert len(centre.world.foci) <= most
        assert browser.client.group in centre.groups.values()

    run(story())


def test_another_subject_on_the_same_connection_costs_no_snapshot() -> None:
    """Who only turns to another subject has the overview already: it goes on where it was, also for a subject nobody watched."""

    async def story() -> None:
        centre = hub()
        for n in range(1, 4):
            put(centre.world, n)
        browser = Browser(centre, ALL)
        await browser.begun()
        put(centre.world, 4, "beta")
        centre.pump()
        await browser.until(lambda: len(browser.messages) == 2)
        put(centre.world, 5, "gamma")
        beta = ALL._replace(subject=SubjectKey(NS, "default", "beta"))
        centre.subscribe(browser.client, beta, ("epoch", browser.messages[-1]["seq"]))
        await browser.until(lambda: "5" in browser.ids())
        assert [message["type"] for message in browser.messages] == ["snapshot", "delta", "resumed", "delta"]

    run(story())
