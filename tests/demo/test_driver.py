"""The order in which a driver writes, and when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.driver import Barrier, Pace, Record, Timed, schedule
from schemas.partitioning import partition_for, subject_key
from schemas.points import Point

START = 1000


def timed(ms_after: int, subject: str, number: int) -> Timed:
    """A point that stands so many ms after the first second's beginning."""
    return Timed(START * 1000 + ms_after, Point(subject=subject, metric="load", value=float(number), ts=START * 1000 + ms_after))


moments = st.lists(st.tuples(st.integers(1, 5000), st.sampled_from("abcdef")), max_size=60)


@given(moments, st.integers(1, 5), st.sampled_from([1, 100, 1000]), st.integers(1, 7))
def test_ticks_and_points_stand_in_the_order_of_the_law(
    given_moments: list[tuple[int, str]], partitions: int, batch: int, hold: int
) -> None:
    """Per partition: tick T behind every record of a time ≤ T, before the first past it; times never go back; all points once, in order."""
    points = [timed(ms, subject, number) for number, (ms, subject) in enumerate(sorted(given_moments))]

    def source(second: int) -> list[Timed]:
        return [t for t in points if (second - 1) * 1000 < t.time <= second * 1000]

    steps = list(schedule(source, start=START, seconds=5, partitions=partitions, hold=hold, batch_ms=batch))
    records = [step for step in steps if isinstance(step, Record)]
    for partition in range(partitions):
        own = [record for record in records if record.partition == partition]
        assert [record.time for record in own] == sorted(record.time for record in own)
        ticks = [index for index, record in enumerate(own) if record.points is None]
        assert [own[index].time for index in ticks] == [(START + n) * 1000 for n in range(1, 6)]
        for index in ticks:
            assert all(record.time <= own[index].time for record in own[:index])
            assert all(record.time > own[index].time for record in own[index + 1 :])
        for record in own:
            for point in record.points or ():
                assert isinstance(point.ts, int)
                assert partition_for(subject_key(point.tenant, point.subject), partitions) == partition
                assert record.time - batch < point.ts <= record.time
    for subject in "abcdef":
        written = [point for record in records for point in record.points or () if point.subject == subject]
        assert written == [t.point for t in points if t.point.subject == subject]
    barriers = [step.second for step in steps if isinstance(step, Barrier)]
    assert barriers == sorted({*range(START + 1, START + 6)} & {s for s in range(START + 6) if s % hold == 0} | {START + 5})
    assert isinstance(steps[-1], Barrier)


def test_an_array_stays_within_the_bound_of_a_message() -> None:
    """More points than a message may hold become several arrays of the same time."""
    steps = schedule(lambda _: [timed(500, "a", n) for n in range(25_000)], start=START, seconds=1, partitions=1)
    assert [len(step.points) for step in steps if isinstance(step, Record) and step.points] == [10_000, 10_000, 5_000]


def test_the_source_is_asked_only_after_the_barrier_before() -> None:
    """So a reaction at a barrier stands in the very next second."""
    asked: list[int] = []

    def source(second: int) -> list[Timed]:
        asked.append(second)
        return []

    for step in schedule(source, start=START, seconds=None, partitions=2, hold=10):
        if isinstance(step, Barrier):
            assert asked == list(range(START + 1, step.second + 1))
            if step.second == START + 30:
                break


def test_a_point_outside_its_second_is_refused() -> None:
    """A source that errs is told, with what was expected."""
    with pytest.raises(ValueError, match="expected 1000001 to 1001000"):
        list(schedule(lambda _: [timed(1001, "a", 0)], start=START, seconds=1, partitions=1))
    with pytest.raises(ValueError, match="batch_ms"):
        list(schedule(lambda _: [], start=START, seconds=1, partitions=1, batch_ms=0))
    with pytest.raises(ValueError, match="start"):
        list(schedule(lambda _: [], start=0, seconds=1, partitions=1))


def test_the_pace_is_that_of_the_wall_clock_times_the_speed() -> None:
    """What is late is due at once; a barrier that took long shifts what follows instead of rushing it."""
    pace = Pace(10.0, START, now=50.0)
    assert pace.wait((START + 20) * 1000, now=50.0) == pytest.approx(2.0)
    assert pace.wait((START + 20) * 1000, now=51.5) == pytest.approx(0.5)
    assert pace.wait((START + 20) * 1000, now=53.0) == 0
    pace.held((START + 20) * 1000, now=53.0)
    assert pace.wait((START + 30) * 1000, now=53.0) == pytest.approx(1.0)
    pace.held((START + 30) * 1000, now=53.5)
    assert pace.wait((START + 30) * 1000, now=53.5) == pytest.approx(0.5), "early is no reason to slow down"
    assert Pace(float("inf"), START, 0.0).wait(10**12, 0.0) == 0
    with pytest.raises(ValueError, match="speed"):
        Pace(0, START, 0.0)
