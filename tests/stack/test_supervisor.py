"""The supervisor: restarts what ends, gives up clearly, stops in order, and never leaves a child behind."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from structlog.testing import capture_logs

from iskra.stack import supervisor as module
from iskra.stack.errors import PartFailedError
from iskra.stack.supervisor import Part, Supervisor

DEADLINE_S = 60.0

# Says that it is up, and, told to stop, writes its name into a file that all share.
POLITE = """
import signal, sys, time
name, order = sys.argv[1:3]
def stop(*_):
    with open(order, "a") as out:
        out.write(name + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
print("up", flush=True)
while True:
    time.sleep(0.1)
"""
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"

# A supervisor of its own, to be killed.
SUPERVISOR = """
import asyncio, sys
from pathlib import Path
from iskra.logs import to_stderr
from iskra.stack.supervisor import Part, Supervisor
to_stderr()
async def main():
    supervisor = Supervisor(Path(sys.argv[1]))
    await supervisor.start(*(Part(name=name, command=[sys.executable, "-c", "import time; time.sleep(600)"]) for name in ("a", "b")))
    print(*supervisor.pids.values(), flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


async def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)


def _up(data: Path, name: str, times: int = 1) -> Callable[[], bool]:
    """Whether the part has said `up` so many times."""
    log = data / "logs" / f"{name}.log"
    return lambda: log.exists() and log.read_text().count("up\n") >= times


def _parts(data: Path) -> list[int]:
    """The processes of this directory's parts, also those that the supervisor does not know."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(module.STACK_ENV) == str(data) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


def _polite(data: Path, name: str) -> Part:
    return Part(name=name, command=[sys.executable, "-c", POLITE, name, str(data / "order")], ready=_up(data, name))


def test_a_killed_child_is_started_again(tmp_path: Path) -> None:
    """After kill -9 the part is back under another process id, and who listens is told of both."""
    told: list[int] = []

    async def scenario() -> None:
        supervisor = Supervisor(tmp_path, lambda: told.append(1))
        await supervisor.start(_polite(tmp_path, "one"))
        first = supervisor.pids["one"]
        os.kill(first, signal.SIGKILL)
        await _until(_up(tmp_path, "one", 2), "the part is not back")
        assert supervisor.pids["one"] != first
        await supervisor.stop([["one"]])

    asyncio.run(scenario())
    assert len(told) == 2


def test_a_start_that_cannot_be_told_is_a_start_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the file that says what runs cannot be written (a full disk), the part runs once, not once more after each wait."""
    monkeypatch.setattr(module, "BACKOFF_S", (0.0, 0.01))
    full = tmp_path / "full"

    def tell() -> None:
        if full.exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async def scenario() -> list[dict[str, object]]:
        supervisor = Supervisor(tmp_path, tell)
        await supervisor.start(_polite(tmp_path, "one"))
        full.touch()
        with capture_logs() as logs:
            os.kill(supervisor.pids["one"], signal.SIGKILL)
            await _until(_up(tmp_path, "one", 2), "the part is not back")
            await asyncio.sleep(10 * module.WATCH_S)
        assert len(_parts(tmp_path)) == 1
        await supervisor.stop([["one"]])
        return [dict(line) for line in logs]

    logs = asyncio.run(scenario())
    assert _parts(tmp_path) == []
    assert [(line["event"], line["error"]) for line in logs if line["log_level"] == "error"] == [
        ("what runs could not be told", "[Errno 28] No space left on device")
    ]


def test_a_part_that_hangs_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that is there and does not answer (here: stopped) is killed after some misses, told, and back as a new process."""
    monkeypatch.setattr(module, "ALIVE_EVERY_S", 0.01)

    async def scenario() -> tuple[int, list[dict[str, object]]]:
        supervisor = Supervisor(tmp_path)
        part = _polite(tmp_path, "one")

        def answers() -> bool:
            return psutil.Process(supervisor.pids["one"]).status() != psutil.STATUS_STOPPED

        with capture_logs() as logs:
            await supervisor.start(dataclasses.replace(part, alive=answers))
            first = supervisor.pids["one"]
            os.kill(first, signal.SIGSTOP)
            await _until(_up(tmp_path, "one", 2), "the part is not back")
        assert supervisor.pids["one"] != first
        await supervisor.stop([["one"]])
        return first, [dict(line) for line in logs]

    first, logs = asyncio.run(scenario())
    assert not psutil.pid_exists(first)
    killed = [line for line in logs if line["event"] == "part does not answer and is killed"]
    assert [(line["part"], line["pid"], line["missed"]) for line in killed] == [("one", first, module.ALIVE_MISSES)]


def test_a_part_that_misses_an_answer_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer misses in a row than the limit kill nobody, however often they come."""
    monkeypatch.setattr(module, "ALIVE_EVERY_S", 0.001)
    asked: list[int] = []

    def answers() -> bool:
        asked.append(1)
        return len(asked) % module.ALIVE_MISSES == 0

    async def scenario() -> bool:
        supervisor = Supervisor(tmp_path)
        await supervisor.start(dataclasses.replace(_polite(tmp_path, "one"), alive=answers))
        first = supervisor.pids["one"]
        await _until(lambda: len(asked) > 10 * module.ALIVE_MISSES, "it was not asked")
        kept = supervisor.pids["one"] == first
        await supervisor.stop([["one"]])
        return kept

    assert asyncio.run(scenario())


def test_a_part_that_is_busy_is_given_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What uses the processor without answering may be starved by others: it is killed after five times as many misses."""
    monkeypatch.setattr(module, "ALIVE_EVERY_S", 0.01)
    busy = "print('up', flush=True)\nwhile True:\n    pass"

    async def scenario() -> list[dict[str, object]]:
        supervisor = Supervisor(tmp_path)
        asked: list[int] = []

        def answers() -> bool:
            asked.append(1)
            process = psutil.Process(supervisor.pids["busy"])
            used = process.cpu_times().user
            while process.cpu_times().user == used:  # so it has run between two questions, however busy the machine is
                time.sleep(0.01)
            return len(asked) == 1

        with capture_logs() as logs:
            part = Part(name="busy", command=[sys.executable, "-c", busy], ready=_up(tmp_path, "busy"), alive=answers)
            await supervisor.start(part)
            await _until(_up(tmp_path, "busy", 2), "it was not killed")
        await supervisor.stop([])
        return [dict(line) for line in logs]

    killed = [line for line in asyncio.run(scenario()) if line["event"] == "part does not answer and is killed"]
    assert killed[0]["missed"] == module.BUSY_MISSES


def test_a_part_that_never_answers_after_a_restart_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A restart that does not come to anything within its start time is one more hang."""
    monkeypatch.setattr(module, "ALIVE_EVERY_S", 0.01)

    async def scenario() -> None:
        supervisor = Supervisor(tmp_path)
        part = dataclasses.replace(_polite(tmp_path, "one"), start_timeout=2.0)
        first: list[int] = []
        await supervisor.start(dataclasses.replace(part, alive=lambda: not first or supervisor.pids["one"] == first[0]))
        first.append(supervisor.pids["one"])
        os.kill(first[0], signal.SIGKILL)
        await _until(_up(tmp_path, "one", 3), "the restarted part was left as it was")
        await supervisor.stop([["one"]])

    asyncio.run(scenario())


def test_niceness_reaches_the_part(tmp_path: Path) -> None:
    """A part runs as many steps behind the supervisor as it says; others do not. It counts between all of them: they share our
    session, by which the kernel shares out the processor, each in a process group of its own."""

    async def scenario() -> list[tuple[int, bool, bool]]:
        supervisor = Supervisor(tmp_path)
        await supervisor.start(_polite(tmp_path, "one"), dataclasses.replace(_polite(tmp_path, "two"), nice=5))
        pids = [supervisor.pids[name] for name in ("one", "two")]
        found = [(psutil.Process(pid).nice(), os.getsid(pid) == os.getsid(0), os.getpgid(pid) == pid) for pid in pids]
        await supervisor.stop([["one", "two"]])
        return found

    ours = psutil.Process().nice()
    assert asyncio.run(scenario()) == [(ours, True, True), (min(19, ours + 5), True, True)]


def test_a_part_that_ends_again_and_again_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is restarted ever more seldom, and the fourth end in a row is an error with its last words and its log."""
    monkeypatch.setattr(module, "BACKOFF_S", (0.0, 0.01, 0.02, 0.03))
    breaks = tmp_path / "breaks"
    program = f"import os, sys, time; print('up', flush=True); os.path.exists({str(breaks)!r}) and sys.exit('no memory'); time.sleep(600)"

    async def scenario() -> list[dict[str, object]]:
        supervisor = Supervisor(tmp_path)
        await supervisor.start(Part(name="weak", command=[sys.executable, "-c", program], ready=_up(tmp_path, "weak")))
        breaks.touch()
        with capture_logs() as logs:
            os.kill(supervisor.pids["weak"], signal.SIGKILL)
            await _until(lambda: any(line["log_level"] == "error" for line in logs), "nothing was told")
        await supervisor.stop([])
        return [dict(line) for line in logs]

    logs = asyncio.run(scenario())
    ends = [line for line in logs if line.get("part") == "weak" and "restart_in_s" in line]
    assert [line["restart_in_s"] for line in ends[:4]] == [0.0, 0.01, 0.02, 0.03]
    error = next(line for line in logs if line["log_level"] == "error")
    assert (error["event"], error["last"], error["ends"]) == ("part ends again and again", "no memory", 4)


def test_a_part_that_does_not_start_is_given_up_with_its_last_words(tmp_path: Path) -> None:
    """At the first start a part that ends is tried three times, then it is an error that quotes it and names its log."""

    async def scenario() -> None:
        supervisor = Supervisor(tmp_path)
        broken = Part(name="broken", command=[sys.executable, "-c", "import sys; sys.exit('no such disk')"], ready=lambda: False)
        try:
            with pytest.raises(PartFailedError, match=r"^broken ended before it was ready: no such disk \(see .*broken\.log\)$"):
                await supervisor.start(_polite(tmp_path, "fine"), broken)
        finally:
            await supervisor.stop([])

    asyncio.run(scenario())
    assert (tmp_path / "logs" / "broken.log").read_text().count("no such disk") == 3


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A missing program is told as such."""

    async def scenario() -> None:
        supervisor = Supervisor(tmp_path)
        with pytest.raises(PartFailedError, match="no-such-program: No such file"):
            await supervisor.start(Part(name="ghost", command=["/no-such-program"], ready=lambda: False))
        await supervisor.stop([])

    asyncio.run(scenario())


def test_a_part_that_never_gets_ready_is_given_up(tmp_path: Path) -> None:
    """After its time the error says so."""

    async def scenario() -> None:
        supervisor = Supervisor(tmp_path)
        slow = Part(name="slow", command=[sys.executable, "-c", DEAF], ready=lambda: False, start_timeout=0.2, stop_timeout=0.1)
        with pytest.raises(PartFailedError, match=r"slow was not ready within 0\.2 s"):
            await supervisor.start(slow)
        await supervisor.stop([])

    asyncio.run(scenario())


def test_parts_stop_in_order_and_the_deaf_are_killed(tmp_path: Path) -> None:
    """Each group is gone before the next is asked; what ignores SIGTERM is killed after its time."""

    async def scenario() -> int:
        supervisor = Supervisor(tmp_path)
        deaf = Part(name="deaf", command=[sys.executable, "-c", DEAF], ready=_up(tmp_path, "deaf"), stop_timeout=0.3)
        await supervisor.start(*(_polite(tmp_path, name) for name in ("store", "worker", "gateway")), deaf)
        pid = supervisor.pids["deaf"]
        await supervisor.stop([["gateway"], ["worker", "deaf"], ["store"]])
        return pid

    pid = asyncio.run(scenario())
    assert not psutil.pid_exists(pid)
    assert (tmp_path / "order").read_text().split() == ["gateway", "worker", "store"]


def test_children_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    """kill -9 of the supervisor takes its children with it, without its help."""
    process = subprocess.Popen([sys.executable, "-c", SUPERVISOR, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    children = [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]
    assert len(children) == 2
    process.kill()
    process.wait(10)
    process.stdout.close()
    _, alive = psutil.wait_procs(children, timeout=DEADLINE_S)
    assert alive == []


def test_a_large_log_is_set_aside_at_a_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Logs do not grow without end: the old one is kept once, as `.1`."""
    monkeypatch.setattr(module, "MAX_LOG_BYTES", 10)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "one.log").write_text("old words of an earlier run")

    async def scenario() -> None:
        supervisor = Supervisor(tmp_path)
        await supervisor.start(_polite(tmp_path, "one"))
        await supervisor.stop([])

    asyncio.run(scenario())
    assert (tmp_path / "logs" / "one.log.1").read_text() == "old words of an earlier run"
    assert (tmp_path / "logs" / "one.log").read_text() == "up\n"
