"""Configurations: bodies from the compacted topic `config`, by hash, and this worker's own.

The rule that keeps verdicts a function of the log alone: *the first marker of a partition stands for everything before
it.* A partition that has none gets one, appended by its first owner before anything of it is judged; the records before
that marker are judged by the configuration that it names. So whoever recomputes a log scans it for its first marker,
begins with that, and changes at each later one.

A worker appends its own configuration's marker once it has caught up with the end that the log had when it took the
partition, if another one is in force there. A marker that comes later (`iskra config push`) is taken over as the
worker's own, so that a rebalance does not bring the old one back.
"""

from __future__ import annotations

import asyncio

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from schemas.config import Config, config_hash, published, to_json
from schemas.topics import CONFIG, HEADER_KIND, KIND_CONFIG, POINTS, full_name, marker_time
from streams.outputs import Outputs
from streams.recovery import READ_S, reader

log = structlog.get_logger(__name__)

RETRY_S = 0.2
TELL_S = 5.0


class Configs:
    """All configurations known by hash; `own` is the one this worker stands for."""

    def __init__(self, kafka: str, namespace: str, own: Config, outputs: Outputs) -> None:
        self._kafka = kafka
        self._topic = full_name(namespace, CONFIG)
        self._marker_time = marker_time(namespace)
        self._outputs = outputs
        self._known: dict[str, Config] = {}
        self._published: set[str] = set()
        self._consumer: Consumer | None = None
        self._reading = asyncio.Lock()
        self.own = own
        self.own_hash = config_hash(own)
        self._known[self.own_hash] = own

    def get(self, name: str) -> Config | None:
        """The configuration of that hash, if its body was read already."""
        return self._known.get(name)

    def body(self, name: str) -> Config:
        """The configuration of that hash, whose body was waited for.

        Raises:
            KeyError: it was not.
        """
        return self._known[name]

    async def refresh(self) -> None:
        """Reads what is new on the topic."""
        async with self._reading:
            await asyncio.to_thread(self._read)

    def adopt(self, name: str) -> None:
        """Makes a known configuration this worker's own."""
        if name != self.own_hash:
            self.own, self.own_hash = self._known[name], name

    async def wait_for(self, name: str) -> Config:
        """The configuration of that hash; waits until its body stands on the topic."""
        told = -TELL_S
        loop = asyncio.get_running_loop()
        while name not in self._known:
            async with self._reading:
                if name not in self._known:
                    await asyncio.to_thread(self._read)
            if name in self._known:
                break
            if loop.time() - told >= TELL_S:
                told = loop.time()
                log.warning("waiting for the body of a configuration; publish it with `iskra config push`", config=name, topic=self._topic)
            await asyncio.sleep(RETRY_S)
        return self._known[name]

    def _read(self) -> None:
        """Reads what is new on the topic. Blocks for about 20 ms past the last record, longer while the broker is away."""
        if self._consumer is None:
            self._consumer = reader(self._kafka, **{"fetch.wait.max.ms": 500})  # it stays open
            partitions: list[int] = []
            while not partitions:
                try:
                    partitions = list(self._consumer.list_topics(self._topic, timeout=1.0).topics[self._topic].partitions)
                except KafkaException:
                    log.warning("waiting for the broker", topic=self._topic)
            self._consumer.assign([TopicPartition(self._topic, number, 0) for number in partitions])
        ended = 0
        while ended < 2:  # the first reads of a new assignment may be empty
            messages = self._consumer.consume(100, max(READ_S, 0.05))
            if not messages:
                ended += 1
            for message in messages:
                key, body = message.key(), message.value()
                if message.error() is not None or key is None:
                    continue
                name = key.decode("ascii", "replace")
                try:
                    self._known.setdefault(name, published(name, body or b""))
                except ValueError as error:
                    self._published.discard(name)  # the topic keeps the last body of each name
                    log.error(
                        "what stands on the topic is not the configuration of that hash", config=name, topic=self._topic, error=str(error)
                    )
                else:
                    self._published.add(name)

    async def publish_own(self) -> str:
        """Publishes the body of the worker's own configuration, once; gives its hash."""
        name, body = self.own_hash, to_json(self.own)
        if name not in self._published:
            await self._outputs.deliver(CONFIG, 0, name.encode(), body, [])
            self._published.add(name)
        return name

    async def append_marker(self, partition: int) -> int:
        """Appends the marker of the worker's own configuration to a partition, after its body; gives its offset."""
        name = await self.publish_own()
        offset = await self._outputs.deliver(POINTS, partition, None, name.encode(), [(HEADER_KIND, KIND_CONFIG)], self._marker_time)
        log.info("marker appended", partition=partition, offset=offset, config=name)
        return offset

    def close(self) -> None:
        """Ends the reading."""
        if self._consumer is not None:
            self._consumer.close()
