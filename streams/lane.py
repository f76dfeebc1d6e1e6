"""The lane behind the verdicts: outputs for which nobody waits give way to those for which somebody does.

Each 10 s of event time every series closes a window within a few hundred milliseconds: thousands of outputs, each of which
costs the worker's loop several microseconds to encode, to send and to acknowledge, and a status that comes meanwhile would
wait behind them. So windows and samples of signals wait here, in order, until the worker has nothing else to do. They
count as sent in their epoch from the beginning, so that no checkpoint passes over what waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import monotonic

from processors.engine import Output
from schemas.topics import SIGNALS, WINDOWS
from streams.epoch import Epoch

LATER = frozenset((WINDOWS, SIGNALS))
"""Topics whose outputs wait."""

BOUND = 8_000
"""So many wait at most: what 1,000 subjects of four metrics close at a full minute. Beyond, the oldest go at once: the room that
back-pressure leaves (`max_unacknowledged`, 20,000) must mostly be what is on its way, and one tick may close 100,000."""

AGE_S = 2.0
"""After so long an output's turn has come though fetch rounds come without end: what one closing leaves goes in a second."""

SLICE_S = 0.001
"""Sending hands the event loop over after so long: a round that has just come waits for no longer."""

_LOOK = 16
"""The clock is looked at so often: 16 outputs take about 0.1 ms."""

Waiting = tuple[float, Epoch, int, Output]
"""Since when (monotonic s), in which epoch, on which partition, what."""


class Lane:
    """A queue, first in, first out. `send` encodes and produces one output; it may block while the producer's queue is full."""

    def __init__(self, send: Callable[[Epoch, int, Output], None]) -> None:
        self._send = send
        self._waiting: deque[Waiting] = deque()
        self.add = self._waiting.append

    def __len__(self) -> int:
        return len(self._waiting)

    def send_excess(self) -> None:
        """Sends the oldest, down to the bound."""
        if len(self._waiting) > BOUND:
            self._send_oldest(len(self._waiting) - BOUND)

    def send_slice(self) -> None:
        """Sends for as long as a slice lasts."""
        deadline = monotonic() + SLICE_S
        while self._waiting and monotonic() < deadline:
            self._send_oldest(_LOOK)

    def send_overdue(self) -> None:
        """Sends for as long as a slice lasts, if the oldest has waited too long."""
        if self._waiting and monotonic() - self._waiting[0][0] > AGE_S:
            self.send_slice()

    def send_all(self) -> None:
        """Sends all. Blocks for some 40 ms where the lane is full."""
        self._send_oldest(len(self._waiting))

    def _send_oldest(self, count: int) -> None:
        waiting, send = self._waiting, self._send
        for _ in range(min(count, len(waiting))):
            _, epoch, partition, out = waiting.popleft()
            send(epoch, partition, out)
