"""The living part through a real broker and a real gateway: on the wire, over HTTP, after a restart; and commands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from confluent_kafka import Producer

from schemas.partitioning import partition_for, subject_key
from schemas.topics import ACTIONS, ALERTS, DEFAULT_PARTITIONS, ESCALATIONS, POINTS, VOICES, full_name
from tests.gateway.conftest import Running, Worker, eventually, read_topic
from tests.gateway.events import action, alert, step, voice
from tests.gateway.test_socket import run, settled

pytestmark = pytest.mark.kafka


@pytest.fixture
def http(gateway: Running) -> Iterator[httpx.Client]:
    with gateway.client() as client:
        yield client


def items(http: httpx.Client, path: str, **query: Any) -> list[dict[str, Any]]:
    """What a list shows now."""
    answer = http.get(path, params=query)
    assert answer.status_code in (200, 503), answer.text
    found: list[dict[str, Any]] = answer.json()["items"] if answer.status_code == 200 else []
    return found


def test_a_subject_in_focus_gets_its_life_in_full_and_the_overview_a_line(gateway: Running, worker: Worker, space: str) -> None:
    """Snapshot first, then each change; another subject's life comes as counts and names alone."""

    async def story() -> None:
        async with gateway.socket() as socket:
            worker.say(VOICES, voice("alive", "pino", "activated"), "alive")
            await settled(socket, "alive", worker, space, subject="alive")
            while True:
                await socket.subscribe(space, subject="alive")
                snapshot = await socket.until("snapshot")
                if snapshot.get("life"):
                    break
                await asyncio.sleep(0.05)
            assert [each["voice"] for each in snapshot["life"]["voices"]["active"]] == ["pino"]
            assert [each["leading"] for each in snapshot["lives"] if each["subject"] == "alive"] == ["pino"]
            worker.say(ALERTS, alert("alive", "al-1", "firing"), "alive")
            delta = await socket.until("delta", "life")
            assert [each["alert_id"] for each in delta["life"]["alerts"]["open"]] == ["al-1"]
            worker.say(ALERTS, alert("other", "al-2", "firing"), "other")
            delta = await socket.until("delta", "lives")
            while not any(each["subject"] == "other" for each in delta["lives"]):
                delta = await socket.until("delta", "lives")
            assert "life" not in delta

    run(story())


def test_another_subject_on_the_same_connection_brings_its_life(gateway: Running, worker: Worker, space: str) -> None:
    """Without a new snapshot: the answer holds what lives in the subject, though nothing of it has changed since."""

    async def story() -> None:
        async with gateway.socket() as socket:
            hello = await socket.next()
            worker.say(VOICES, voice("second", "sam", "activated"), "second")
            snapshot = await settled(socket, "second", worker, space)
            while not any(each["subject"] == "second" for each in snapshot["lives"]):
                snapshot = await settled(socket, "second", worker, space)
            await socket.subscribe(space, subject="second", resume={"epoch": hello["epoch"], "seq": snapshot["seq"]})
            resumed = await socket.until("resumed")
            assert [each["voice"] for each in resumed["life"]["voices"]["active"]] == ["sam"]

    run(story())


def test_what_is_open_is_listed_with_its_steps_and_paged(http: httpx.Client, worker: Worker) -> None:
    """Alerts, actions and voices by tenant, subject and id; what is closed is not among them."""
    for n in range(3):
        worker.say(ALERTS, alert("listed", f"l-{n}", "firing", priority=f"P{n}"), "listed")
    worker.say(ESCALATIONS, step("listed", "l-0", 0, "due"), "listed")
    worker.say(ALERTS, alert("listed", "l-1", "resolved", resolution="recovered"), "listed")
    worker.say(ACTIONS, action("listed", "ac-1", "awaiting_approval"), "listed")
    worker.say(VOICES, voice("listed", "kayn", "activated"), "listed")
    eventually(lambda: items(http, "/api/voices/status", subject="listed"), "the voice was read")
    eventually(lambda: items(http, "/api/v1/actions", subject="listed"), "the action was read")
    eventually(lambda: [each["alert_id"] for each in items(http, "/api/v1/alerts", subject="listed")] == ["l-0", "l-2"], "alerts were read")
    eventually(lambda: items(http, "/api/v1/alerts", subject="listed")[0]["steps"], "the step was read")
    first = http.get("/api/v1/alerts", params={"subject": "listed", "limit": 1}).json()
    assert ([each["alert_id"] for each in first["items"]], first["total"]) == (["l-0"], 2)
    second = http.get("/api/v1/alerts", params={"subject": "listed", "limit": 1, "cursor": first["next"]}).json()
    assert ([each["alert_id"] for each in second["items"]], second["next"]) == (["l-2"], None)
    assert [each["alert_id"] for each in items(http, "/api/v1/alerts", subject="listed", priority="P2")] == ["l-2"]
    (waiting,) = items(http, "/api/v1/actions", tenant="default", subject="listed", state="awaiting_approval")
    assert (waiting["action_id"], waiting["states"][0]["state"]) == ("ac-1", "awaiting_approval")
    (speaking,) = items(http, "/api/voices/status", tenant="default", subject="listed", active=True)
    assert (speaking["leading"], speaking["active"][0]["said"]["rule"]) == ("kayn", "stagnation")
    assert items(http, "/api/voices/status", subject="listed", active=False) == []
    assert http.get("/api/v1/alerts", params={"cursor": "nonsense"}).status_code == 400
    assert http.get("/api/v1/alerts", params={"namespace": "elsewhere"}).status_code == 404


