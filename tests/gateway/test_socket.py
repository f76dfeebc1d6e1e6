"""The WebSocket against a real broker: snapshot, deltas, focus, resume, and who may come in."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import time
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import websockets

from iskra.stack.topics import ensure_topics
from schemas.topics import DEFAULT_PARTITIONS
from tests.gateway.conftest import DEADLINE_S, Running, Socket, Worker, eventually

pytestmark = pytest.mark.kafka


def run(story: Coroutine[Any, Any, None]) -> None:
    """Runs a story within the deadline."""
    asyncio.run(asyncio.wait_for(story, DEADLINE_S))


async def settled(socket: Socket, known: str, worker: Worker, namespace: str, **more: Any) -> dict[str, Any]:
    """Subscribes, and returns the snapshot that holds a status of the subject `known`."""
    worker.status(known)
    while True:
        await socket.subscribe(namespace, **more)
        snapshot = await socket.until("snapshot")
        if any(status["subject"] == known for status in snapshot["statuses"]):
            return snapshot
        await asyncio.sleep(0.05)


async def watching(socket: Socket, worker: Worker, subject: str) -> None:
    """Waits until raw points of the subject come through."""
    probe = asyncio.ensure_future(socket.until("delta", "points"))
    while not probe.done():
        await asyncio.to_thread(worker.points, subject, [0.123], metric="probe")
        await asyncio.wait((probe,), timeout=0.3)


def latest(gateway: Running, subject: str) -> str | None:
    """The id of the subject's present status."""
    with gateway.client() as client:
        answer = client.get("/api/slo/status", params={"subject": subject})
    items = answer.json()["items"] if answer.status_code == 200 else []
    return items[0]["id"] if items else None


def test_hello_parts_snapshot_then_deltas(gateway: Running, worker: Worker, space: str) -> None:
    """A fresh client learns the configuration, the parts, the present state and then each change once."""

    async def story() -> None:
        async with gateway.socket() as socket:
            hello = await socket.next()
            assert (hello["type"], hello["namespaces"]) == ("hello", [space])
            assert hello["config"]["metrics"]["clarity"]["optimal"] == [0.75, 0.85]
            assert hello["config"]["defaults"]["for"] == {"P0": 0, "P1": 2000, "P2": 5000}
            assert abs(hello["server_time"] - time.time() * 1000) < 60_000
            assert await socket.next() == {"type": "parts", "kafka": True, "clickhouse": False}
            snapshot = await settled(socket, "story", worker, space)
            status = next(each for each in snapshot["statuses"] if each["subject"] == "story")
            assert (status["namespace"], status["tenant"], status["level"], "evidence" in status) == (space, "default", "OK", False)
            seen = next(each for each in snapshot["subjects"] if each["subject"] == "story")
            assert seen == {"namespace": space, "tenant": "default", "subject": "story", "last_ts": status["since"]}
            identity = worker.status("story", level="WARN", priority="P2", since=status["since"] + 1000)
            delta = await socket.until("delta", "statuses")
            assert [(each["id"], each["level"]) for each in delta["statuses"]] == [(identity, "WARN")]
            assert delta["seq"] > snapshot["seq"]
            assert "verdicts" not in delta

    run(story())


def test_a_subject_in_focus_tells_every_verdict_and_its_points(gateway: Running, worker: Worker, space: str) -> None:
    """Verdicts come in order with their evidence; points only of the subject in focus."""

    async def story() -> None:
        async with gateway.socket() as socket:
            await settled(socket, "near", worker, space, subject="near", points=True)
            await watching(socket, worker, "near")
            ids = [worker.status("near", level=level) for level in ("WARN", "BLOCK", "OK")]
            worker.status("far", level="BLOCK")
            worker.points("far", [0.9])
            worker.points("near", [0.25, 0.5])
            verdicts: list[dict[str, Any]] = []
            points: list[Any] = []
            while len(verdicts) < 3 or len(points) < 2:
                delta = await socket.until("delta")
                verdicts += delta.get("verdicts", [])
                points += [point for point in delta.get("points", []) if point[0] != "probe"]
            assert [each["id"] for each in verdicts] == ids
            assert verdicts[0]["evidence"]["rungs"]
            assert points == [["clarity", 1_762_435_106_000, 0.25], ["clarity", 1_762_435_106_001, 0.5]]

    run(story())


