"""The log of `iskra bench scale`, and how what was seen of the worker is told."""

from __future__ import annotations

from collections import Counter

import msgspec

from benchmarks.engine import MIDDLE
from benchmarks.scale import EVERY_S, Moment, Subjects, moments
from benchmarks.worker import START_MS
from iskra import config_files
from iskra.cli import bench
from processors.engine import PartitionEngine
from schemas.partitioning import partition_for
from schemas.points import Point
from schemas.topics import DEFAULT_PARTITIONS, STATUS


def test_each_series_has_a_point_in_ten_seconds() -> None:
    """Two turns of 25 subjects: each sends its four vitals at once, always ten seconds after the last time, in its partition."""
    subjects = Subjects(25)
    times: dict[tuple[str, str], list[int]] = {}
    for number in range(2 * EVERY_S):
        for partition, key, value in subjects.second(number):
            points = msgspec.json.decode(value, type=list[Point])
            assert {point.metric for point in points} == set(MIDDLE)
            assert {f"default/{point.subject}".encode() for point in points} == {key}
            assert partition == partition_for(key, DEFAULT_PARTITIONS)
            for point in points:
                assert isinstance(point.ts, int)
                assert 0 <= point.value <= 1
                times.setdefault((point.subject, point.metric), []).append(point.ts)
    assert len(times) == 25 * 4
    assert all(len(found) == 2 and found[1] - found[0] == EVERY_S * 1000 for found in times.values())


def test_the_load_is_spread_over_the_seconds() -> None:
    """A tenth of the subjects in each."""
    subjects = Subjects(100)
    assert Counter(len(subjects.second(number)) for number in range(EVERY_S)) == {10: EVERY_S}


def test_the_subjects_are_judged_all_the_time() -> None:
    """One point in 10 s is enough: once known, no metric is UNKNOWN again, and levels do change."""
    engine = PartitionEngine(config_files.load(), topic="iskra.metrics.points", partition=0, partitions=1, live=False)
    subjects = Subjects(10, partitions=1)
    changes: dict[tuple[str, str], list[str]] = {}
    offset = 0
    for number in range(300):
        ts = START_MS + number * 1000
        outs = []
        for _, _, value in subjects.second(number):
            outs += engine.points(offset, ts, value)
            offset += 1
        outs += engine.tick(offset, ts + 1000)
        offset += 1
        for out in outs:
            if out.topic == STATUS:
                status = msgspec.json.decode(msgspec.json.encode(out.value))
                changes.setdefault((status["subject"], status["metric"]), []).append(status["level"])
    assert len(changes) == 10 * 4
    assert all(found[0] == "UNKNOWN" and "UNKNOWN" not in found[1:] for found in changes.values())
    assert any(len(found) > 2 for found in changes.values())


def test_growth_is_told_in_steps() -> None:
    """At least so long each, and the last whatever its length; event time follows from the points applied."""
    seen = [(100.0, 40.0, 50), (101.0, 80.0, 60), (103.0, 120.0, 70), (104.0, 180.0, 75), (104.0, 200.0, 80)]
    told = moments(seen, per_event_s=4.0, every_s=2.0)
    assert told == [Moment(3.0, 20.0, 27, 70), Moment(4.0, 40.0, 80, 80)]
    assert moments([(1.0, 5.0, 10)], per_event_s=4.0) == []


def test_it_has_a_name() -> None:
    """`iskra bench scale`."""
    assert "scale" in bench.BENCHES
