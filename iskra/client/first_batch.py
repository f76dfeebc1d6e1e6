"""A partition's first batch goes alone: what follows waits until the broker has acknowledged it (ADR 12).

A broker names the leaders of a topic just made before it has made their logs, and refuses what comes meanwhile. If it refuses
the first batch and then takes the second, which was on its way already, a broker that knows nothing of the producer yet has no
sequence to compare it with; the client library concludes from the second's success that the first was stored, too, and reports
it acknowledged. It is lost. Once a batch is acknowledged the broker knows the sequence, and refuses what overtakes.
"""

from __future__ import annotations

from collections import deque

from iskra.client.batching import Batch


class FirstBatch:
    """Which batches may be handed over, by partition. Not thread-safe; no clock, no I/O.

    Args:
        partitions: of the points topic.
    """

    def __init__(self, partitions: int) -> None:
        self._pending: list[deque[tuple[int, Batch]] | None] = [deque() for _ in range(partitions)]
        """What waits behind the batch that is tried; None once one was acknowledged."""
        self._tried = [False] * partitions

    def admit(self, serial: int, batch: Batch) -> bool:
        """Whether `batch` may go now; else it is kept under `serial` until `answered` gives it back."""
        pending = self._pending[batch.partition]
        if pending is None:
            return True
        if not self._tried[batch.partition]:
            self._tried[batch.partition] = True
            return True
        pending.append((serial, batch))
        return False

    def answered(self, partition: int, acknowledged: bool, given_up_before: float) -> tuple[list[int], list[tuple[int, Batch]]]:
        """Takes the answer to a batch of `partition`.

        Args:
            given_up_before: time (s, that of `Batch.since`): what waits since before it has been tried for long enough
                through those in front of it, if this one was not acknowledged either.
        Returns:
            The serials that are given up, and the batches (with their serials) that go now, in order.
        """
        pending = self._pending[partition]
        if pending is None:
            return [], []
        if acknowledged:
            self._pending[partition] = None
            return [], list(pending)
        given_up: list[int] = []
        while pending and pending[0][1].since < given_up_before:
            given_up.append(pending.popleft()[0])
        self._tried[partition] = bool(pending)
        return given_up, [pending.popleft()] if pending else []
