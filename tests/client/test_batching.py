"""Points into arrays by partition: what is checked, what order is kept, how large a message gets."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iskra.client import InvalidPoint, Point
from iskra.client.batching import Batch, Batcher
from schemas.partitioning import partition_for, subject_key
from schemas.points import POINTS

names = st.text(alphabet="abzAZ09._:-яй漢", min_size=1, max_size=12)
points = st.builds(
    Point,
    tenant=st.sampled_from(["default", "тест", "t2"]),
    subject=names,
    metric=st.sampled_from(["load", "heat_1"]),
    value=st.floats(-1e9, 1e9),
    ts=st.integers(0, 253_402_300_799_999),
    source=st.none() | names,
)


def run(batcher: Batcher, given_points: list[Point], chunk: int = 7) -> list[Batch]:
    """Everything that comes out, the open batches last."""
    batches: list[Batch] = []
    for start in range(0, len(given_points), chunk):
        batches += batcher.fill(given_points[start : start + chunk], 0.0)[1]
    return batches + batcher.due(0.0)


def point(**fields: Any) -> Point:
    plain: dict[str, Any] = {"subject": "alpha", "metric": "load", "value": 1.5, "ts": 1000}
    return Point(**(plain | fields))


@given(st.lists(points, max_size=60), st.integers(1, 9), st.integers(1, 12))
def test_every_point_goes_once_in_order_to_its_partition(given_points: list[Point], partitions: int, max_points: int) -> None:
    """Each point stands in exactly one message, in the partition of its key, and a subject's points keep their order."""
    batches = run(Batcher(partitions, max_points, 2000), given_points)
    out: dict[bytes, list[Point]] = {}
    for batch in batches:
        message = batch.message()
        assert len(message) < 2000
        decoded = POINTS.decode(message)
        items = decoded if isinstance(decoded, list) else [decoded]
        assert 1 <= len(items) <= max_points
        assert items == batch.points()
        assert batch.key == subject_key(items[0].tenant, items[0].subject)
        for item in items:
            key = subject_key(item.tenant, item.subject)
            assert partition_for(key, partitions) == batch.partition
            out.setdefault(key, []).append(item)
    expected: dict[bytes, list[Point]] = {}
    for item in given_points:
        expected.setdefault(subject_key(item.tenant, item.subject), []).append(item)
    assert out == expected


@given(st.lists(points, min_size=1, max_size=80))
def test_the_size_of_a_batch_is_that_of_its_message(given_points: list[Point]) -> None:
    """What a batch believes to weigh is what it weighs (one comma more), in any script."""
    for batch in run(Batcher(2, 10_000, 900_000), given_points):
        assert len(batch.message()) in (batch.size - 1, batch.size - 3)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"subject": "a/b"}, "subject: expected 1 to 128 letters"),
        ({"subject": ""}, "subject: expected"),
        ({"subject": "x" * 129}, "subject: expected"),
        ({"subject": "a\n"}, "subject: expected"),
        ({"subject": None}, "subject: expected"),
        ({"tenant": "a b"}, "tenant: expected"),
        ({"source": 'q"'}, "source: expected"),
        ({"metric": "Clarity"}, "metric: expected a lower-case letter"),
        ({"metric": "x" * 65}, "metric: expected"),
        ({"value": float("nan")}, "value: expected a finite number"),
        ({"value": float("inf")}, "value: expected a finite number"),
        ({"value": 1.1e9}, "value: expected a finite number"),
        ({"value": True}, "value: expected a number, got True"),
        ({"value": "0.5"}, "value: expected a number, got '0.5'"),
        ({"value": None}, "value: expected a number"),
        ({"value": 10**400}, "value: expected a finite number"),
        ({"metric": "clarity", "value": 1.01}, "from 0 to 1 for clarity, got 1.01"),
        ({"metric": "pain", "value": -0.01}, "from 0 to 1 for pain"),
        ({"ts": -1}, "ts: "),
        ({"ts": 253_402_300_800_000}, "ts: "),
        ({"ts": 1.5}, "ts: expected integer epoch milliseconds"),
        ({"ts": True}, "ts: expected integer"),
        ({"ts": "2026-01-01 00:00:00"}, "ts: expected integer epoch milliseconds or RFC 3339"),
    ],
)
def test_a_bad_point_is_refused_and_the_error_says_what_was_expected(fields: dict[str, Any], text: str) -> None:
    """Each field is checked before anything is sent; the message begins with the field's name."""
    with pytest.raises(InvalidPoint, match=text):
        Batcher(4, 10, 2000).fill([point(**fields)], 0.0)


def test_numbers_of_other_kinds_and_texts_of_time_are_taken() -> None:
    """Integers and whatever turns into a float are values; RFC 3339 becomes milliseconds."""

    class Number:
        def __float__(self) -> float:
            return 0.25

    given_points = [point(value=3), point(value=Number()), point(ts="1970-01-01T00:00:02.5019Z")]
    [batch] = run(Batcher(1, 10, 2000), given_points)
    assert [p.value for p in batch.points()] == [3.0, 0.25, 1.5]
    assert batch.points()[2].ts == 2501
    assert b'"value":3.0,' in batch.message()


def test_a_later_change_of_the_point_changes_nothing() -> None:
    """A point is written down when it is taken."""
    mine = point()
    batcher = Batcher(1, 10, 2000)
    batcher.fill([mine], 0.0)
    mine.value = 7.0
    assert batcher.due(0.0)[0].points()[0].value == 1.5


def test_a_bad_point_among_good_ones_is_told_with_its_place() -> None:
    """With `refuse` the others go on; without it those before the bad one were taken."""
    told: list[tuple[int, str]] = []
    mixed = [point(), point(value=float("nan")), point(ts=2000)]
    added, _ = Batcher(1, 10, 2000).fill(mixed, 0.0, lambda index, error: told.append((index, str(error))), start=40)
    assert added == 2
    assert [index for index, _ in told] == [41]
    batcher = Batcher(1, 1, 2000)
    with pytest.raises(InvalidPoint) as stopped:
        batcher.fill(mixed, 0.0)
    assert stopped.value.index == 1


def test_only_batches_that_have_waited_are_due() -> None:
    """`due` takes what is old enough, `oldest` tells when to ask."""
    batcher = Batcher(64, 10, 2000)
    assert batcher.oldest() is None
    batcher.fill([point(subject="a")], 1.0)
    batcher.fill([point(subject="b")], 2.0)
    assert batcher.oldest() == 1.0
    assert [batch.points()[0].subject for batch in batcher.due(1.5)] == ["a"]
    assert batcher.oldest() == 2.0


def test_default_tenant_and_absent_source_are_not_written() -> None:
    """A message holds only what says something."""
    batcher = Batcher(1, 10, 2000)
    batcher.fill([point()], 0.0)
    assert msgspec.json.decode(batcher.due(0.0)[0].message()) == {"subject": "alpha", "metric": "load", "value": 1.5, "ts": 1000}


@pytest.mark.parametrize("arguments", [(0, 10, 2000), (1, 0, 2000), (1, 10_001, 2000), (1, 10, 1999), (1, 10, 1_000_001)])
def test_bounds_of_a_batch_are_checked(arguments: tuple[int, int, int]) -> None:
    """An impossible setting is refused at once."""
    with pytest.raises(ValueError, match="expected"):
        Batcher(*arguments)
