"""One owned partition: its engine, its position in the log, and where its checkpoint stands."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from processors.engine import Output, PartitionEngine, Record
from schemas.topics import HEADER_ENCODING, HEADER_KIND, HEADER_ORIGIN, HEADER_REDRIVE
from streams.checkpoints import Chain
from streams.configs import Configs
from streams.epoch import Epoch


class Partition:
    """What a worker holds of a partition that it owns.

    Attributes:
        engine: the state machine. next_offset: of the log, what is to be applied next.
        epoch: the outputs since the last checkpoint's cut. chain: its checkpoint log.
        restored_to: greatest offset at which a restored state stands; it may lie past the cut, see `Checkpointer.checkpoint`.
        committed: position of the last commit, None before the first. committed_at: when (monotonic s).
        generation: of the consumer group when it was last taken or kept.
        catch_up: end of the log when it was taken, until that is reached; then None. See `streams.configs`.
        halted: being handed over; nothing more may be applied.
        waits_for: hash of a configuration whose body is not here yet; `backlog` holds what came since.
        gap_at: offset of a record that came though others before it have not; None: all is in order.
    """

    def __init__(self, number: int, engine: PartitionEngine, epoch: Epoch, *, generation: int, next_offset: int, catch_up: int) -> None:
        self.number = number
        self.engine = engine
        self.epoch = epoch
        self.chain = Chain()
        self.generation = generation
        self.next_offset = next_offset
        self.catch_up: int | None = catch_up
        self.restored_to = -1
        self.committed: int | None = None
        self.committed_at = 0.0
        self.checkpoint_seconds = 0.0
        self.halted = False
        self.waits_for: str | None = None
        self.gap_at: int | None = None
        self.backlog: deque[Iterable[Any]] = deque()
        self.records = 0
        self.points = 0
        self.gaps = 0

    def special(self, record: Any, configs: Configs) -> list[Output] | None:
        """Applies a record that has headers.

        Returns:
            What it caused; None: it is a marker whose configuration is not here, and it was not applied.
        """
        headers = {name: header for name, header in record.headers if header is not None}
        kind = headers.get(HEADER_KIND)
        engine = self.engine
        origin = _text(headers.get(HEADER_ORIGIN))
        value = record.value or b""
        if kind == b"tick":
            return engine.tick(record.offset, record.timestamp, origin)
        if kind == b"config":
            name = value.decode("ascii", "replace")
            config = configs.get(name)
            if config is None:
                self.waits_for = name
                return None
            outs = engine.configure(record.offset, record.timestamp, config)
            if self.catch_up is None:
                configs.adopt(name)
            return outs
        encoding, redrive = _text(headers.get(HEADER_ENCODING)), HEADER_REDRIVE in headers
        if kind is None:
            return engine.points(record.offset, record.timestamp, value, encoding, origin, redrive)
        return engine.apply(
            Record(record.offset, record.timestamp, value, kind.decode("ascii", "replace"), encoding, origin, redrive), _nothing
        )


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("ascii", "replace")


def _nothing(name: str) -> Any:
    raise KeyError(name)
