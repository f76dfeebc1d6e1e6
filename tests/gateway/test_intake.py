"""Sorting bodies of points, without a broker."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.intake import ARRAY_BYTES, BOM, Intake, TooMany, Unreadable
from iskra import config_files
from processors.admission import check
from processors.compiled import Compiled
from schemas.config import Config
from schemas.partitioning import partition_for
from schemas.points import BadPoint, Point

CONFIG = config_files.load()
TWO_TENANTS = msgspec.structs.replace(CONFIG, tenants=["default", "ё:1"])
COMPILED = Compiled(TWO_TENANTS)
TS = 1_762_435_106_000


def intake(tenants: list[str] | None = None) -> Intake:
    config: Config = msgspec.structs.replace(CONFIG, tenants=tenants)
    return Intake(config, 4)


def point(subject: str = "alpha", **fields: object) -> dict[str, object]:
    return {"subject": subject, "metric": "clarity", "value": 0.5, "ts": TS, **fields}


def body(*points: object) -> bytes:
    return json.dumps(points).encode()


def test_points_are_grouped_by_partition_in_their_order() -> None:
    """All points of an array stand in the partition of its key, and a subject's points keep their order."""
    points = [point(f"s{i % 50}", ts=TS + i) for i in range(1000)]
    found = intake().sort(body(*points), lines=False)
    assert found.accepted == 1000
    seen: dict[str, list[int]] = {}
    for array in found.arrays:
        decoded = json.loads(array.value)
        assert partition_for(array.key, 4) == array.partition
        assert array.key.decode() == f"default/{decoded[0]['subject']}"
        for item in decoded:
            assert partition_for(f"default/{item['subject']}".encode(), 4) == array.partition
            seen.setdefault(item["subject"], []).append(item["ts"])
    assert all(times == sorted(times) for times in seen.values())
    assert sum(map(len, seen.values())) == 1000


def test_arrays_stay_below_a_megabyte() -> None:
    """10,000 points with long names go out in several messages, none of a megabyte, all in order."""
    points = [point("ж" * 128, source="я" * 128, ts=TS + i) for i in range(10_000)]
    found = intake().sort(body(*points), lines=False)
    assert found.accepted == 10_000
    assert len(found.arrays) > 1
    assert all(len(array.value) <= ARRAY_BYTES for array in found.arrays)
    assert [item["ts"] for array in found.arrays for item in json.loads(array.value)] == [TS + i for i in range(10_000)]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (point(value="0.5"), "invalid"),
        (point(value=None), "invalid"),
        (point(value=True), "invalid"),
        (point(value=1.5), "out_of_range"),
        (point(metric="rate", value=2e9), "out_of_range"),
        (point(metric="Clarity"), "bad_metric"),
        (point(subject="a/b"), "bad_name"),
        (point(subject=""), "bad_name"),
        (point(subject="a\u0000b"), "bad_name"),
        (point(subject="a b"), "bad_name"),
        (point(subject="\ud800"), "bad_name"),
        (point(subject="x" * 129), "bad_name"),
        (point(tenant="nobody"), "unknown_tenant"),
        (point(source="a\nb"), "bad_name"),
        (point(ts=1.5), "invalid"),
        (point(ts="1762435106000"), "invalid"),
        (point(ts="2026-01-01T00:00:00"), "invalid"),
        (point(ts=-1), "invalid"),
        ({"metric": "clarity", "value": 0.5, "ts": TS}, "invalid"),
        (5, "invalid"),
        ([], "invalid"),
        (None, "invalid"),
    ],
)
def test_a_bad_item_is_told_with_index_and_reason_and_the_rest_goes_on(bad: object, reason: str) -> None:
    """The neighbours of a bad item are accepted; its dead letter names its place and keeps its bytes."""
    found = intake(["default"]).sort(body(point(), bad, point()), lines=False)
    assert found.accepted == 2
    assert [(item.index, item.reason) for item in found.rejected] == [(1, reason)]
    (dead,) = found.letters
    told = json.loads(dead.value)
    assert (told["reason"], told["topic"], told["partition"], told["offset"], told["index"]) == (reason, "http", -1, -1, 1)
    assert json.loads(base64.b64decode(told["bytes"]).decode("utf-8", "surrogatepass")) == bad
    msgspec.json.encode(found.rejected)


def test_nan_and_infinity_cost_only_their_item() -> None:
    """NaN is no JSON, but producers write it: the rest of the array goes on."""
    raw = b'[{"subject":"a","metric":"clarity","value":0.5,"ts":1},{"subject":"a","metric":"clarity","value":NaN,"ts":2},'
    raw += b'{"subject":"a","metric":"rate","value":-Infinity,"ts":3}]'
    found = intake().sort(raw, lines=False)
    assert found.accepted == 1
    assert [(item.index, item.reason) for item in found.rejected] == [(1, "out_of_range"), (2, "out_of_range")]


