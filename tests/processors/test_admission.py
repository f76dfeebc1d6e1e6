"""§1–§3, what is accepted and what goes to dead-letters: reasons, their order, positions and bytes."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest

from schemas.partitioning import partition_for
from schemas.points import BadPoint, split
from tests.processors.both import Both, ms, reasons, said, statuses, windows
from tests.processors.settings import config

GOOD: dict[str, Any] = {"tenant": "default", "subject": "alpha", "metric": "clarity", "value": 0.8, "ts": 100_000}


def refused(**changes: Any) -> list[str]:
    """Reasons for a good point with fields changed (`...`: left out)."""
    point = {key: value for key, value in {**GOOD, **changes}.items() if value is not ...}
    return reasons(Both().send(point, at=100))


def test_a_good_point_is_accepted() -> None:
    """The point that the others are compared with."""
    assert refused() == []
    assert refused(source="dialogue-42", tenant=..., extra=[1]) == []
    assert refused(source=None) == []


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{",
        b"[NaN",
        b"[NaN] x",
        '{"a":1}'.encode("utf-16"),
        b"\xef\xbb\xbf{}",
        b"[1,",
        b"\xff\xfe",
        b'{"subject": "\xff"}',
        b"nonsense",
        b"[" * 100_000,
    ],
)
def test_what_cannot_be_decoded_is_one_dead_letter(value: bytes) -> None:
    """The whole message goes to dead-letters, without a key."""
    outs = Both().send(value, at=100)
    assert reasons(outs) == ["undecodable"]
    assert (outs[0].key, outs[0].value["tenant"], outs[0].value["subject"], outs[0].value["metric"]) == (b"", None, None, None)
    assert base64.b64decode(outs[0].value["bytes"]) == value[:65536]


@pytest.mark.parametrize(
    "change",
    [
        {"value": "0.8"},
        {"value": None},
        {"value": True},
        {"value": [0.8]},
        {"value": ...},
        {"subject": ...},
        {"subject": 7},
        {"subject": None},
        {"metric": ...},
        {"metric": 1.5},
        {"tenant": None},
        {"source": 3},
        {"ts": ...},
    ],
)
def test_wrong_types_and_missing_fields_are_invalid(change: dict[str, Any]) -> None:
    """Each field has its type; quoted numbers are no numbers."""
    assert refused(**change) == ["invalid"]


@pytest.mark.parametrize("content", [1, "x", None, True, [1], [[GOOD]], ["x", None]])
def test_items_that_are_no_objects_are_invalid(content: Any) -> None:
    """Each such item is a dead letter of its own."""
    outs = Both().send(content, at=100)
    assert reasons(outs) == ["invalid"] * (len(content) if isinstance(content, list) else 1)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "1.0000000001", "-0.1", "2", "1" * 400, "-" + "9" * 5000])
def test_numbers_out_of_range(number: str) -> None:
    """NaN, infinite, or outside the vital's 0–1: `out_of_range`, and the neighbours in the array go on."""
    bad = json.dumps(GOOD).replace("0.8", number + "  ")
    good = json.dumps({**GOOD, "metric": "trust"})
    outs = Both().send(f"[{good}, {bad} ,{good}]".encode(), at=100)
    assert reasons(outs) == ["out_of_range"]
    assert outs[0].value["index"] == 1
    assert base64.b64decode(outs[0].value["bytes"]).decode() == bad
    assert said(outs) == [(100, "UNKNOWN sparse"), (100, "OK")]


def test_the_range_is_inclusive_and_a_billion_for_other_metrics() -> None:
    """0 and 1 are legal vitals; ±10⁹ is legal elsewhere, and nothing past it."""
    assert refused(value=0) == refused(value=1) == refused(metric="load", value=-1e9) == refused(metric="load", value=10**9) == []
    assert refused(metric="load", value=1e9 + 1e-6) == refused(metric="load", value=-(10**9) - 1) == ["out_of_range"]


@pytest.mark.parametrize("name", ["", "a/b", "a b", "x" * 129, "a\n", "a\u0000", "<b>", "é\u0301", "🙂"])
@pytest.mark.parametrize("field", ["tenant", "subject", "source"])
def test_bad_names(field: str, name: str) -> None:
    """Anything but letters, digits and `. _ : -`, or not 1 to 128 characters."""
    assert refused(**{field: name}) == ["bad_name"]


