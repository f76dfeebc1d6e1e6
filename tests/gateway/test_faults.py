"""Parts away and back again: nothing acknowledged is lost, and the gateway says which part it is."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path

import httpx
import pytest

from iskra.stack.kafka import EmbeddedKafka
from iskra.stack.topics import ensure_topics
from schemas.topics import DEFAULT_PARTITIONS
from tests.gateway.conftest import DEADLINE_S, Running, Worker, eventually, read_points

pytestmark = pytest.mark.kafka
TS = 1_762_435_106_000


class Own:
    """A broker that a test may stop, with a namespace and a gateway."""

    def __init__(self, broker: EmbeddedKafka, namespace: str, gateway: Running) -> None:
        self.broker = broker
        self.namespace = namespace
        self.gateway = gateway


@pytest.fixture
def own(tmp_path: Path, spawn_gateway: Callable[..., Running]) -> Iterator[Own]:
    broker = EmbeddedKafka(tmp_path / "kafka")
    broker.start()
    namespace = f"t{uuid.uuid4().hex[:8]}"
    ensure_topics(broker.bootstrap, namespace, DEFAULT_PARTITIONS)
    yield Own(broker, namespace, spawn_gateway(kafka=broker.bootstrap, namespaces=[namespace]))
    broker.stop()


def test_broker_killed_and_back_loses_nothing_acknowledged(own: Own) -> None:
    """While the broker is away producers get 503 with Retry-After; then 202 again, and every acknowledged point is on the log."""
    acknowledged: list[int] = []
    number = 0

    def send(client: httpx.Client) -> int:
        nonlocal number
        number += 1
        answer = client.post("/api/v1/points", json=[{"subject": "s", "metric": "clarity", "value": 0.5, "ts": TS + number}])
        if answer.status_code == 202:
            acknowledged.append(TS + number)
        else:
            assert answer.status_code == 503
            assert "kafka" in answer.json()["detail"]
            assert answer.headers["Retry-After"] == "1"
        return answer.status_code

    async def later() -> None:
        async with own.gateway.socket() as socket:
            await socket.subscribe(own.namespace)
            await socket.until("snapshot")
            Worker(own.broker.bootstrap, own.namespace).status("later")
            while "later" not in {each["subject"] for each in (await socket.until("delta", "statuses"))["statuses"]}:
                pass

    with own.gateway.client() as client:
        eventually(lambda: send(client) == 202, "accepted")
        for _ in range(50):
            send(client)
        own.broker.kill()
        eventually(lambda: send(client) == 503 and not own.gateway.part("kafka"), "refused")
        own.broker.start()  # by this thread: the broker ends with the thread that started it
        eventually(lambda: send(client) == 202, "accepted again")
        assert client.get("/readyz").json()["parts"]["kafka"]["up"] is True
    asyncio.run(asyncio.wait_for(later(), DEADLINE_S))
    on_log = [item["ts"] for item in read_points(own.broker.bootstrap, own.namespace)]
    assert len(acknowledged) > 50
    assert all(on_log.count(ts) == 1 for ts in acknowledged)


def test_the_gateway_starts_without_a_broker_and_finds_it_later(tmp_path: Path, spawn_gateway: Callable[..., Running]) -> None:
    """No broker at the start: alive, 503 with the part; topics that come later are found without a restart."""
    broker = EmbeddedKafka(tmp_path / "kafka")
    broker.start()
    bootstrap = broker.bootstrap
    broker.stop()
    namespace = f"t{uuid.uuid4().hex[:8]}"
    gateway = spawn_gateway(kafka=bootstrap, namespaces=[namespace], wait_for=None)
    point = {"subject": "s", "metric": "clarity", "value": 0.5, "ts": TS}
    with gateway.client() as client:
        eventually(lambda: client.get("/readyz").json()["parts"]["kafka"]["detail"] != "not asked yet", "a first probe")
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 503
        assert client.get("/api/slo/status").status_code == 503
        assert client.post("/api/v1/points", json=point).status_code == 503
        broker.start()
        try:
            eventually(lambda: "topic" in client.get("/readyz").json()["parts"]["kafka"]["detail"], "the missing topic is named")
            ensure_topics(bootstrap, namespace, DEFAULT_PARTITIONS)
            eventually(lambda: client.post("/api/v1/points", json=point).status_code == 202, "accepted")
            eventually(lambda: client.get("/api/slo/status").status_code == 200, "state")
        finally:
            broker.stop()
    begun = time.monotonic()
    gateway.process.terminate()
    assert gateway.process.wait(10) == 0
    assert time.monotonic() - begun < 5


def test_an_explanation_under_way_holds_up_no_end(spawn_gateway: Callable[..., Running], kafka: str) -> None:
    """Of a long log it takes minutes; a supervisor kills whoever has not ended by then."""
    gateway = spawn_gateway(namespaces=[f"t{uuid.uuid4().hex[:8]}"], explain=True, wait_for=None)
    paths = [f"/api/v1/verdicts/0-{number}-0-0-aa/explain" for number in (1, 2)]
    with ThreadPoolExecutor(2) as pool, gateway.client() as client:

        def one_is_refused() -> bool:
            """Whichever comes second is told so at once, while the first goes on."""
            first, _ = wait([pool.submit(client.get, path) for path in paths], return_when=FIRST_COMPLETED)
            return first.pop().result().status_code == 503

        eventually(one_is_refused, "another is being explained")
        gateway.process.terminate()
        assert gateway.process.wait(10) == 0


def test_sigterm_under_load_loses_nothing_acknowledged(spawn_gateway: Callable[..., Running], kafka: str) -> None:
    """What was answered 202 before or during the stop is on the log; the exit code is 0."""
    namespace = f"t{uuid.uuid4().hex[:8]}"
    ensure_topics(kafka, namespace, DEFAULT_PARTITIONS)
    gateway = spawn_gateway(namespaces=[namespace])
    acknowledged: list[int] = []
    with gateway.client() as client:
        eventually(lambda: client.post("/api/v1/points", json=[]).status_code == 202, "accepts")
        for number in range(2000):
            if number == 50:
                gateway.process.terminate()
            times = range(TS + number * 10, TS + number * 10 + 10)
            batch = [{"subject": f"s{ts % 10}", "metric": "clarity", "value": 0.5, "ts": ts} for ts in times]
            try:
                answer = client.post("/api/v1/points", json=batch)
            except httpx.TransportError:
                break
            if answer.status_code == 202:
                acknowledged += times
    assert gateway.process.wait(10) == 0
    assert len(acknowledged) >= 500
    on_log = [item["ts"] for item in read_points(kafka, namespace)]
    assert set(acknowledged) <= set(on_log)
    assert len(on_log) == len(set(on_log))


def test_a_port_in_use_is_said_in_one_line(gateway: Running, kafka: str) -> None:
    """A second gateway on the same port ends at once with 2 and names the address."""
    command = [sys.executable, "-m", "iskra", "gateway", "--kafka", kafka, "--port", str(gateway.port)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert ended.stderr.strip().splitlines()[-1] == f"Error: cannot listen on 127.0.0.1:{gateway.port}: Address already in use"
    assert ended.stdout == ""


def test_secrets_are_in_no_log(spawn_gateway: Callable[..., Running], space: str) -> None:
    """The store's password appears neither in the log nor in what the gateway shows."""
    gateway = spawn_gateway(namespaces=[space], password="hunter-" + "2" * 12)
    with gateway.client() as client:
        shown = "".join(client.get(path).text for path in ("/status", "/readyz", "/metrics", "/api/v1/verdicts"))
    assert "hunter-" not in gateway.told() + shown
