"""Are the topics there, and do they fit together? Asked at the start; a worker waits until they do."""

from __future__ import annotations

import asyncio

import structlog
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from schemas.topics import POINTS, TOPICS, full_name
from streams.errors import Misfit

log = structlog.get_logger(__name__)

RETRY_S = 0.3
TELL_S = 5.0


def misfits(counts: dict[str, int], namespace: str) -> list[str]:
    """What is wrong, a line each: `counts` are the partitions of each topic that the broker has."""
    wanted = counts.get(full_name(namespace, POINTS))
    found = []
    for spec in TOPICS:
        name = full_name(namespace, spec.name)
        have = counts.get(name)
        if have is None:
            found.append(f"topic {name} is missing")
        elif spec.copartitioned and wanted is not None and have != wanted:
            found.append(f"topic {name} has {have} partitions, {full_name(namespace, POINTS)} has {wanted}")
    return found


async def check_topics(kafka: str, namespace: str) -> int:
    """Waits until the broker is there and all topics fit; tells every few seconds what it waits for.

    Returns:
        The number of partitions.
    """
    admin = AdminClient({"bootstrap.servers": kafka, "reconnect.backoff.max.ms": 200, "log_level": 0})
    loop = asyncio.get_running_loop()
    told = -TELL_S
    while True:
        try:
            counts = await asyncio.to_thread(_counts, admin)
            wrong = misfits(counts, namespace)
            if not wrong:
                return counts[full_name(namespace, POINTS)]
            raise Misfit("; ".join(wrong) + "; mend it with `iskra topics`")
        except (KafkaException, Misfit) as error:
            if loop.time() - told >= TELL_S:
                told = loop.time()
                if isinstance(error, Misfit):
                    log.error("waiting for topics", error=str(error))
                else:
                    log.warning("waiting for the broker", kafka=kafka)
        await asyncio.sleep(RETRY_S)


def _counts(admin: AdminClient) -> dict[str, int]:
    topics = admin.list_topics(timeout=2.0).topics
    return {name: len(topic.partitions) for name, topic in topics.items() if topic.error is None and topic.partitions}
