"""Starting and ending child processes so that none outlives its parent, however that ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

# Runs in the child before the real program: asks the kernel to kill it when the parent dies, looks whether the parent
# is gone already, takes its niceness, then becomes the real program. A program of its own and no preexec_fn: between fork
# and exec of a process with threads no Python code may run.
_SHIM = """
import os, sys
try:
    import ctypes
    ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)
except (OSError, AttributeError):
    pass
if os.getppid() != int(sys.argv[1]):
    os._exit(143)
if sys.argv[2] != "0":
    os.nice(int(sys.argv[2]))
try:
    os.execvp(sys.argv[3], sys.argv[3:])
except OSError as error:
    sys.exit(f"{sys.argv[3]}: {error.strerror}")
"""


def bound_to_us(command: Sequence[str], nice: int = 0) -> list[str]:
    """The command line that runs `command` as a child which is killed when its parent dies, `nice` steps behind it (0–19).

    Linux ends it with the *thread* that started it: start it from a thread that lives as long as the process.
    """
    return [sys.executable, "-I", "-S", "-c", _SHIM, str(os.getpid()), str(nice), *command]


def spawn(
    command: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None, nice: int = 0
) -> subprocess.Popen[bytes]:
    """Starts `command` in a process group of its own, bound to us, without input; what it says is appended to `log`.

    `nice` is added to our own niceness: processes of a greater one wait for those of a smaller one.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        return subprocess.Popen(
            bound_to_us(command, nice),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=dict(env) if env is not None else None,
            cwd=cwd,
            # no session of its own: the kernel shares the processor out by sessions, so that niceness would count within one
            # process only, and a thread of many that wakes up would wait for its process's share
            process_group=0,
        )


def signal_group(pid: int, number: signal.Signals) -> None:
    """Sends a signal to the process group that `pid` leads; nothing happens if it is gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def tail(log: Path, lines: int = 1) -> str:
    """The last non-empty lines of a log, joined by ` | `; empty if there is none."""
    try:
        with log.open("rb") as handle:
            handle.seek(max(0, log.stat().st_size - 16_384))
            text = handle.read().decode("utf-8", "replace")
    except OSError:
        return ""
    said = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(said[-lines:])