def test_times_in_words_are_accepted_beside_numbers() -> None:
    """RFC 3339 becomes integer milliseconds on the log, also amid integers."""
    found = intake().sort(body(point(ts="2025-11-06T13:18:26.1239+00:00"), point()), lines=False)
    assert [item["ts"] for item in json.loads(found.arrays[0].value)] == [1762435106123, TS]


def test_lines_are_items_and_blank_lines_are_none() -> None:
    """NDJSON: an unreadable line costs itself alone, and the index counts lines that are not blank."""
    raw = b"\n".join([json.dumps(point()).encode(), b"", b"{broken", b"[]", json.dumps(point(value=7)).encode(), b""])
    found = intake().sort(raw, lines=True)
    assert found.accepted == 1
    assert [(item.index, item.reason) for item in found.rejected] == [(1, "undecodable"), (2, "invalid"), (3, "out_of_range")]


def test_good_lines_need_no_second_reading() -> None:
    """Plain NDJSON of many lines is accepted whole; one bad value among them is found at its line."""
    lines = [json.dumps(point(ts=TS + i)).encode() for i in range(100)]
    assert intake().sort(b"\n".join(lines), lines=True).accepted == 100
    lines[42] = json.dumps(point(value=2)).encode()
    found = intake().sort(b"\n".join(lines), lines=True)
    assert (found.accepted, [item.index for item in found.rejected]) == (99, [42])
    assert base64.b64decode(json.loads(found.letters[0].value)["bytes"]) == lines[42]


@pytest.mark.parametrize("lines", [False, True])
def test_a_byte_order_mark_is_no_part_of_the_body(lines: bool) -> None:
    """One at the beginning is passed over, whatever comes then; indices, and the bytes of what is refused, are as without it."""
    good, bad = json.dumps(point()).encode(), json.dumps(point(value=7)).encode()
    for items in ([good], [good, good], [bad, good], [b"{broken", good] if lines else [b"5", good]):
        raw = b"\n".join(items) if lines else b"[%b]" % b",".join(items)
        found, plain = intake().sort(BOM + raw, lines), intake().sort(raw, lines)
        assert (found.accepted, found.rejected, found.arrays) == (plain.accepted, plain.rejected, plain.arrays)
        assert [json.loads(each.value) for each in found.letters] == [json.loads(each.value) for each in plain.letters]
    for raw in (BOM, BOM + BOM + good):
        with pytest.raises(Unreadable):
            intake().sort(raw, lines=False)


@pytest.mark.parametrize("raw", [b"", b"  ", b"{", b"[1", b"5", b'"x"', b"null", b"\xff\xfe", b'[{"subject":"\xff"}]', b"[" * 100_000])
def test_what_is_no_points_at_all_is_unreadable(raw: bytes) -> None:
    """A body without any item that can be told apart is refused as a whole."""
    with pytest.raises(Unreadable):
        intake().sort(raw, lines=False)


def test_more_than_ten_thousand_points_are_too_many() -> None:
    """10,000 points pass, one more does not, in each form."""
    items = [point()] * 10_001
    assert intake().sort(body(*items[1:]), lines=False).accepted == 10_000
    for raw, lines in ((body(*items), False), (b"\n".join(json.dumps(item).encode() for item in items), True), (body(*items, 5), False)):
        with pytest.raises(TooMany):
            intake().sort(raw, lines=lines)


names = st.one_of(st.sampled_from(["alpha", "default", "a/b", "", "ё:1", "x" * 129]), st.text(max_size=5))


candidates = st.builds(
    Point,
    subject=names,
    metric=names | st.just("clarity"),
    value=st.floats(),
    ts=st.integers(-1, 2**48) | names,
    tenant=names,
    source=st.none() | names,
)


@given(candidates)
def test_the_door_and_the_engine_refuse_the_same(candidate: Point) -> None:
    """Whatever needs no state is judged as the engine judges it, with the same reason."""
    try:
        check(candidate, COMPILED)
        expected = None
    except BadPoint as error:
        expected = error.reason
    raw = json.dumps(msgspec.to_builtins(candidate)).encode()
    found = Intake(TWO_TENANTS, 4).sort(raw, lines=False)
    assert [item.reason for item in found.rejected] == ([] if expected is None else [expected])


def test_the_configuration_in_use_is_the_one_in_the_repository() -> None:
    """The vitals' range comes from the configuration, not from code."""
    assert CONFIG.metrics["clarity"].values == (0.0, 1.0)
    assert (Path(config_files.DEFAULT_DIR) / config_files.THRESHOLDS).exists()
