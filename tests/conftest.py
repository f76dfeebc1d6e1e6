"""Fixtures: the real broker and the real ClickHouse engine, one of each per run, and a fresh namespace per test."""

from __future__ import annotations

import http.client
import importlib
import os
import secrets
import signal
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from iskra.settings import CLICKHOUSE_PASSWORD_ENV, CLICKHOUSE_USER
from iskra.stack import children, ports
from iskra.stack.kafka import EmbeddedKafka
from iskra.stack.topics import ensure_topics
from schemas.topics import DEFAULT_PARTITIONS

STORE_TIMEOUT_S = 60.0

# This process patches classes of the engine, so it takes the interpreted modules (tests/processors/test_compiled.py starts one that
# does not); the processes that it starts take what users get.
if not os.environ.get("ISKRA_TEST_COMPILED"):
    os.environ["ISKRA_INTERPRETED"] = "1"
importlib.import_module("processors")
os.environ.pop("ISKRA_INTERPRETED", None)

# A shell starts what runs in its background with SIGINT ignored, and children inherit that: Ctrl-C could not be tried on them.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Store(NamedTuple):
    """A running `iskra store`: its address, user and password."""

    url: str
    user: str
    password: str


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap address of a real broker that the whole run shares."""
    broker = EmbeddedKafka(tmp_path_factory.mktemp("kafka"))
    broker.start()
    yield broker.bootstrap
    broker.stop()


@pytest.fixture
def namespace(kafka: str) -> str:
    """A namespace of its own with all topics of the registry, 4 partitions each, CreateTime."""
    name = f"t{uuid.uuid4().hex[:10]}"
    ensure_topics(kafka, name, DEFAULT_PARTITIONS)
    return name


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The real ClickHouse engine behind HTTP, as a child process that the whole run shares."""
    directory: Path = tmp_path_factory.mktemp("store")
    port = ports.free_port()
    password = secrets.token_urlsafe(16)
    log = directory / "store.log"
    process = children.spawn(
        [sys.executable, "-m", "iskra", "store", "--data", str(directory / "data"), "--port", str(port)],
        log=log,
        env={**os.environ, CLICKHOUSE_PASSWORD_ENV: password},
    )
    deadline = time.monotonic() + STORE_TIMEOUT_S
    while not _answers(port):
        assert process.poll() is None, f"iskra store ended: {children.tail(log, 3)}"
        assert time.monotonic() < deadline, f"iskra store is not ready: {children.tail(log, 3)}"
        time.sleep(0.05)
    yield Store(f"http://127.0.0.1:{port}", CLICKHOUSE_USER, password)
    process.terminate()
    process.wait(30)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(ports.LOOPBACK, port, timeout=2)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
