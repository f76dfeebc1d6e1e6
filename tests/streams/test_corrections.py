"""What the guard of `slo.current` found is written, whatever the group is doing at that moment."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from schemas.topics import CURRENT
from streams import worker as module
from streams.partition import Partition
from streams.worker import Worker

KEY = b"default/alpha/chaos"


class Outputs:
    """Takes what is sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, int, bytes, bytes | None]] = []

    def send(self, _epoch: Any, topic: str, number: int, key: bytes, value: bytes | None, _headers: Any) -> None:
        self.sent.append((topic, number, key, value))


def partition(*, halted: bool) -> Partition:
    return cast(Partition, SimpleNamespace(halted=halted, epoch=None))


@pytest.fixture
def outputs(monkeypatch: pytest.MonkeyPatch) -> Outputs:
    monkeypatch.setattr(module, "HALTED_RETRY_S", 0.001)
    return Outputs()


async def turns() -> None:
    """Several retries later."""
    await asyncio.sleep(0.02)


def test_a_correction_waits_while_the_group_shares_anew(outputs: Outputs) -> None:
    """It is told once: a partition that is kept writes it when it goes on."""

    async def work() -> None:
        kept = partition(halted=True)
        worker = cast(Worker, SimpleNamespace(partitions={0: kept}, outputs=outputs, _loop=asyncio.get_running_loop()))
        worker._rewrite = lambda *arguments: Worker._rewrite(worker, *arguments)  # type: ignore[method-assign]
        worker._rewrite(0, KEY, b"latest", [])
        await turns()
        assert outputs.sent == []
        kept.halted = False
        await turns()

    asyncio.run(work())
    assert outputs.sent == [(CURRENT, 0, KEY, b"latest")]


@pytest.mark.parametrize("then", [{}, {0: partition(halted=False)}])
def test_a_partition_that_went_or_begins_anew_has_a_guard_that_reads_it_again(outputs: Outputs, then: dict[int, Partition]) -> None:
    """An old correction is not written over what has been said since."""

    async def work() -> None:
        worker = cast(Worker, SimpleNamespace(partitions={0: partition(halted=True)}, outputs=outputs, _loop=asyncio.get_running_loop()))
        worker._rewrite = lambda *arguments: Worker._rewrite(worker, *arguments)  # type: ignore[method-assign]
        worker._rewrite(0, KEY, b"latest", [])
        worker.partitions = then
        await turns()

    asyncio.run(work())
    assert outputs.sent == []
