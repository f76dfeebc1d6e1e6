"""A small worker for tests over a real broker: the engine in a thread, and the progress that it tells; no group, no checkpoints."""

from __future__ import annotations

import threading

import msgspec
from confluent_kafka import Consumer as KafkaConsumer
from confluent_kafka import Producer as KafkaProducer
from confluent_kafka import TopicPartition

from iskra import config_files
from processors.engine import PartitionEngine, Record
from schemas.config import Config
from schemas.outputs import SloStatus
from schemas.topics import DEFAULT_PARTITIONS, POINTS, full_name


class SmallWorker:
    """One thread that applies the log and writes the outputs; it is its own `iskra.driver.Progress`, exact by construction."""

    def __init__(self, kafka: str, namespace: str, config: Config | None = None) -> None:
        topic = full_name(namespace, POINTS)
        self._config = config or config_files.load()
        partitions = range(DEFAULT_PARTITIONS)
        self._engines = [
            PartitionEngine(self._config, topic=topic, partition=p, partitions=DEFAULT_PARTITIONS, live=False) for p in partitions
        ]
        self._namespace = namespace
        self._consumer = KafkaConsumer({"bootstrap.servers": kafka, "group.id": "w", "fetch.queue.backoff.ms": 2, "fetch.wait.max.ms": 10})
        self._consumer.assign([TopicPartition(topic, p, 0) for p in partitions])
        self._producer = KafkaProducer({"bootstrap.servers": kafka, "enable.idempotence": True, "linger.ms": 1})
        self._done = dict.fromkeys(partitions, -1)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def reached(self, ends: dict[int, int]) -> bool:
        """See `iskra.driver.Progress`."""
        return all(self._done[partition] >= end for partition, end in ends.items())

    def close(self) -> None:
        """Ends the thread."""
        self._stop.set()
        self._thread.join()
        self._consumer.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            first = self._consumer.poll(0.05)
            if first is None:
                continue
            done: dict[int, int] = {}
            for record in (first, *self._consumer.consume(500, 0)):
                partition, offset = record.partition() or 0, record.offset() or 0
                kind = dict(record.headers() or ()).get("kind")
                taken = Record(offset, record.timestamp()[1], record.value() or b"", kind.decode() if isinstance(kind, bytes) else None)
                outs = self._engines[partition].apply(taken, lambda _hash: self._config)
                done[partition] = offset
                for out in outs:
                    for topic in (out.topic, "slo.current") if isinstance(out.value, SloStatus) else (out.topic,):
                        key = out.key + b"/" + out.value.metric.encode() if topic == "slo.current" else out.key  # type: ignore[attr-defined]
                        headers: dict[str, str | bytes | None] = {"id": out.id.encode()}
                        name, value = full_name(self._namespace, topic), msgspec.json.encode(out.value)
                        self._producer.produce(name, value, key, partition, timestamp=out.ts, headers=headers)
            self._producer.flush(30)
            self._done.update(done)
