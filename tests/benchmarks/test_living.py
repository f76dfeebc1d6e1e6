"""What the living part costs a worker: the logs, the two configurations, and how shares come out of drains."""

from __future__ import annotations

from itertools import pairwise

import msgspec
from confluent_kafka import Consumer, Producer, TopicPartition

from benchmarks.living import Log, figures_of, statuses_alone
from benchmarks.stack import forget, fresh_namespace
from benchmarks.worker import Drain, begin, fill
from iskra import config_files
from schemas.topics import CONFIG, DEFAULT_PARTITIONS, POINTS, STATUS, full_name
from tests.streams.helpers import dump

CONFIGURATION = config_files.load()


def test_statuses_alone_differ_in_nothing_but_the_living_part() -> None:
    """So both sides of a share judge the same points by the same bounds."""
    with statuses_alone() as directory:
        plain = config_files.load(directory)
    assert plain.living is None
    assert CONFIGURATION.living is not None
    assert msgspec.structs.replace(CONFIGURATION, living=None) == plain


def test_a_share_is_of_all_drains_together() -> None:
    """By the clock and by processor time, points divided by seconds over both drains: not the mean of two rates."""
    full = [Drain(1_000, 10, 10.0, 4.0, 200), Drain(3_000, 30, 30.0, 12.0, 210)]
    plain = [Drain(2_000, 10, 10.0, 4.0, 150), Drain(2_000, 10, 10.0, 4.0, 150)]
    figures = figures_of("sparse_", full, plain)
    details = figures.pop("details")
    assert figures == {"worker_sparse_points_per_s": 100, "worker_plain_sparse_points_per_s": 200, "living_share": 0.5}
    assert (details["cpu_us_per_point"], details["plain_cpu_us_per_point"], details["living_share_cpu"]) == (4_000.0, 2_000.0, 0.5)
    assert [told["rss_mb"] for told in details["drains"]] == [200, 210]


def test_the_same_arguments_fill_the_same_log(kafka: str) -> None:
    """Byte for byte, with ticks; and the noise of a log is noise: neighbouring points differ by more than the swing."""
    log = Log(points=960, subjects=6, every_ms=100, array=1)
    logs = []
    for _ in range(2):
        namespace = fresh_namespace(kafka)
        assert fill(kafka, namespace, points=log.points, subjects=log.subjects, every_ms=log.every_ms, array=log.array) == log.points
        found = dump(kafka, full_name(namespace, POINTS))
        logs.append([[(message.timestamp(), message.value()) for message in partition] for partition in found])
    assert logs[0] == logs[1]
    points = [msgspec.json.decode(value) for partition in logs[0] for _, value in partition if value]
    series = [point["value"] for point in points if (point["subject"], point["metric"]) == ("s00000", "clarity")]
    assert len(series) == 40
    assert len(points) == 960 < sum(map(len, logs[0]))  # the rest are ticks
    assert max(abs(after - before) for before, after in pairwise(series)) > 0.005


def test_what_workers_wrote_is_thrown_away_and_the_log_stays(kafka: str) -> None:
    """So that a filled topic can be emptied again from its beginning."""
    namespace = fresh_namespace(kafka)
    begin(kafka, namespace, CONFIGURATION)
    producer = Producer({"bootstrap.servers": kafka})
    producer.produce(full_name(namespace, STATUS), b"{}", b"a/b", 0)
    producer.flush()
    group = Consumer({"bootstrap.servers": kafka, "group.id": f"{namespace}.worker"})
    place = TopicPartition(full_name(namespace, POINTS), 0, 1)
    group.commit(offsets=[place], asynchronous=False)

    forget(kafka, namespace)

    assert [len(partition) for partition in dump(kafka, full_name(namespace, POINTS))] == [1] * DEFAULT_PARTITIONS
    assert len(dump(kafka, full_name(namespace, CONFIG), 1)[0]) == 1
    assert [len(partition) for partition in dump(kafka, full_name(namespace, STATUS))] == [0] * DEFAULT_PARTITIONS
    assert group.committed([place], timeout=10)[0].offset < 0
    group.close()
    forget(kafka, namespace)  # also where there is no group
