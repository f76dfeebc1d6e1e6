"""Which points of a message are stored: exactly those that the engine's own stateless judgement accepts."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iskra.config_files import load
from processors.admission import check
from processors.compiled import Compiled
from schemas.partitioning import partition_for, subject_key
from schemas.points import BadPoint, Point, split
from schemas.topics import HEADER_ENCODING, HEADER_KIND
from sinks.clickhouse.points import PointsBuilder
from sinks.clickhouse.settings import Admission
from tests.sink.helpers import VITALS
from tests.sink.reading import columns

PARTITIONS = 2


class Record:
    """A record as the consumer gives it."""

    def __init__(self, value: bytes | None, partition: int = 0, offset: int = 0, headers: Any = None) -> None:
        self._value, self._partition, self._offset, self._headers = value, partition, offset, headers

    def value(self) -> bytes | None:
        return self._value

    def partition(self) -> int:
        return self._partition

    def offset(self) -> int:
        return self._offset

    def headers(self) -> Any:
        return self._headers

    def timestamp(self) -> tuple[int, int]:
        return 1, 1_762_000_000_000


def stored(*records: Record, admission: Admission | None = None) -> list[dict[str, Any]]:
    """The rows of the block that these records give."""
    builder = PointsBuilder(admission or Admission(ranges=VITALS), PARTITIONS)
    for record in records:
        builder.add(record)  # type: ignore[arg-type]
    taken = builder.take()
    if taken is None:
        return []
    rows, block = taken
    found = columns(block)
    assert all(len(values) == rows for values in found.values())
    return [dict(zip(found, row, strict=True)) for row in zip(*found.values(), strict=True)]


def at_home(subject: str, tenant: str = "default") -> int:
    return partition_for(subject_key(tenant, subject), PARTITIONS)


AWAY = next(name for name in map(str, range(99)) if at_home(name) != at_home("alpha"))
"""A subject of another partition than alpha's."""
GOOD = {"subject": "alpha", "metric": "clarity", "value": 0.5, "ts": 1_762_000_000_123}


def test_a_point_becomes_a_row_with_its_place() -> None:
    """Tenant by default, no source, place in the log, day of the record."""
    home = at_home("alpha")
    assert stored(Record(json.dumps([GOOD, {**GOOD, "source": "s-1"}]).encode(), home, 42)) == [
        {"tenant": "default", "subject": "alpha", "metric": "clarity", "value": 0.5, "ts": 1_762_000_000_123}
        | {"source": source, "partition": home, "offset": 42, "idx": index, "day": 20_393}
        for index, source in enumerate(["", "s-1"])
    ]


def test_bad_items_cost_their_neighbours_nothing() -> None:
    """Items that cannot be read leave the places of the others as they are, also for later messages of the block."""
    home = at_home("alpha")
    mixed = b'[{"subject":"alpha"},' + json.dumps(GOOD).encode() + b',{"subject":"alpha","metric":"clarity","value":NaN,"ts":1},7]'
    rows = stored(
        Record(json.dumps([GOOD, GOOD]).encode(), home, 1),
        Record(mixed, home, 2),
        Record(json.dumps([GOOD, {**GOOD, "value": 1.5}, GOOD]).encode(), home, 3),
        Record(b"not json", home, 4),
        Record(json.dumps({**GOOD, "ts": "2025-11-01T00:00:00.1239Z"}).encode(), home, 5),
    )
    assert [(row["offset"], row["idx"]) for row in rows] == [(1, 0), (1, 1), (2, 1), (3, 0), (3, 2), (5, 0)]
    assert rows[-1]["ts"] == 1_761_955_200_123


@pytest.mark.parametrize(
    "change",
    [
        {"value": 1.01},
        {"value": -0.01},
        {"metric": "other", "value": 1.1e9},
        {"metric": "Clarity"},
        {"metric": ""},
        {"metric": "m" * 65},
        {"subject": ""},
        {"subject": "a/b"},
        {"subject": "a b"},
        {"subject": "s" * 129},
        {"tenant": "t\u0000"},
        {"source": ""},
        {"source": "a\n"},
        {"ts": -1},
        {"ts": 253_402_300_800_000},
        {"ts": 10**30},
        {"ts": "yesterday"},
        {"ts": 1.5},
        {"subject": AWAY},
    ],
)
def test_what_the_engine_refuses_is_not_stored(change: dict[str, Any]) -> None:
    """Each rule of admission that needs no state."""
    home = at_home("alpha")
    assert len(stored(Record(json.dumps([GOOD, {**GOOD, **change}]).encode(), home))) == 1


def test_tenants_may_be_listed() -> None:
    """With a list, others' points are left out; points of several tenants find their homes."""
    subject = next(name for name in map(str, range(99)) if at_home(name, "a") == at_home(name, "b") == 0)
    items = [{**GOOD, "subject": subject, "tenant": tenant} for tenant in ("a", "b", "a")]
    record = Record(json.dumps(items).encode())
    assert [row["tenant"] for row in stored(record, admission=Admission(tenants=frozenset({"a"})))] == ["a", "a"]
    assert [row["tenant"] for row in stored(record)] == ["a", "b", "a"]


def test_other_kinds_and_encodings() -> None:
    """Ticks and tombstones are no points; msgpack by header is; too many points are none."""
    home = at_home("alpha")
    packed = msgspec.msgpack.encode([GOOD])
    assert stored(Record(b"", home, headers=[(HEADER_KIND, b"tick")]), Record(None, home), Record(b"[]", home)) == []
    assert len(stored(Record(packed, home, headers=[(HEADER_ENCODING, b"msgpack")]))) == 1
    assert stored(Record(json.dumps([GOOD] * 10_001).encode(), home)) == []


NAMES = st.one_of(st.sampled_from(["alpha", "бета", "a/b", "", "x" * 129, "a.b_c:d-e"]), st.text(max_size=5))
ITEMS = st.fixed_dictionaries(
    {
        "subject": NAMES,
        "metric": st.one_of(st.sampled_from(["clarity", "chaos", "other", "Bad", "a9_"]), st.text(max_size=3)),
        "value": st.one_of(st.floats(allow_nan=False), st.integers(-3, 3), st.just("x"), st.floats(0, 1)),
        "ts": st.one_of(st.integers(-5, 2**63), st.sampled_from(["2025-01-01T00:00:00Z", "2025-01-01", "x"]), st.floats(0, 1)),
    },
    optional={"tenant": NAMES, "source": st.one_of(st.none(), NAMES)},
)


COMPILED = Compiled(load())


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(ITEMS, max_size=4), max_size=4))
def test_stored_is_what_admission_accepts(messages: list[list[dict[str, Any]]]) -> None:
    """Whole columns are judged as the engine judges one point after another, whatever stands beside it."""
    expected = []
    records = []
    for offset, items in enumerate(messages):
        value = json.dumps(items).encode()
        records.append(Record(value, 0, offset))
        for index, (_, point, _) in enumerate(split(value)):
            try:
                assert isinstance(point, Point)
                check(point, COMPILED)
            except (BadPoint, AssertionError):
                continue
            if at_home(point.subject, point.tenant) == 0:
                expected.append((offset, index, point.tenant, point.subject, point.metric, point.value))
    found = [tuple(row[name] for name in ("offset", "idx", "tenant", "subject", "metric", "value")) for row in stored(*records)]
    assert found == expected
