"""The data directory of an instance: one supervisor at a time, nothing left over."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from iskra.settings import CLICKHOUSE_PASSWORD_ENV, clickhouse_password
from iskra.stack.datadir import DataDir, kill_leftovers, read_run
from iskra.stack.errors import DataDirError
from iskra.stack.stack import Stack, StackSettings
from iskra.stack.supervisor import STACK_ENV

SLEEPER = [sys.executable, "-c", "import sys, time; print('up', flush=True); time.sleep(600)"]


def test_a_directory_that_is_used_is_refused(tmp_path: Path) -> None:
    """The second to take it is told which process holds it; after a release it is free."""
    first = DataDir(tmp_path)
    first.take()
    with pytest.raises(DataDirError, match=rf"{tmp_path} is used by a running instance \(process {os.getpid()}\).*--data"):
        DataDir(tmp_path).take()
    first.release()
    second = DataDir(tmp_path)
    second.take()
    second.release()


def test_a_directory_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """A path that cannot be made is named, with what was expected."""
    (tmp_path / "file").write_text("")
    with pytest.raises(DataDirError, match=r"file/data: .*expected a directory that can be written"):
        DataDir(tmp_path / "file" / "data").take()


def test_leftovers_of_this_directory_alone_are_killed(tmp_path: Path) -> None:
    """A process that a killed supervisor of the directory left is ended, that of another directory lives on."""
    ours, theirs = (
        subprocess.Popen(SLEEPER, env={**os.environ, STACK_ENV: str(tmp_path / name)}, stdout=subprocess.PIPE) for name in ("a", "b")
    )
    for process in (ours, theirs):
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
    assert kill_leftovers(tmp_path / "a") == [ours.pid]
    assert not psutil.pid_exists(ours.pid)
    ours.wait(10)
    assert theirs.poll() is None
    theirs.kill()
    theirs.wait(10)
    for process in (ours, theirs):
        assert process.stdout is not None
        process.stdout.close()


def test_the_password_is_made_once_and_is_its_owners_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stays the same, has mode 0600, and other commands find it, unless the environment names one."""
    monkeypatch.delenv(CLICKHOUSE_PASSWORD_ENV, raising=False)
    assert clickhouse_password(tmp_path) == ""
    password = DataDir(tmp_path).password()
    assert len(password) >= 32
    assert DataDir(tmp_path).password() == clickhouse_password(tmp_path) == password
    assert stat.S_IMODE((tmp_path / "clickhouse.password").stat().st_mode) == 0o600
    monkeypatch.setenv(CLICKHOUSE_PASSWORD_ENV, "given")
    assert clickhouse_password(tmp_path) == "given"


def test_a_directory_on_a_full_disk_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be noted is only who holds it; it is held all the same."""

    def full(_file: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    first = DataDir(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        first.take()
    with pytest.raises(DataDirError, match=r"is used by a running instance \(process \?\)"):
        DataDir(tmp_path).take()
    first.release()


def test_a_password_that_a_full_disk_cut_off_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing stands under its name until it is whole, and an empty file is none; that it cannot be made is told in one line."""

    class FullDisk:
        def __enter__(self) -> FullDisk:
            return self

        def __exit__(self, *_: object) -> None:
            os.close(self.handle)

        def __init__(self, handle: int, mode: str) -> None:
            assert mode.startswith("w")
            self.handle = handle

        def write(self, _data: bytes | str) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    file = tmp_path / "clickhouse.password"
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdopen", FullDisk)
        with pytest.raises(DataDirError, match=rf"^{file}: No space left on device; expected"):
            DataDir(tmp_path).password()
    assert not file.exists()
    file.write_text("\n")
    file.chmod(0o644)
    password = DataDir(tmp_path).password()
    assert len(password) >= 32
    assert file.read_text() == password
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_disk_that_is_full_once_all_runs_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs cannot be told just then; it runs all the same, and stops in order."""

    async def nothing(_stack: Stack) -> None: ...

    def full(_stack: Stack) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async def story() -> None:
        async with Stack(StackSettings(data=tmp_path)) as stack:
            assert stack.ready_s > 0

    monkeypatch.setattr(Stack, "_start", nothing)
    monkeypatch.setattr(Stack, "_write_run", full)
    asyncio.run(story())


def test_what_runs_is_told_only_while_it_runs(tmp_path: Path) -> None:
    """Addresses are read from a directory that is held, not from what a killed instance left."""
    assert read_run(tmp_path / "nowhere") is None
    directory = DataDir(tmp_path)
    directory.take()
    directory.write_run({"urls": {"kafka": "127.0.0.1:1"}})
    kept = (tmp_path / "run.json").read_bytes()
    assert read_run(tmp_path) == {"urls": {"kafka": "127.0.0.1:1"}}
    directory.release()
    assert not (tmp_path / "run.json").exists()
    (tmp_path / "run.json").write_bytes(kept)
    assert read_run(tmp_path) is None
