"""A worker, a sink and a gateway as processes of their own, with the arguments that docker-compose.yml gives them."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from iskra.settings import CLICKHOUSE_PASSWORD_FILE_ENV
from iskra.stack import children, ports
from iskra.stack.topics import ensure_topics
from tests.conftest import Store
from tests.deploy.files import ROOT, services
from tests.deploy.waiting import eventually


@dataclass
class Processes:
    """Where the processes serve: `metrics` by service, the gateway's port, and their namespace."""

    namespace: str
    gateway: int
    metrics: dict[str, str]

    def figures(self, service: str) -> str:
        """What a service tells Prometheus."""
        answer = httpx.get(self.metrics[service], timeout=30)
        answer.raise_for_status()
        return answer.text


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="session")
def processes(kafka: str, store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """The processes, ready; they have taken a good point and a bad one."""
    folder: Path = tmp_path_factory.mktemp("processes")
    namespace = f"d{uuid.uuid4().hex[:8]}"
    ensure_topics(kafka, namespace, 1)
    password = folder / "clickhouse_password"
    password.write_text(store.password)
    given = {key: str(value) for key, value in services()["sink"]["environment"].items()}
    changed = {"ISKRA_KAFKA": kafka, "ISKRA_CLICKHOUSE": store.url, "ISKRA_NAMESPACE": namespace, "ISKRA_METRICS_HOST": "127.0.0.1"}
    environment = {**os.environ, **given, **changed, CLICKHOUSE_PASSWORD_FILE_ENV: str(password), "ISKRA_DATA": str(folder / "data")}
    found = Processes(namespace, 0, {})
    with ExitStack() as stack:
        for name, fixed in (("worker-1", "9100"), ("sink", "9100"), ("notify", "9100"), ("gateway", "8080")):
            port = ports.free_port()
            moved = {fixed: str(port), "0.0.0.0": "127.0.0.1", "/etc/iskra": str(ROOT / "config")}  # noqa: S104 - replaced
            arguments = [moved.get(argument, argument) for argument in services()[name]["command"]]
            log = folder / f"{name}.log"
            process = children.spawn([sys.executable, "-m", "iskra", *arguments], log=log, env=environment)
            stack.callback(process.wait, 60)
            stack.callback(process.terminate)
            eventually(lambda port=port: _answers(f"http://127.0.0.1:{port}/healthz"), f"{name}: {children.tail(log, 3)}")  # type: ignore[misc]
            found.metrics[name] = f"http://127.0.0.1:{port}/metrics"
            if name == "gateway":
                found.gateway = port
        point = {"subject": "alpha", "metric": "clarity", "value": 0.8, "ts": 1_760_000_000_000}
        eventually(lambda: _answers(f"http://127.0.0.1:{found.gateway}/readyz"), "gateway")
        answer = httpx.post(f"http://127.0.0.1:{found.gateway}/api/v1/points", json=[point, {**point, "value": 7}], timeout=30)
        assert answer.status_code == 202, answer.text
        yield found
