"""Which subjects a tick concerns: a heap by number of tick, so that a tick never walks all subjects."""

from __future__ import annotations

from heapq import heappop, heappush


class Schedule:
    """Subjects' keys by the number of the tick at which they are to be looked at. A key may stand in it more than once."""

    __slots__ = ("_heap",)

    def __init__(self) -> None:
        self._heap: list[tuple[int, bytes]] = []

    def add(self, tick: int, key: bytes) -> None:
        """Plans the subject `key` for the tick of this number."""
        heappush(self._heap, (tick, key))

    def next_due(self) -> int | None:
        """Number of the next tick that concerns anybody; None: nobody."""
        return self._heap[0][0] if self._heap else None

    def due(self, tick: int) -> set[bytes]:
        """Takes out the keys planned for the tick of this number or an earlier one."""
        keys: set[bytes] = set()
        heap = self._heap
        while heap and heap[0][0] <= tick:
            keys.add(heappop(heap)[1])
        return keys
