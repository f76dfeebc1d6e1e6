"""The engine alone over a partition's log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from iskra.verification.cut import Cut, Start
from processors.engine import Output, PartitionEngine, Record
from schemas.config import Config
from schemas.topics import KIND_CONFIG, LIVE_NAMESPACE, POINTS, full_name


class UnknownConfiguration(LookupError):
    """The log names a configuration whose body does not stand on the topic `config`."""


class Recomputation:
    """Feeds the records of one partition, from its beginning, to an engine of its own.

    The first marker of the log stands for everything before it (`streams.configs` says why).

    Args:
        namespace: whose log. partition, partitions: which of how many. configurations: bodies by hash.
        start: where the log begins; without a configuration nothing was judged, or nobody knows any more by what.
    """

    def __init__(self, namespace: str, partition: int, partitions: int, configurations: dict[str, Config], start: Start) -> None:
        self._topic = full_name(namespace, POINTS)
        self._live = namespace == LIVE_NAMESPACE
        self._partition = partition
        self._partitions = partitions
        self._configurations = configurations
        self.cut = Cut(start, max((config.time.expire_after for config in configurations.values()), default=0))
        """What is certain of what the last run gave."""
        self.engine: PartitionEngine | None = None
        """The engine of the last run; None: nothing was judged yet."""

    def outputs(self, records: Iterable[Record]) -> Iterator[tuple[int, list[Output], list[bytes]]]:
        """For each record that says anything: its offset, its outputs, the keys of the subjects that it closed.

        Raises:
            UnknownConfiguration: a marker's body is not known.
        """
        if self.cut.start.config is None:
            return
        engine = self.engine = PartitionEngine(
            self._body(self.cut.start.config), topic=self._topic, partition=self._partition, partitions=self._partitions, live=self._live
        )
        for record in records:
            self.cut.follow(engine, record.offset, record.kind == KIND_CONFIG.decode())
            outputs = engine.apply(record, self._body)
            forgotten = engine.forgotten()
            if outputs or forgotten:
                yield record.offset, outputs, forgotten

    def _body(self, name: str) -> Config:
        if name not in self._configurations:
            raise UnknownConfiguration(f"configuration {name}: no body on the topic config; publish it with `iskra config push`")
        return self._configurations[name]
