"""A hundred random faults under load: nothing is lost, doubled or judged otherwise."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from types import SimpleNamespace

import psutil
import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError

from benchmarks.load import load
from benchmarks.stack import Up, up
from iskra.settings import CLICKHOUSE_PASSWORD_ENV
from tests.store.process import client, until

pytestmark = pytest.mark.soak

FAULTS = int(os.environ.get("ISKRA_SOAK_FAULTS", "100"))
PARTS = ("worker", "sink", "gateway", "store", "kafka")
STOPPED_S = 9.0
"""Longer than a session of the consumer group (6 s): what goes on afterwards is a zombie."""
SETTLED_S = 120.0
"""A part that ended again and again is started again after 10 s."""
FLAT_S = int(os.environ.get("ISKRA_SOAK_FLAT_S", "600"))


def _verify(running: Up) -> dict[str, object]:
    command = [sys.executable, "-m", "iskra", "verify", "--json"]
    command += ["--kafka", running.urls["kafka"], "--clickhouse", running.urls["clickhouse"]]
    environment = os.environ | {CLICKHOUSE_PASSWORD_ENV: running.password}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    report: dict[str, object] = json.loads(done.stdout)
    return report


def _stored(running: Up) -> int:
    """Points of the load in ClickHouse; 0 while the store is away."""
    try:
        asking = client(SimpleNamespace(url=running.urls["clickhouse"]), password=running.password)
        return int(asking.command("SELECT count() FROM iskra.v_points WHERE startsWith(subject, 'load-')"))
    except ClickHouseError:
        return 0


def _fault(running: Up, rnd: random.Random) -> None:
    """Kills a part, or stops it for longer than a session and lets it go on."""
    pid = running.pids().get(rnd.choice(PARTS))
    if pid is None:
        return
    with suppress(ProcessLookupError):
        if rnd.random() < 0.8:
            os.kill(pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGSTOP)
            time.sleep(STOPPED_S)
            os.kill(pid, signal.SIGCONT)


def test_a_hundred_random_faults_change_no_verdict() -> None:
    """Every acknowledged point stands once in ClickHouse, and the log through the engine alone gives what stands on the topics."""
    rnd = random.Random(int(os.environ.get("ISKRA_SOAK_SEED", "1")))
    with up() as running, load(running.urls["kafka"], "iskra", subjects=500, rate=5_000, seconds=7_000) as source:
        for _ in range(FAULTS):
            time.sleep(rnd.uniform(0.5, 8.0))
            _fault(running, rnd)
        told = source.result()
        assert told["given_up"] == 0
        until(lambda: _stored(running) >= told["acknowledged"], "all points are stored", SETTLED_S)
        assert _stored(running) == told["acknowledged"]
        # what was computed last may still be on its way into the store
        until(lambda: _verify(running)["differences"] == [], "all outputs are as the engine alone says", SETTLED_S)


def test_memory_is_flat_over_ten_minutes() -> None:
    """After two minutes of warming up, no process grows by more than a tenth and 20 MB; each stays within its bound."""
    bounds_mb = {"worker": 512, "sink": 512, "gateway": 512, "store": 1024}
    with up() as running, load(running.urls["kafka"], "iskra", subjects=1000, rate=40_000, seconds=FLAT_S + 30):
        pids = running.pids()
        early: dict[str, float] = {}
        late: dict[str, float] = {}
        began = time.monotonic()
        while (passed := time.monotonic() - began) < FLAT_S:
            for name in bounds_mb:
                rss = psutil.Process(pids[name]).memory_info().rss / 1e6
                if FLAT_S * 0.2 < passed < FLAT_S * 0.4:
                    early[name] = max(early.get(name, 0.0), rss)
                elif passed > FLAT_S * 0.8:
                    late[name] = max(late.get(name, 0.0), rss)
            time.sleep(1.0)
        print("memory in MB, early and late:", {name: (round(early[name]), round(late[name])) for name in bounds_mb})
        for name, bound in bounds_mb.items():
            assert late[name] <= early[name] * 1.1 + 20, (name, early[name], late[name])
            assert late[name] <= bound
