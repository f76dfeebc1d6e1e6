"""A store of a test's own, to be killed, filled up and stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import clickhouse_connect

from iskra.settings import CLICKHOUSE_PASSWORD_ENV, CLICKHOUSE_USER
from iskra.stack import children, ports

PASSWORD, READER_PASSWORD = "pass-word", "look-only"
DEADLINE_S = 90.0


def until(condition: Callable[[], Any], what: str, deadline: float = DEADLINE_S) -> Any:
    """Waits for a condition and gives what it gave; fails with `what` after `deadline` seconds."""
    end = time.monotonic() + deadline
    while not (found := condition()):
        assert time.monotonic() < end, f"not within {deadline} s: {what}"
        time.sleep(0.02)
    return found


class OwnStore:
    """`iskra store` on a directory and a port that stay the same over restarts."""

    def __init__(self, directory: Path, log: Path, *options: str) -> None:
        self.directory = directory
        self.log = log
        self.port = ports.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._options = options
        self.process: subprocess.Popen[bytes] | None = None

    def begin(self) -> subprocess.Popen[bytes]:
        """Starts it without waiting."""
        command = [sys.executable, "-m", "iskra", "store", "--data", str(self.directory), "--port", str(self.port), *self._options]
        environment = {**os.environ, CLICKHOUSE_PASSWORD_ENV: PASSWORD, "ISKRA_CLICKHOUSE_READER_PASSWORD": READER_PASSWORD}
        self.process = children.spawn(command, log=self.log, env=environment)
        return self.process

    def start(self) -> OwnStore:
        """Starts it and waits until it takes queries."""
        process = self.begin()

        def ready() -> bool:
            assert process.poll() is None, children.tail(self.log, 5)
            return ports.accepts(self.port) and self.pings()

        until(ready, "the store answers")
        return self

    def pings(self) -> bool:
        try:
            client(self).close()
        except (OSError, clickhouse_connect.driver.exceptions.ClickHouseError):
            return False
        return True

    def kill(self) -> None:
        """kill -9, and waits for the end."""
        if self.process is not None and self.process.poll() is None:
            children.signal_group(self.process.pid, signal.SIGKILL)
            self.process.wait(30)

    def stop(self) -> int:
        """SIGTERM; gives the exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(60)


def client(store: Any, user: str = CLICKHOUSE_USER, password: str = PASSWORD, **options: Any) -> Any:
    """An unmodified client of a store (one of our own, or the fixture's)."""
    port = int(store.url.rpartition(":")[2])
    return clickhouse_connect.get_client(
        host="127.0.0.1", port=port, username=user, password=password, autogenerate_session_id=False, **options
    )