def test_points_that_the_engine_refuses_are_not_shown(gateway: Running, worker: Worker, space: str) -> None:
    """One of the year 9999 would move the page's time; what cannot be read costs only itself."""

    async def story() -> None:
        async with gateway.socket() as socket:
            await settled(socket, "odd", worker, space, subject="odd", points=True)
            await watching(socket, worker, "odd")
            key = b"default/odd"
            worker.message(key, b'[{"subject":"odd","metric":"clarity","value":0.5,"ts":1,"x":' + b"[" * 50_000 + b"]" * 50_000 + b"}]")
            worker.points("odd", [0.5], ts=253_402_300_799_000)
            worker.points("odd", [7.0, -0.1])
            worker.message(
                key,
                b'[{"subject":"odd","metric":"clarity","value":"much","ts":1},{"subject":"odd","metric":"clarity","value":0.5,"ts":"then"},'
                b'{"subject":"odd","metric":"clarity","value":0.75,"ts":1762435106000}]',
            )
            worker.points("odd", [0.25])
            points: list[Any] = []
            while len(points) < 2:
                points += [point for point in (await socket.until("delta", "points"))["points"] if point[0] != "probe"]
            assert points == [["clarity", 1_762_435_106_000, 0.75], ["clarity", 1_762_435_106_000, 0.25]]

    run(story())


def test_a_namespace_without_topics_keeps_nobody_from_points(spawn_gateway: Callable[..., Running], worker: Worker, space: str) -> None:
    """Who looks at one that is not there yet waits alone, and is served when it comes."""
    later = f"t{uuid.uuid4().hex[:8]}"
    gateway = spawn_gateway(namespaces=[space, later])

    async def story() -> None:
        async with gateway.socket() as early, gateway.socket() as socket:
            await early.subscribe(later, subject="coming", points=True)
            await early.until("snapshot")
            await settled(socket, "there", worker, space, subject="there", points=True)
            await watching(socket, worker, "there")
            await asyncio.to_thread(ensure_topics, worker.kafka, later, DEFAULT_PARTITIONS)
            await watching(early, Worker(worker.kafka, later), "coming")

    run(story())


def test_overviews_show_what_was_asked_for(gateway: Running, worker: Worker, space: str) -> None:
    """A tenant's overview holds that tenant alone, in snapshot and deltas; a later subscribe replaces the former."""

    async def story() -> None:
        async with gateway.socket() as socket:
            await settled(socket, "else", worker, space)
            worker.status("mine", tenant="acme")
            await socket.until("delta", "statuses")
            await socket.subscribe(space, tenant="acme")
            snapshot = await socket.until("snapshot")
            assert {each["tenant"] for each in snapshot["statuses"]} == {"acme"}
            worker.status("else", level="WARN")
            worker.status("mine", tenant="acme", level="WARN")
            delta = await socket.until("delta", "statuses")
            assert [each["subject"] for each in delta["statuses"]] == ["mine"]

    run(story())


def test_a_forgotten_subject_is_removed(gateway: Running, worker: Worker, space: str) -> None:
    """A tombstone on `slo.current` reaches the overview."""

    async def story() -> None:
        async with gateway.socket() as socket:
            await settled(socket, "gone", worker, space)
            worker.forget("gone")
            delta = await socket.until("delta", "removed")
            assert delta["removed"] == [f"{space}|default|gone|clarity"]
            await socket.subscribe(space, tenant="default")
            snapshot = await socket.until("snapshot")
            assert "gone" not in {each["subject"] for each in snapshot["statuses"]}

    run(story())


