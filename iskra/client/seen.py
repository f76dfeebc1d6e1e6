"""Which outputs have been seen: exact, in memory that one input record's outputs bound.

Why a mark is enough. An output's id begins with the position (partition, offset) of the input record that caused it.
Every worker writes a partition's outputs in the order of their positions, and begins where all outputs before are
acknowledged already (docs/semantics.md §7). So at each place of an output topic's partition, what stands before it is,
without a gap, everything up to the greatest position so far: a position below the mark has been seen, one above it has not,
and only for the mark's own position must the single ids be remembered. This holds for a worker that starts again,
for two that overlap in a rebalance, and for one that was paused and writes on.

`slo.current` is another matter: whoever takes over a partition may write the latest status of a key once more, out of
order. There the last id of each key is what counts.
"""

from __future__ import annotations

from collections import OrderedDict

_MAX_KEYS = 262_144
"""Keys of `slo.current` remembered; of keys beyond them a repeated status may be handed out twice."""


class SeenByPosition:
    """For output topics. One instance serves all topics and partitions of a consumer."""

    def __init__(self) -> None:
        self._marks: dict[tuple[str, int, str], tuple[int, set[str]]] = {}

    def seen(self, topic: str, partition: int, output_id: str) -> bool:
        """Whether this output was seen before; notes it if not.

        Args:
            topic: short or full name, always the same way.
            partition: of the output topic.
            output_id: `partition-offset-index-n-k`. Of a replay the original's: its partition tells several originals apart.
        Raises:
            ValueError: it is no such id.
        """
        origin, position, _ = output_id.split("-", 2)
        offset = int(position)
        key = (topic, partition, origin)
        mark = self._marks.get(key)
        if mark is None or offset > mark[0]:
            self._marks[key] = (offset, {output_id})
            return False
        if offset < mark[0] or output_id in mark[1]:
            return True
        mark[1].add(output_id)
        return False


class SeenByKey:
    """For `slo.current`: the last id of each key, the least recently written forgotten first."""

    def __init__(self, max_keys: int = _MAX_KEYS) -> None:
        self._last: OrderedDict[bytes, str] = OrderedDict()
        self._max_keys = max_keys

    def seen(self, key: bytes, output_id: str | None) -> bool:
        """Whether this is what the key held already; notes it if not. `output_id` None: a tombstone."""
        if output_id is None:
            self._last.pop(key, None)
            return False
        if self._last.get(key) == output_id:
            return True
        self._last[key] = output_id
        self._last.move_to_end(key)
        if len(self._last) > self._max_keys:
            self._last.popitem(last=False)
        return False