def test_a_new_gateway_knows_what_began_before_it(spawn_gateway: Callable[..., Running], worker: Worker, space: str) -> None:
    """The topics of the living part are read from their beginnings."""
    worker.say(ALERTS, alert("earlier", "e-1", "acknowledged", by="ada"), "earlier")
    later = spawn_gateway(namespaces=[space])
    with later.client() as client:
        (found,) = eventually(lambda: items(client, "/api/v1/alerts", subject="earlier"), "it was read")
    assert (found["alert_id"], found["by"]) == ("e-1", "ada")


def test_a_command_stands_among_the_subject_s_points(http: httpx.Client, kafka: str, space: str) -> None:
    """202 with its place once the broker has it; the record is of the kind `command`, in the subject's partition."""
    command = {"command": "acknowledge_alert", "subject": "commanded", "alert_id": "a-1", "who": "ada", "why": "I have it"}
    answer = http.post("/api/v1/commands", json=command)
    assert answer.status_code == 202, answer.text
    place = answer.json()
    assert place["partition"] == partition_for(subject_key("default", "commanded"), DEFAULT_PARTITIONS)
    found = [record for record in read_topic(kafka, space, "metrics.points") if record.offset == place["offset"]]
    (record,) = [each for each in found if each.partition == place["partition"]]
    assert (record.key, record.headers) == (b"default/commanded", {"kind": b"command"})
    assert {**command, "tenant": "default", "ts": None} == record.value


def test_a_command_goes_to_the_namespace_that_it_is_meant_for(
    spawn_gateway: Callable[..., Running], kafka: str, space: str, namespace: str
) -> None:
    """Time is virtual there: the command stands at the time of its partition's last record, and moves no clock."""
    then = 1_762_435_200_000
    key = subject_key("default", "commanded")
    partition = partition_for(key, DEFAULT_PARTITIONS)
    producer = Producer({"bootstrap.servers": kafka})
    producer.produce(full_name(namespace, POINTS), b"", None, partition, timestamp=then, headers=[("kind", b"tick")])
    assert producer.flush(30) == 0
    command = {"command": "mute_voice", "subject": "commanded", "voice": "pino", "who": "ada"}
    both = spawn_gateway(namespaces=[space, namespace])
    with both.client() as client:
        asked = {"params": {"namespace": namespace}, "json": command}
        place = eventually(lambda: _taken(client.post("/api/v1/commands", **asked)), "taken")  # type: ignore[arg-type]
        assert (place["topic"], place["partition"]) == (full_name(namespace, POINTS), partition)
        records = [record for record in read_topic(kafka, namespace, POINTS) if record.headers == {"kind": b"command"}]
        assert [(record.offset, record.timestamp) for record in records] == [(place["offset"], then)]
        assert client.post("/api/v1/commands", params={"namespace": "elsewhere"}, json=command).status_code == 404


def _taken(answer: httpx.Response) -> Any:
    return answer.json() if answer.status_code == 202 else None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"command": "acknowledge_alert", "subject": "a", "alert_id": "x"}, "who"),
        ({"command": "acknowledge_alert", "subject": "a", "alert_id": "x", "who": ""}, "who"),
        ({"command": "acknowledge_alert", "subject": "a", "alert_id": "x", "who": "  "}, "who"),
        ({"command": "acknowledge_alert", "subject": "a", "alert_id": 5, "who": "ada"}, "alert_id"),
        ({"command": "acknowledge_alert", "subject": "a/b", "alert_id": "x", "who": "ada"}, "subject"),
        ({"command": "acknowledge_alert", "subject": "a", "alert_id": "x", "who": "ada", "why": "y" * 2000}, "why"),
        ({"command": "acknowledge_alert", "subject": "a", "alert_id": "x", "who": "ada", "more": 1}, "more"),
        ({"command": "explode", "subject": "a", "who": "ada"}, "command"),
        ([], None),
    ],
)
def test_what_is_no_command_is_told_by_field(http: httpx.Client, body: Any, field: str | None) -> None:
    """422 names the field and what was expected; nothing is written."""
    answer = http.post("/api/v1/commands", json=body)
    assert answer.status_code == 422, answer.text
    told = answer.json()
    assert told["extra"]["field"] == field
    assert told["extra"]["reason"]


def test_only_json_of_a_sane_size_is_a_command(http: httpx.Client) -> None:
    """415 and 413 as for points."""
    lines = http.post("/api/v1/commands", content="x", headers={"Content-Type": "application/x-ndjson"})
    assert (lines.status_code, lines.headers["Connection"]) == (415, "close")
    assert http.post("/api/v1/commands", content="x", headers={"Content-Type": "text/plain"}).status_code == 415
    assert http.post("/api/v1/commands", content="[" * 20_000, headers={"Content-Type": "application/json"}).status_code == 413


def test_without_a_broker_a_command_is_not_taken(spawn_gateway: Callable[..., Running], space: str) -> None:
    """503 with the reason: nothing was acknowledged."""
    alone = spawn_gateway(namespaces=[space], kafka="127.0.0.1:1", wait_for=None)
    with alone.client() as client:
        answer = client.post("/api/v1/commands", json={"command": "mute_voice", "subject": "a", "voice": "pino", "who": "ada"})
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
