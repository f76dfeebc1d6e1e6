"""The log through the engine alone, compared with what stands on the topics and in ClickHouse."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import clickhouse_connect
import msgspec
import psutil
import pytest
from confluent_kafka import Producer

from gateway.settings import Explanation
from iskra.settings import CLICKHOUSE_PASSWORD_ENV
from iskra.verification.for_gateway import explainer
from schemas.headers import headers_of
from schemas.topics import ALERTS, BUDGET, ESCALATIONS, HEADER_BY, HEADER_ID, POINTS, SIGNALS, STATUS, VOICES, WINDOWS, full_name
from tests.sink.helpers import SinkProcess
from tests.streams.helpers import START_MS, Load, WorkerProcess, cut_log, dump, statuses_on_topic, wait_for

pytestmark = [pytest.mark.kafka, pytest.mark.store]


def _iskra(*arguments: str, password: str = "") -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "iskra", *arguments, "--json"],
        env=os.environ | {CLICKHOUSE_PASSWORD_ENV: password},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.fixture
def judged(kafka: str, namespace: str, tmp_path: Path) -> str:
    """A namespace in which a worker has judged a few thousand points, and has stopped, so that all is committed."""
    with WorkerProcess(kafka, namespace, tmp_path) as worker, Load(kafka, namespace) as load:
        wait_for(lambda: load.steps > 150 and statuses_on_topic(kafka, namespace) > 100, "statuses")
        load.end()
        worker.wait_said("owns")
        end = wait_for(lambda: statuses_on_topic(kafka, namespace), "statuses")
        wait_for(lambda: statuses_on_topic(kafka, namespace) >= end, "the last statuses")
        assert worker.stop() == 0
    return namespace


def _explained(kafka: str, namespace: str, identity: str) -> Explanation:
    """What the gateway is told of an output."""

    async def ask() -> Explanation:
        return await explainer(kafka)(namespace, identity)

    return asyncio.run(ask())


def _any_status(kafka: str, namespace: str) -> Any:
    return next(message for messages in dump(kafka, full_name(namespace, STATUS)) for message in messages)


def _last_status(kafka: str, namespace: str) -> Any:
    return dump(kafka, full_name(namespace, STATUS))[0][-1]


def _has_views(store: Any, namespace: str) -> bool:
    client = clickhouse_connect.get_client(dsn=store.url, username=store.user, password=store.password)
    try:
        views = client.query("SELECT count() FROM system.tables WHERE database = {name:String} AND engine = 'View'", {"name": namespace})
        return int(views.result_rows[0][0]) >= 5
    finally:
        client.close()


def test_what_ran_matches_and_any_change_of_it_is_told(kafka: str, judged: str, store: Any, tmp_path: Path) -> None:
    """A run matches in topics and in ClickHouse; then a forged output, a changed one and a deleted one are each told."""
    sink = SinkProcess(store, kafka, judged, tmp_path / "sink.log").start()
    try:
        wait_for(lambda: "started" in (tmp_path / "sink.log").read_text() and _has_views(store, judged), "the sink's tables")
        code, report = _iskra("verify", "--kafka", kafka, "--clickhouse", store.url, "--namespace", judged, password=store.password)
        assert (code, report["result"], report["differences"]) == (0, "match", [])
        assert report["outputs"] > 300
        assert report["points"] > 5_000
        living = {BUDGET, SIGNALS, VOICES, ALERTS, ESCALATIONS} & report["by_topic"].keys()
        assert {SIGNALS, ALERTS, ESCALATIONS} <= living
        times = ("--from", str(START_MS + 20_000), "--to", str(START_MS + 40_000))
        asked = ("verify", "--kafka", kafka, "--clickhouse", store.url, "--namespace", judged, *times)
        code, part = _iskra(*asked, password=store.password)
        assert (code, part["result"], part["differences"]) == (0, "match", [])
        assert 50 < part["rows"] == part["outputs"] < report["outputs"]
    finally:
        sink.stop()

    plain = ("verify", "--kafka", kafka, "--namespace", judged, "--no-store")
    status = _any_status(kafka, judged)
    producer = Producer({"bootstrap.servers": kafka})

    def forge(identity: bytes, value: bytes) -> None:
        headers: Any = [(HEADER_ID, identity)]
        producer.produce(full_name(judged, STATUS), value, status.key(), status.partition(), headers=headers)
        assert producer.flush(30) == 0

    # what the notifier writes is no output of the engine
    ledger: Any = [(HEADER_ID, b"0-1-0-0-0000000000000000-sent"), (HEADER_BY, b"notify")]
    producer.produce(full_name(judged, ESCALATIONS), b"{}", b"default/s000", 0, headers=ledger)
    assert producer.flush(30) == 0
    assert _iskra(*plain)[0] == 0

    forge(b"0-999999-0-0-0000000000000000", status.value())
    code, report = _iskra(*plain)
    assert (code, [difference["kind"] for difference in report["differences"]]) == (1, ["unexpected"])

    changed = msgspec.json.encode(msgspec.json.decode(status.value()) | {"level": "BLOCK", "value": 0.123})
    forge(headers_of(status)[HEADER_ID], changed)
    code, report = _iskra(*plain)
    assert code == 1
    assert {difference["kind"] for difference in report["differences"]} == {"unexpected", "differs"}

    cut_log(kafka, full_name(judged, STATUS), {status.partition(): 3})
    code, report = _iskra(*plain)
    assert code == 1
    assert [difference["kind"] for difference in report["differences"]].count("lost") >= 1


def test_a_log_that_retention_has_cut_is_recomputed_as_far_as_it_goes(kafka: str, judged: str, store: Any, tmp_path: Path) -> None:
    """Its one marker is gone; the commit tells the configuration. What rests on the lost records is told, and is no difference."""
    sink = SinkProcess(store, kafka, judged, tmp_path / "sink.log").start()
    points = full_name(judged, POINTS)
    ends = {number: len(messages) for number, messages in enumerate(dump(kafka, points))}
    verify = ("verify", "--kafka", kafka, "--namespace", judged, "--clickhouse", store.url)
    try:
        wait_for(lambda: "started" in (tmp_path / "sink.log").read_text() and _has_views(store, judged), "the sink's tables")
        whole = _iskra(*verify, password=store.password)[1]
        cuts = {number: end // 2 for number, end in ends.items()}
        cut_log(kafka, points, cuts)
        code, report = _iskra(*verify, password=store.password)
    finally:
        sink.stop()
    assert (code, report["result"], report["differences"]) == (0, "match", [])
    assert report["records"] == sum(ends.values()) - sum(cuts.values())
    assert whole["points"] / 3 < report["points"] < whole["points"]
    assert report["uncertain"] > 0
    assert [f"the log begins at offset {cut:,}" in note for cut, note in zip(cuts.values(), report["notes"], strict=True)] == [True] * 4

    # a window of a record that is gone, and of some that are kept: what rests on the lost ones is said to
    said = [headers_of(message)[HEADER_ID].decode() for message in dump(kafka, full_name(judged, WINDOWS))[0]]
    before = [identity for identity in said if int(identity.split("-")[1]) < cuts[0]]
    after = said[len(before) :]
    explained = [_iskra("explain", one, "--kafka", kafka, "--namespace", judged)[1] for one in (before[-1], *after[::8], after[-1])]
    assert explained[0]["difference"] == f"the record that caused it is no longer kept: the log begins at offset {cuts[0]:,}"
    assert {found["match"] for found in explained[1:]} == {True, False}
    rest = [found["difference"] for found in explained[1:] if not found["match"]]
    assert all("what depends on older records cannot be recomputed" in difference for difference in rest)

    # what no record can have caused, and what says two things at once, differ all the same
    status = _any_status(kafka, judged)
    producer = Producer({"bootstrap.servers": kafka})
    for forged in (b"0-999999-0-0-0000000000000000", headers_of(_last_status(kafka, judged))[HEADER_ID]):
        headers: Any = [(HEADER_ID, forged)]
        producer.produce(full_name(judged, STATUS), b"{}", status.key(), 0, headers=headers)
    assert producer.flush(30) == 0
    code, report = _iskra("verify", "--kafka", kafka, "--namespace", judged, "--no-store")
    assert code == 1
    assert sorted(difference["kind"] for difference in report["differences"]) == ["differs", "unexpected"]


def test_explain_recomputes_one_verdict(kafka: str, judged: str) -> None:
    """The evidence of a status, recomputed, matches; what is no id is refused, and an id that nothing has does not match."""
    identity = headers_of(_any_status(kafka, judged))[HEADER_ID].decode()
    code, found = _iskra("explain", identity, "--kafka", kafka, "--namespace", judged)
    assert (code, found["match"], found["difference"]) == (0, True, None)
    assert found["stands"] == found["recomputed"]
    assert found["stands"]["evidence"]["topic"] == full_name(judged, "metrics.points")

    nowhere = "0-1-0-0-ffffffffffffffff"
    code, found = _iskra("explain", nowhere, "--kafka", kafka, "--namespace", judged)
    assert (code, found["match"], found["stands"]) == (1, False, None)

    # and as the gateway has it
    def explained(asked: str) -> Explanation:
        return _explained(kafka, judged, asked)

    assert explained(identity) == Explanation(match=True)
    for wrong, told in ((nowhere, "neither on a topic nor in the log"), ("--help", "expected an id such as")):
        with pytest.raises(LookupError, match=told):
            explained(wrong)

    refused = subprocess.run(
        [sys.executable, "-m", "iskra", "explain", "verdict-7", "--kafka", kafka, "--namespace", judged],
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 2
    assert "expected an id such as" in refused.stderr


def test_who_gives_up_waiting_for_an_explanation_leaves_no_process() -> None:
    """The gateway does after a minute, and when it stops."""

    async def story() -> None:
        before = set(psutil.Process().children())
        waiting = asyncio.ensure_future(explainer("127.0.0.1:1")("iskra", "0-1-0-0-aa"))
        while not (begun := set(psutil.Process().children()) - before):  # noqa: ASYNC110 - of another process there is no event
            await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert not any(child.is_running() for child in begun)

    asyncio.run(story())


def test_a_broker_that_is_away_is_said_so() -> None:
    """Exit code 3 and one line that names the address; the gateway is told so, too."""
    with pytest.raises(ConnectionError, match=r"Kafka at 127\.0\.0\.1:1"):
        _explained("127.0.0.1:1", "iskra", "0-1-0-0-aa")
    done = subprocess.run(
        [sys.executable, "-m", "iskra", "verify", "--kafka", "127.0.0.1:1", "--no-store"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert "Kafka at 127.0.0.1:1" in done.stderr


def test_a_range_that_holds_no_time_is_refused() -> None:
    """Nothing would be compared, and that matches always. It is said before anybody is asked."""
    command = [sys.executable, "-m", "iskra", "verify", "--kafka", "127.0.0.1:1", "--no-store"]
    done = subprocess.run([*command, "--from", "2000", "--to", "1000"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "--to: expected a time later than --from" in done.stderr