def test_older_and_repeated_statuses_change_nothing(gateway: Running, worker: Worker, space: str) -> None:
    """A late writer's older status, or the same one again, is not shown: the log's order counts."""

    async def story() -> None:
        async with gateway.socket() as socket:
            await settled(socket, "order", worker, space)
            worker.status("order", level="BLOCK", offset=1_000_000)
            worker.status("order", level="WARN", offset=999_999)
            worker.status("order", level="BLOCK", offset=1_000_000)
            last = worker.status("order", level="UNKNOWN", reason="missing", offset=1_000_001)
            seen: list[str] = []
            while last not in seen:
                seen += [each["id"] for each in (await socket.until("delta", "statuses"))["statuses"]]
            assert len(seen) == len(set(seen))
            assert not any("-999999-" in each for each in seen)

    run(story())


def test_a_client_that_comes_back_gets_what_it_missed(gateway: Running, worker: Worker, space: str) -> None:
    """With epoch and number a client resumes; with another epoch, or a number from the future, it gets a snapshot."""

    async def story() -> None:
        async with gateway.socket() as socket:
            hello = await socket.next()
            snapshot = await settled(socket, "back", worker, space, subject="back")
        missed = [worker.status("back", level="WARN"), worker.status("back", level="BLOCK")]
        await asyncio.to_thread(eventually, lambda: latest(gateway, "back") == missed[-1], "both were read")
        async with gateway.socket() as socket:
            await socket.subscribe(space, subject="back", resume={"epoch": hello["epoch"], "seq": snapshot["seq"]})
            resumed = await socket.until("resumed")
            delta = await socket.until("delta", "verdicts")
            assert [each["id"] for each in delta["verdicts"]] == missed
            (status,) = [each for each in delta["statuses"] if each["subject"] == "back"]
            assert status["id"] == missed[-1]
            assert resumed == {"type": "resumed", "seq": snapshot["seq"], "judged": status["since"]}
            with gateway.client() as client:
                told = (await asyncio.to_thread(client.get, "/status")).text
            assert f"newest output of the engine: {dt.datetime.fromtimestamp(status['since'] // 1000, dt.UTC):%Y-%m-%d}" in told
            for resume in ({"epoch": "another", "seq": snapshot["seq"]}, {"epoch": hello["epoch"], "seq": 10**9}):
                await socket.subscribe(space, subject="back", resume=resume)
                assert (await socket.until("snapshot"))["seq"] >= delta["seq"]

    run(story())


def test_changes_are_conflated_to_ten_a_second(gateway: Running, worker: Worker, space: str) -> None:
    """A stream of changes makes at most ten deltas a second and three beside; the last state arrives, every verdict too."""

    async def story() -> None:
        async with gateway.socket() as socket:
            await settled(socket, "busy", worker, space, subject="busy")
            begun = time.monotonic()
            ids = [await asyncio.to_thread(worker.status, "busy", level=("WARN", "BLOCK")[i % 2]) for i in range(200)]
            deltas = 0
            verdicts: list[str] = []
            last = None
            while len(verdicts) < 200:
                delta = await socket.until("delta", "verdicts")
                deltas += 1
                verdicts += [each["id"] for each in delta["verdicts"]]
                last = delta["statuses"][-1]["id"]
            assert verdicts == ids
            assert last == ids[-1]
            assert deltas <= (time.monotonic() - begun) * 10 + 4

    run(story())


def test_ping_is_answered_with_its_echo(gateway: Running) -> None:
    """The page measures its latency by it."""

    async def story() -> None:
        async with gateway.socket() as socket:
            await socket.send(op="ping", echo=12.5)
            pong = await socket.until("pong")
            assert pong["echo"] == 12.5
            assert pong["server_time"] > 0

    run(story())


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{",
        "5",
        '{"op":"dance"}',
        '{"op":"subscribe","namespace":5}',
        '{"op":"subscribe","namespace":"elsewhere"}',
        b"\xff\xfe",
        "\u0000",
        '{"op":"ping","x":' + "[" * 2_000,
    ],
)
def test_nonsense_is_answered_with_an_error_and_the_connection_lives(gateway: Running, message: str | bytes) -> None:
    """A message that cannot be understood says why and costs nothing else."""

    async def story() -> None:
        async with gateway.socket() as socket:
            await socket.connection.send(message)
            assert (await socket.until("error"))["message"]
            await socket.send(op="ping", echo=1)
            assert (await socket.until("pong"))["echo"] == 1

    run(story())


