"""The way of our own points, measured from outside: sent → what they caused can be read.

An output's id begins with partition and offset of the record that caused it. The broker tells the offsets of the
records that we sent; so each window or status that one of them caused gives one exact latency, with two readings of the same
clock. Only the partition of our own subject is read, and of its records only the key is looked at.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from confluent_kafka import OFFSET_END, KafkaError, TopicPartition
from confluent_kafka import Consumer as KafkaConsumer
from confluent_kafka import Producer as KafkaProducer

from iskra.client.kafka import CLIENT_SETTINGS, partition_count
from iskra.reporter.figures import PROMISES_MS, Latency
from schemas.headers import headers_of
from schemas.partitioning import partition_for, subject_key
from schemas.points import DEFAULT_TENANT, Point
from schemas.topics import HEADER_ID, POINTS, UNCOMMITTED, full_name

SUBJECT = "iskra"
_KEPT = 600
"""Sent records remembered: ten minutes; an answer that comes later is not measured any more."""
_SEND_TIMEOUT_MS = 2000
"""A figure that could not be told within two seconds is of the past, and the worker would refuse it in any case."""


class Probe:
    """Publishes the vitals and measures their way.

    Args:
        kafka, namespace: where. measured: called for each output that a point of ours caused, from the reading thread.
    Raises:
        iskra.client.ClientError: the broker does not answer, or lacks the topics.
    """

    def __init__(self, kafka: str, namespace: str, measured: Callable[[Latency], None]) -> None:
        self._topic = full_name(namespace, POINTS)
        self._key = subject_key(DEFAULT_TENANT, SUBJECT)
        self._measured = measured
        self._sent: OrderedDict[int, float] = OrderedDict()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self.published = 0
        self._producer = KafkaProducer(
            {
                **CLIENT_SETTINGS,
                "bootstrap.servers": kafka,
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": 0,
                "message.timeout.ms": _SEND_TIMEOUT_MS,
                "log_level": 2,
            }
        )
        self._partition = partition_for(self._key, partition_count(self._producer, self._topic, kafka, 10.0))
        self._consumer = KafkaConsumer(
            {
                **CLIENT_SETTINGS,
                "bootstrap.servers": kafka,
                **UNCOMMITTED,
                "group.id": "iskra-reporter",
                "enable.auto.commit": False,
                "fetch.queue.backoff.ms": 2,
                "log_level": 2,
            }
        )
        self._topics = {full_name(namespace, topic): topic for topic in PROMISES_MS}
        self._consumer.assign([TopicPartition(name, self._partition, OFFSET_END) for name in self._topics])
        self._thread = threading.Thread(target=self._read, name="reporter-probe", daemon=True)
        self._thread.start()

    def publish(self, vitals: Mapping[str, float], ts: int) -> None:
        """Sends the vitals as one record; `ts` is epoch ms. Never waits: what cannot be sent in time is given up."""
        if not vitals:
            return
        points = [Point(subject=SUBJECT, metric=metric, value=value, ts=ts, source="reporter") for metric, value in vitals.items()]
        began = time.monotonic()

        def delivered(error: KafkaError | None, message: Any) -> None:
            if error is None:
                with self._lock:
                    self.published += len(points)
                    self._sent[message.offset()] = began
                    while len(self._sent) > _KEPT:
                        self._sent.popitem(last=False)

        self._producer.produce(self._topic, msgspec.json.encode(points), self._key, self._partition, on_delivery=delivered)

    def close(self) -> None:
        """Ends the reading thread; what is under way is waited for, up to its time-out."""
        self._stop.set()
        self._thread.join()
        self._consumer.close()
        self._producer.flush(_SEND_TIMEOUT_MS / 1000 + 1)

    def _read(self) -> None:
        while not self._stop.is_set():
            message = self._consumer.poll(0.1)
            self._producer.poll(0)
            if message is None or message.error() is not None or message.key() != self._key:
                continue
            arrived = time.monotonic()
            began = self._began(headers_of(message).get(HEADER_ID))
            if began is not None:
                self._measured(Latency(arrived, (arrived - began) * 1000, self._topics[message.topic() or ""]))

    def _began(self, output_id: Any) -> float | None:
        """When the record was sent that caused this output; None: it was not ours, or a tick."""
        try:
            offset = int(output_id.split(b"-", 2)[1])
        except (AttributeError, IndexError, ValueError):
            return None
        # the effect may be here a moment before the broker's answer to the producer has been taken
        for _ in range(20):
            self._producer.poll(0)
            with self._lock:
                if offset in self._sent:
                    return self._sent[offset]
                if self._sent and offset < next(reversed(self._sent)):
                    return None
            self._stop.wait(0.005)
        return None
