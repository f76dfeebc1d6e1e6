"""Which of the parts that the gateway needs answers at this moment: Kafka and ClickHouse.

Each is probed twice a second, so that a part that came back is known within a second; what fails in between reports
itself (`suspect`) and is probed at once. Kafka is up when every partition of the points topic has a leader: a broker that
answers but does not yet take writes is not up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger()

PROBE_S = 0.5
"""Between two probes. A part that refuses is away at once, one that hangs after 2.5 s; one that came back is up within 0.5 s."""
PROBE_TIMEOUT_S = 1.0


class Part:
    """One part. `up` is None until the first probe has ended; `detail` says why it is away."""

    def __init__(self, name: str, probe: Callable[[], Awaitable[None]], changed: Callable[[], None]) -> None:
        self.name = name
        self.up: bool | None = None
        self.detail = "not asked yet"
        self._probe = probe
        self._changed = changed
        self._wake = asyncio.Event()
        self._silent = 0

    def suspect(self) -> None:
        """Something failed that may mean that the part is away: probe now."""
        self._wake.set()

    async def watch(self) -> None:
        """Probes for ever."""
        while True:
            self._wake.clear()
            try:
                async with asyncio.timeout(PROBE_TIMEOUT_S):
                    await self._probe()
            except TimeoutError:
                # on a machine that is busy one answer may come late: it takes two to call a part away
                self._silent += 1
                if self._silent > 1 or not self.up:
                    self._found(False, f"no answer within {PROBE_TIMEOUT_S:g} s")
            except Exception as error:  # noqa: BLE001 - whatever a client library raises, the part does not answer
                self._found(False, first_line(error))
            else:
                self._silent = 0
                self._found(True, "")
            try:
                async with asyncio.timeout(PROBE_S):
                    await self._wake.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(0.05)  # suspicions come in crowds

    def _found(self, up: bool, detail: str) -> None:
        self.detail = detail
        if up != self.up:
            self.up = up
            log.info("part is up" if up else "part is away", part=self.name, detail=detail)
            self._changed()


def first_line(error: BaseException) -> str:
    """What an error says, cut to one line of 200 characters; the type's name if it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