def test_a_long_message_ends_the_connection(gateway: Running) -> None:
    """Browsers have little to say: above 4 KiB it is 1009; a megabyte does not get the gateway down."""

    async def story() -> None:
        for size in (5_000, 1_000_000):
            async with gateway.socket() as socket:
                await socket.connection.send("x" * size)
                with pytest.raises(websockets.ConnectionClosed) as closed:
                    await socket.until("never")
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 1009

    run(story())


def test_a_flood_of_messages_ends_the_connection(gateway: Running) -> None:
    """Whoever sends hundreds of messages at once is cut off."""

    async def story() -> None:
        async with gateway.socket() as socket:
            with contextlib.suppress(websockets.ConnectionClosed):
                for _ in range(1000):
                    await socket.send(op="ping", echo=1)
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await socket.until("never")
            # what was not read of the flood may reset the connection before the close frame is seen
            assert closed.value.rcvd is None or closed.value.rcvd.code == 1008

    run(story())


def test_pages_of_other_hosts_may_not_listen(gateway: Running) -> None:
    """A handshake with a foreign Origin is refused; one of this host, or of a program, is not."""

    async def story() -> None:
        for origin in ("http://evil.example", f"http://127.0.0.1:{gateway.port}.evil.example", "null", f"http://localhost:{gateway.port}"):
            with pytest.raises(websockets.InvalidStatus) as refused:
                async with gateway.socket(origin=origin):
                    pass
            assert refused.value.response.status_code == 403
        async with gateway.socket(origin=f"http://127.0.0.1:{gateway.port}") as socket:
            assert (await socket.next())["type"] == "hello"

    run(story())


def test_other_paths_are_no_sockets(gateway: Running) -> None:
    """Only /ws speaks WebSocket."""

    async def story() -> None:
        with pytest.raises(websockets.InvalidStatus):
            async with websockets.connect(f"ws://127.0.0.1:{gateway.port}/other"):
                pass

    run(story())


def test_a_restart_makes_a_new_epoch_and_a_new_snapshot(spawn_gateway: Callable[..., Running], worker: Worker, space: str) -> None:
    """After kill -9 the state is read again from `slo.current`, also what was never on the new process' `slo.status`."""

    async def story() -> None:
        worker.status("lasting", level="BLOCK", priority="P0")
        first = await asyncio.to_thread(spawn_gateway, namespaces=[space])
        async with first.socket() as socket:
            old = await socket.next()
        first.process.kill()
        await asyncio.to_thread(first.process.wait, 10)
        second = await asyncio.to_thread(spawn_gateway, namespaces=[space], port=first.port)
        await asyncio.to_thread(eventually, lambda: latest(second, "lasting"), "the state was read")
        async with second.socket() as socket:
            new = await socket.next()
            assert new["epoch"] != old["epoch"]
            await socket.subscribe(space, resume={"epoch": old["epoch"], "seq": 1})
            snapshot = await socket.until("snapshot")
            assert "lasting" in {each["subject"] for each in snapshot["statuses"]}

    run(story())


def test_sigterm_tells_browsers_to_come_back_and_exits_with_zero(spawn_gateway: Callable[..., Running], space: str) -> None:
    """The close code is 1001, the exit code 0, within five seconds."""

    async def story() -> None:
        gateway = await asyncio.to_thread(spawn_gateway, namespaces=[space])
        async with gateway.socket() as socket, gateway.socket() as other:
            await socket.subscribe(space)
            await socket.until("snapshot")
            begun = time.monotonic()
            gateway.process.terminate()
            for each in (socket, other):
                with pytest.raises(websockets.ConnectionClosed) as closed:
                    await each.until("never")
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 1001
        assert await asyncio.to_thread(gateway.process.wait, 10) == 0
        assert time.monotonic() - begun < 5

    run(story())
