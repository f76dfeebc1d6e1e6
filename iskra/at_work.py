"""Whether what runs does its work: the processes of an instance, and the workers' group against the end of the log."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from iskra.findings import Finding, bad, good
from iskra.stack import probes
from iskra.stack.kafka import QUICK_CLIENT
from schemas.topics import POINTS, UNCOMMITTED, full_name

ANSWER_TIMEOUT_S = 3.0
FAR = 60
"""Records behind the end from which a partition's commits are watched: of ticks alone, a minute."""
WATCH_S = 20.0
"""How long: of a partition that is behind, a checkpoint comes every 15 s."""
LOOK_S = 0.5


def parts(run: Mapping[str, Any], data: Path) -> Iterator[Finding]:
    """Each part of an instance that serves figures (`run`: what `iskra up` wrote of itself), but for the gateway."""
    for name, url in run["metrics"].items():
        if name == "gateway":
            continue
        pid = run["pids"].get(name)
        mend = f"iskra up starts it again and again; why it ends stands in {data / 'logs' / f'{name}.log'}"
        if pid is None or not _lives(pid):
            yield bad(f"part {name}", f"does not run (last process {pid or 'unknown'})", mend)
        elif not probes.answers(url, ANSWER_TIMEOUT_S):
            yield bad(f"part {name}", f"process {pid} runs, but {url} does not answer", mend, unreachable=True)
        else:
            yield good(f"part {name}", f"process {pid} runs and answers")


def _lives(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def workers(kafka: str, namespace: str, data: Path, *, expected: bool) -> Finding:
    """The workers' group of a namespace: who is in it, and how far its commits are behind the end of the points topic.

    `expected`: an instance runs that has a worker of this namespace. Where none does, nobody need be there while nothing waits.
    """
    check = f"workers of {namespace}"
    logs = data / "logs" / "worker.log"
    mend = f"iskra up keeps a worker running; why one ends stands in {logs}" if expected else "iskra up, or iskra worker"
    try:
        members = _members(kafka, f"{namespace}.worker")
        behind = _Behind(kafka, namespace)
        try:
            before = behind.look()
            far = {partition: place for partition, place in before.items() if place[1] - place[0] >= FAR}
            waiting = sum(end - place for place, end in before.values())
            if members == 0 and (expected or waiting > 0):
                return bad(check, f"no worker is in the group {namespace}.worker; {waiting:,} records wait to be judged", mend)
            still = behind.watch(far)
        finally:
            behind.close()
    except KafkaException as error:
        return bad(check, f"{kafka}: {error.args[0].str()}", "look into the broker's log", unreachable=True)
    if still:
        told = ", ".join(
            f"partition {number} is {end - place:,} records behind at offset {place:,}" for number, (place, end) in still.items()
        )
        return bad(check, f"{told}, and has not moved for {WATCH_S:g} s", f"look into {logs}: what holds the worker is said there")
    count = "1 worker is" if members == 1 else f"{members or 'no'} workers are"
    return good(check, f"{count} in the group; {waiting:,} records behind the end{', and moving' if far else ''}")


def _members(kafka: str, group: str) -> int:
    client = AdminClient({"bootstrap.servers": kafka, **QUICK_CLIENT})
    (future,) = client.describe_consumer_groups([group], request_timeout=ANSWER_TIMEOUT_S).values()
    try:
        return len(future.result(ANSWER_TIMEOUT_S).members)
    except KafkaException as error:
        if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
            return 0
        raise


class _Behind:
    """How far the commits of a namespace's workers are behind."""

    def __init__(self, kafka: str, namespace: str) -> None:
        self._topic = full_name(namespace, POINTS)
        self._group = f"{namespace}.worker"
        self._admin = AdminClient({"bootstrap.servers": kafka, **QUICK_CLIENT})
        self._consumer = Consumer({"bootstrap.servers": kafka, "group.id": "iskra.readers", **UNCOMMITTED, **QUICK_CLIENT})  # never joined

    def close(self) -> None:
        """Closes the connection."""
        self._consumer.close()

    def look(self) -> dict[int, tuple[int, int]]:
        """By partition the next offset to judge, as it is committed, and the end. Where nothing is committed, it is the first."""
        numbers = self._consumer.list_topics(self._topic, timeout=ANSWER_TIMEOUT_S).topics[self._topic].partitions
        places = [TopicPartition(self._topic, number) for number in numbers]
        (future,) = self._admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(self._group, places)]).values()
        committed = {place.partition: place.offset for place in future.result(ANSWER_TIMEOUT_S).topic_partitions}
        found = {}
        for place in places:
            first, end = self._consumer.get_watermark_offsets(place, timeout=ANSWER_TIMEOUT_S)
            found[place.partition] = (max(committed.get(place.partition, -1), first), end)
        return found

    def watch(self, far: dict[int, tuple[int, int]]) -> dict[int, tuple[int, int]]:
        """Those of the partitions `far` behind whose commits do not move within `WATCH_S`, as they stand then."""
        deadline = time.monotonic() + WATCH_S
        still = far
        while still and time.monotonic() < deadline:
            time.sleep(LOOK_S)
            now = self.look()
            still = {number: now[number] for number in still if now[number][0] == far[number][0]}
        return still