@pytest.mark.parametrize("name", ["a", "x" * 128, "бета.2:x_y-z", "主体", "٣", "-", ".."])
@pytest.mark.parametrize("field", ["tenant", "subject", "source"])
def test_good_names(field: str, name: str) -> None:
    """Letters and digits of any script."""
    assert refused(**{field: name}) == []


@pytest.mark.parametrize("name", ["", "Clarity", "1st", "a-b", "ясность", "_x", "a" * 65, "clarity\n"])
def test_bad_metric_names(name: str) -> None:
    """A metric is `[a-z][a-z0-9_]{0,63}`."""
    assert refused(metric=name) == ["bad_metric"]


def test_a_well_formed_unknown_metric_has_windows_and_no_status() -> None:
    """No rule sees it, but it is aggregated and shown."""
    log = Both()
    assert log.point("mood_2", -12.5, 5) == []
    (window,) = windows(log.point("mood_2", 3, 16))
    assert (window["metric"], window["mean"]) == ("mood_2", -12.5)
    assert statuses(log.outs) == []


def test_tenants_are_known_when_listed() -> None:
    """Every legal tenant is known unless the configuration lists them."""
    log = Both(config(tenants=["default", "t2"], time={"max_age": "7d"}))
    assert reasons(log.send({**GOOD, "tenant": "t3"}, at=100)) == ["unknown_tenant"]
    assert reasons(log.send({**GOOD, "tenant": "t2"}, at=100)) == []


def test_checks_stand_in_order() -> None:
    """Type, names, metric, tenant, value, partition, time: the first that fails is told."""
    log = Both(config(tenants=["default"]), partition=0, partitions=2)
    bad: dict[str, Any] = {**GOOD, "value": 7, "ts": 10**12, "metric": "X", "source": "/", "tenant": "t9", "subject": _foreign(2)}
    told = []
    for field, good in (("start", 0), ("source", "x"), ("metric", "clarity"), ("tenant", "default"), ("value", 0.5), ("subject", _own(2))):
        bad[field] = good
        told += reasons(log.send({**bad, "ts": 1.5} if field == "start" else bad, at=100))
        if field == "start":
            told += reasons(log.send(bad, at=100))
    assert told == ["invalid", "bad_name", "bad_metric", "unknown_tenant", "out_of_range", "wrong_partition", "from_the_future"]


def _own(partitions: int) -> str:
    return next(f"s{n}" for n in range(100) if partition_for(f"default/s{n}".encode(), partitions) == 0)


def _foreign(partitions: int) -> str:
    return next(f"s{n}" for n in range(100) if partition_for(f"default/s{n}".encode(), partitions) == 1)


def test_a_point_in_the_wrong_partition_is_refused() -> None:
    """Each subject belongs to the partition of its key; its neighbours in the array go on."""
    log = Both(partition=0, partitions=2)
    outs = log.send([{**GOOD, "subject": _foreign(2)}, {**GOOD, "subject": _own(2)}], at=100)
    assert reasons(outs) == ["wrong_partition"]
    assert [v["subject"] for v in statuses(outs)] == [_own(2)]
    assert Both(partition=1, partitions=2).send({**GOOD, "subject": _foreign(2)}, at=100)[0].topic == "slo.status"


def test_limits_of_age_and_skew_are_inclusive() -> None:
    """Accepted: from log time − 7 days to record time + 2 s, both ends included."""
    now, week = 1_000_000, 7 * 86_400
    assert reasons(Both().point("clarity", 0.8, now - week, at=now)) == []
    assert reasons(Both().point("clarity", 0.8, now - week - 0.001, at=now)) == ["too_old"]
    assert reasons(Both().point("clarity", 0.8, now + 2, at=now)) == []
    assert reasons(Both().point("clarity", 0.8, now + 2.001, at=now)) == ["from_the_future"]


def test_age_counts_from_log_time_and_skew_from_record_time() -> None:
    """A record whose own time lies behind the log's is measured by both."""
    log = Both(config(time={"max_age": "40s"}))
    log.tick(1000)
    assert reasons(log.point("clarity", 0.8, 959.999, at=950)) == ["from_the_future"]
    assert reasons(log.point("clarity", 0.8, 951, at=950)) == ["too_old"]
    assert reasons(log.point("clarity", 0.8, 960, at=959)) == []


def test_nothing_is_too_old_outside_live_namespaces() -> None:
    """Replays, experiments and `evaluate` have no `max_age`; points from the future are refused there, too."""
    log = Both(live=False)
    log.tick(100_000_000)
    assert reasons(log.point("clarity", 0.8, 1, at=100_000_000)) == []
    assert reasons(log.point("clarity", 0.8, 100_000_003, at=100_000_000)) == ["from_the_future"]


