"""How records reach the worker: Faust's consumer, with whole fetch rounds in place of single events.

Faust handles one event at a time (5,000 a second) and aiokafka makes one object a message (364,000 a second). Here
Faust keeps what it is good at (group membership, rebalancing, flow control, agents), and the data pass as they came:
a *fetch round* is one Faust message whose value maps partitions to undecoded record batches, and the agent walks the
batches itself (1,500,000 records a second). So acknowledgements offset by offset, gaps and Faust's commits are out of
the way; the partitions track their own positions (`streams.partition`) and commit with metadata (`streams.checkpoints`).

What is overridden reaches into private parts of faust-streaming 0.15 and aiokafka 0.14; each place says why.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

import aiokafka
import faust
import structlog
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import CommitFailedError, ConsumerStoppedError, IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from streams.errors import TransportDied

if TYPE_CHECKING:
    from streams.app import WorkerApp

log = structlog.get_logger(__name__)

Round = dict[int, list[Any]]
"""One fetch round: partition → record batches (aiokafka's `DefaultRecordBatch`), in order, undecoded."""

POLL_S = 0.25
"""How long one fetch waits before it looks whether it should stop; bounds the time of a revocation and of a shutdown."""


def drain(fetcher: Any, active: set[TP], check_crcs: bool) -> Round:
    """Takes everything that aiokafka's fetcher holds of the active partitions, as batches, and lets it fetch on.

    Raises:
        KafkaError: what the fetcher noted for a partition (not authorised, corrupt batch).
    """
    taken: Round = {}
    for tp in list(fetcher._records):  # noqa: SLF001 - FetchResult.getall would make an object a record
        if tp not in active:
            if not fetcher._subscriptions.is_assigned(tp):  # noqa: SLF001
                del fetcher._records[tp]  # noqa: SLF001
            continue
        result = fetcher._records.pop(tp)  # noqa: SLF001
        if not isinstance(result, FetchResult):
            result.check_raise()
        if not result.check_assignment(tp):
            continue
        records = result._partition_records._records  # noqa: SLF001
        batches = []
        next_offset = -1
        while records.has_next():
            batch = records.next_batch()
            if check_crcs and not batch.validate_crc():
                raise KafkaError(f"{tp.topic} {tp.partition}: corrupt batch at offset {batch.base_offset}; look at the broker's disk")
            batches.append(batch)
            next_offset = batch.next_offset
        if batches:
            taken[tp.partition] = batches
            result._assignment.state_value(tp).consumed_to(next_offset)  # noqa: SLF001
    if taken:
        fetcher._notify(fetcher._wait_consume_future)  # noqa: SLF001 - the next fetch goes out while this one is processed
    return taken


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """aiokafka in a thread of its own: heartbeats go on whatever the main loop does."""

    app: WorkerApp

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:  # noqa: ARG002 - Faust's signature
        """Like Faust's, which hard-codes the fetch wait (1,500 ms) and knows no fetch sizes."""
        settings = self.app.settings
        return aiokafka.AIOKafkaConsumer(
            client_id=f"{settings.group}.{settings.instance_id or 'any'}",
            group_id=settings.group,
            group_instance_id=settings.instance_id,
            bootstrap_servers=settings.kafka,
            partition_assignment_strategy=[StickyPartitionAssignor],
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            # our own loop may stand still for longer than any poll interval: back-pressure, a marker without a body
            max_poll_interval_ms=2**31 - 1,
            max_partition_fetch_bytes=settings.partition_fetch_bytes,
            fetch_max_bytes=settings.fetch_bytes,
            fetch_max_wait_ms=settings.fetch_wait_ms,
            retry_backoff_ms=100,
            request_timeout_ms=20_000,
            session_timeout_ms=int(settings.session_s * 1000),
            rebalance_timeout_ms=int(settings.rebalance_s * 1000),
            heartbeat_interval_ms=int(settings.heartbeat_s * 1000),
        )

    async def _fetch_records(
        self,
        consumer: Any,
        active_partitions: set[TP],
        timeout: float | None = None,  # noqa: ASYNC109 - Faust's signature
        max_records: int | None = None,
    ) -> dict[TP, list[Round]]:
        """One fetch round, or nothing after `timeout` seconds. Never waits for a rebalance: that would block it."""
        del max_records
        fetcher = consumer._fetcher  # noqa: SLF001
        if not self.consumer.flow_active:
            return {}
        if consumer._closed or fetcher._closed:  # noqa: SLF001
            raise ConsumerStoppedError
        self._check_alive(consumer)
        with fetcher._subscriptions.fetch_context():  # noqa: SLF001
            taken = drain(fetcher, active_partitions, check_crcs=True)
            if not taken:
                waiter = fetcher._create_fetch_waiter()  # noqa: SLF001
                done, _ = await asyncio.wait([waiter], timeout=min(timeout or POLL_S, POLL_S))
                if not done:
                    waiter.cancel()
                    return {}
                waiter.result()
                if not self.consumer.flow_active:
                    return {}
                taken = drain(fetcher, active_partitions, check_crcs=True)
        return {TP(self.app.points_topic, next(iter(taken))): [taken]} if taken else {}

    async def look(self) -> None:
        """Looks whether the client is well, also before it has any partition.

        Raises:
            TransportDied: a task of it ended, or the group will not have this worker.
        """
        if self._consumer is not None:
            await self.in_thread(self._look(self._consumer))

    async def _look(self, consumer: Any) -> None:
        # there is neither before it has found the broker
        if consumer._coordinator is not None and consumer._fetcher is not None and not consumer._closed:  # noqa: SLF001
            self._check_alive(consumer)

    async def rejoin(self) -> None:
        """Joins the group again, with the topics as the broker has them now."""
        await self.in_thread(self._rejoin())

    async def _rejoin(self) -> None:
        consumer = self._ensure_consumer()
        await consumer._client.force_metadata_update()  # noqa: SLF001
        consumer._coordinator.request_rejoin()  # noqa: SLF001

    def _check_alive(self, consumer: Any) -> None:
        coordinator = consumer._coordinator  # noqa: SLF001
        for task in (coordinator._coordination_task, consumer._fetcher._fetch_task):  # noqa: SLF001
            if task.done():
                error = None if task.cancelled() else task.exception()
                raise TransportDied(f"a task of the Kafka client ended: {error!r}")
        try:
            # the client holds an error until somebody takes it, and does not join again before
            coordinator.check_errors()
        except KafkaError as error:
            if not error.retriable:
                raise TransportDied(f"the group does not have this worker: {error!r}") from error
            log.warning("the client goes on after", error=repr(error))

    async def in_thread(self, coroutine: Any) -> Any:
        """Runs a coroutine of the consumer in its thread. Not through the method queue, where a waiting fetch may stand before it."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self.thread_loop))

    async def commit_with_metadata(self, offsets: Mapping[TP, tuple[int, str]]) -> bool:
        """Commits offsets with their metadata. False: not ours any more, or the group is moving; nothing was committed."""
        return bool(await self.in_thread(self._commit_with_metadata(offsets)))

    async def _commit_with_metadata(self, offsets: Mapping[TP, tuple[int, str]]) -> bool:
        consumer = self._ensure_consumer()
        assigned = consumer.assignment()
        wanted = {TopicPartition(*tp): OffsetAndMetadata(*value) for tp, value in offsets.items() if TopicPartition(*tp) in assigned}
        if len(wanted) < len(offsets):
            return False
        try:
            await consumer.commit(wanted)
        except (CommitFailedError, IllegalStateError):
            # a rebalance is on its way, or went over us: the next checkpoint, or the next owner, does it again
            return False
        except KafkaError as error:
            log.warning("commit failed, the next checkpoint tries again", error=repr(error))
            return False
        return True

    async def committed_with_metadata(self, tps: Iterable[TP]) -> dict[TP, tuple[int, str]]:
        """The committed offsets with their metadata; partitions without any are absent. Waits while the broker is away."""
        return cast(dict[TP, tuple[int, str]], await self.in_thread(self._committed([TopicPartition(*tp) for tp in tps])))

    async def _committed(self, tps: list[TopicPartition]) -> dict[TP, tuple[int, str]]:
        found = await self._ensure_consumer()._coordinator.fetch_committed_offsets(tps)  # noqa: SLF001
        return {TP(tp.topic, tp.partition): (value.offset, value.metadata or "") for tp, value in found.items() if value.offset >= 0}

    async def ends(self, tps: Iterable[TP]) -> dict[TP, int]:
        """The end of the log of each partition: the offset that the next record will have."""
        return cast(dict[TP, int], await self.in_thread(self._ends([TopicPartition(*tp) for tp in tps])))

    async def _ends(self, tps: list[TopicPartition]) -> dict[TP, int]:
        while True:
            try:
                found = await self._ensure_consumer().end_offsets(tps)
            except KafkaError as error:
                log.warning("waiting for the broker", error=repr(error))
                await asyncio.sleep(0.2)
            else:
                return {TP(tp.topic, tp.partition): offset for tp, offset in found.items()}

    async def begin(self, tp: TP) -> int:
        """The first offset that the log of a partition still holds."""
        found = await self.in_thread(self._ensure_consumer().beginning_offsets([TopicPartition(*tp)]))
        return int(found[TopicPartition(*tp)])

    async def seek_one(self, tp: TP, offset: int) -> None:
        """Reads a partition on from an offset, if it is still ours."""
        await self.in_thread(self._seek_one(TopicPartition(*tp), offset))

    async def _seek_one(self, tp: TopicPartition, offset: int) -> None:
        consumer = self._ensure_consumer()
        if tp in consumer.assignment():
            consumer.seek(tp, offset)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Puts each partition where its memory stands, which may be ahead of what is committed."""
        return cast(Mapping[TP, int], await self.in_thread(self._seek_to_wanted()))

    async def _seek_to_wanted(self) -> Mapping[TP, int]:
        consumer = self._ensure_consumer()
        wanted: dict[TP, int] = {}
        for tp in consumer.assignment():
            offset = self.app.wanted_offset(tp.partition)
            if offset is not None:
                consumer.seek(tp, offset)
                wanted[TP(tp.topic, tp.partition)] = offset
        return wanted


class Consumer(driver.Consumer):
    """Faust's consumer, told that one record is one fetch round."""

    app: WorkerApp
    RebalanceListener = driver.ConsumerRebalanceListener

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    @property
    def thread(self) -> ConsumerThread:
        """The thread that runs aiokafka."""
        return cast(ConsumerThread, self._thread)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:  # noqa: ASYNC109 - Faust's signature
        """Yields at most one message: the next fetch round."""
        rounds, _ = await self._wait_next_records(timeout)
        if not rounds or self.should_stop or not self.flow_active:
            # fetched just before a rebalance; the seek after it reads these records again where they are ours
            return
        for tp, (round_,) in rounds.items():
            yield tp, self._to_message(tp, round_)

    def _to_message(self, tp: TP, record: Any) -> Any:
        """The message of a round: it stands at the last record of the partition whose name it bears."""
        last = record[tp.partition][-1]
        message: Any = ConsumerMessage  # its types want bytes where we hand a round through
        place = (tp.topic, tp.partition, last.next_offset - 1, last.max_timestamp / 1000, 0)
        return message(*place, (), None, record, None, 0, 0, tp, generation_id=self.app.consumer_generation_id)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Nothing: messages are rounds, their offsets lie apart by nature."""

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Nothing: Faust would look for acknowledgements that are not made here. /healthz and the lag tell instead."""


class Transport(driver.Transport):
    """The driver with our consumer."""

    Consumer = Consumer


class RoundSchema(faust.Schema[Any, Any]):
    """Hands a round through to the agent as it is."""

    def compile(self, app: Any, **_: Any) -> Any:
        """The decoder of an event: nothing to decode."""

        async def decode(message: Any, *, propagate: bool = False) -> Any:
            del propagate
            return app.create_event(None, message.value, message.headers, message)

        return decode


__all__ = ["Consumer", "ConsumerThread", "Round", "RoundSchema", "Transport", "drain"]