def test_refused_points_move_no_time_and_make_no_metric_known() -> None:
    """After refused points alone there is no subject: no silence to notice, no status."""
    log = Both()
    log.send({**GOOD, "value": 3}, at=100)
    log.point("clarity", 0.8, 999, at=100)
    log.ticks(range(101, 180))
    assert statuses(log.outs) == []
    assert said(log.point("clarity", 0.8, 150, at=180)) == [(150, "UNKNOWN sparse")]


def test_a_dead_letter_tells_where_what_and_why() -> None:
    """Reason, position, names as far as known, and the item's own bytes; its time is the record's."""
    log = Both()
    log.tick(99)
    raw = b'{"tenant":"t2", "subject":"alpha","metric":"clarity","value":5,"ts":100000}'
    (dead,) = [out for out in log.send(b"[ " + json.dumps(GOOD).encode() + b", " + raw + b"]", at=100) if out.topic == "dead-letters"]
    assert (dead.key, dead.id, dead.ts) == (b"t2/alpha", "0-1-1-0-dead", 100_000)
    assert dead.value == {
        "reason": "out_of_range",
        "detail": "",
        "tenant": "t2",
        "subject": "alpha",
        "metric": "clarity",
        "topic": "iskra.metrics.points",
        "partition": 0,
        "offset": 1,
        "index": 1,
        "bytes": base64.b64encode(raw).decode(),
    }


def test_a_dead_letter_keeps_64_kib() -> None:
    """Of a longer item the first 65,536 bytes."""
    value = json.dumps({**GOOD, "value": 3, "note": "я" * 100_000}, ensure_ascii=False).encode()
    (dead,) = Both().send(value, at=100)
    assert base64.b64decode(dead.value["bytes"]) == value[:65536]


def test_arrays_hold_ten_thousand_points_at_most() -> None:
    """One more and the whole message is refused."""
    point = json.dumps({**GOOD, "metric": "load"}).encode()
    assert reasons(Both().send(b"[" + b",".join([point] * 10_000) + b"]", at=100)) == []
    assert reasons(Both().send(b"[" + b",".join([point] * 10_001) + b"]", at=100)) == ["too_many_points"]


@pytest.mark.parametrize(
    ("message", "encoding"),
    [
        (b"[" + b"1," * 10_000 + b"1]", None),
        (b"[" + b"{}," * 10_000 + b"NaN]", None),
        (msgspec.msgpack.encode([1] * 10_001), "msgpack"),
    ],
)
def test_too_many_items_of_any_kind_are_refused_together(message: bytes, encoding: str | None) -> None:
    """They are counted before they are looked at."""
    with pytest.raises(BadPoint) as refused:
        split(message, encoding)
    assert (refused.value.reason, str(refused.value)) == ("too_many_points", "10001 points in one message, at most 10000")


def test_a_name_with_half_a_surrogate_pair_costs_only_its_item() -> None:
    """JSON can write it, UTF-8 cannot."""
    good = json.dumps(GOOD).encode()
    assert reasons(Both().send(b'[{"\\ud800":null},%b]' % good, at=100)) == ["invalid"]


def test_an_empty_array_says_nothing() -> None:
    """It holds no point and is no error."""
    assert Both().send([], at=100) == []


def test_msgpack_by_header() -> None:
    """With `encoding: msgpack` a message is read as such, and judged alike."""
    log = Both()
    good = {**GOOD, "metric": "trust"}
    outs = log.send(msgspec.msgpack.encode([good, {**GOOD, "value": 7}, good]), at=100, encoding="msgpack")
    assert reasons(outs) == ["out_of_range"]
    assert said(outs) == [(100, "UNKNOWN sparse"), (100, "OK")]
    assert reasons(log.send(json.dumps(GOOD).encode(), at=100, encoding="msgpack")) in (["undecodable"], ["invalid"])
    assert reasons(log.send(b"\xc1", at=100, encoding="msgpack")) == ["undecodable"]


def test_log_time_is_the_greatest_record_time() -> None:
    """It never goes back, whatever kind of record it was."""
    log = Both()
    log.tick(100)
    log.send(b"nonsense", at=120)
    log.point("clarity", 0.8, 90, at=90)
    assert log.engine.log_time == ms(120)
