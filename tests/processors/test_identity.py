"""§6: the order of outputs and their ids."""

from __future__ import annotations

from typing import Any

import pytest
import xxhash

from schemas.partitioning import partition_for
from tests.processors.both import Both, ms, said
from tests.processors.settings import DEFAULT, config


def digits(key: str) -> str:
    """The last part of ids of the subject with this key."""
    return xxhash.xxh3_64_hexdigest(key.encode())


def point(subject: str, value: float, t: float, metric: str = "clarity", **more: Any) -> dict[str, Any]:
    """A point as a mapping."""
    return {"subject": subject, "metric": metric, "value": value, "ts": ms(t), **more}


def test_an_id_is_partition_offset_index_number_and_key() -> None:
    """`partition-offset-index-n-k`, k the 16 hex digits of XXH3-64 of the key."""
    subject = next(f"s{n}" for n in range(100) if partition_for(f"default/s{n}".encode(), 8) == 5)
    log = Both(partition=5, partitions=8)
    log.ticks((98, 99))
    (out,) = log.point("clarity", 0.8, 100, subject=subject)
    assert out.id == f"5-2-0-0-{digits(f'default/{subject}')}"
    assert len(out.id.rpartition("-")[2]) == 16
    assert out.key == f"default/{subject}".encode()


def test_n_counts_a_subjects_outputs_of_one_record_and_index() -> None:
    """Several outputs of one point are numbered through; the next item of the array begins at 0 again."""
    log = Both()
    log.point("clarity", 0.8, 100)
    outs = log.send([point("alpha", 0.8, 170), point("alpha", 0.8, 170), point("alpha", 0.8, 250)], at=250)
    assert [out.id.split("-")[1:4] for out in outs] == [
        ["1", "0", "0"],
        ["1", "0", "1"],
        ["1", "0", "2"],
        ["1", "0", "3"],
        ["1", "1", "0"],
        ["1", "2", "0"],
        ["1", "2", "1"],
        ["1", "2", "2"],
        ["1", "2", "3"],
    ]
    assert [out.topic for out in outs] == ["slo.windows"] * 2 + ["slo.status"] * 3 + ["slo.windows"] * 2 + ["slo.status"] * 2


def test_a_record_is_applied_to_its_subjects_in_the_order_of_their_keys_bytes() -> None:
    """Whatever their order in the array: a–z before Cyrillic, `default/…` before `t2/…`; indices tell where they stood."""
    log = Both()
    points = [point("я", 0.8, 100), point("beta", 0.8, 100), point("alpha", 0.8, 100, tenant="t2"), point("Zeta", 0.8, 100)]
    outs = log.send(points, at=100)
    assert [out.key.decode() for out in outs] == ["default/Zeta", "default/beta", "default/я", "t2/alpha"]
    assert [out.id.split("-")[2] for out in outs] == ["3", "1", "0", "2"]


def test_a_tick_is_applied_to_its_subjects_in_the_order_of_their_keys_bytes() -> None:
    """The same holds for ticks, whichever subject came first."""
    log = Both()
    for subject in ("я", "beta", "Zeta", "alpha"):
        log.point("clarity", 0.8, 100, subject=subject)
    log.ticks(range(101, 131))
    outs = log.tick(131)
    assert [out.key.decode() for out in outs if out.topic == "slo.status"] == [f"default/{s}" for s in ("Zeta", "alpha", "beta", "я")]
    assert next(out.id for out in outs if out.topic == "slo.status") == f"0-34-0-2-{digits('default/Zeta')}"


def test_dead_letters_stand_before_the_other_outputs_of_their_subject() -> None:
    """In a record: by subject; of each its dead letters, in the order of the array, then the rest."""
    log = Both()
    outs = log.send(
        [
            point("beta", 0.8, 100),
            point("alpha", 0.8, 100),
            point("alpha", 5, 100),
            "nonsense",
            point("beta", 7, 100),
            point("alpha", 0.8, 100, source="/"),
        ],
        at=100,
    )
    assert [(out.key.decode(), out.topic, out.id.rsplit("-", 3)[1]) for out in outs] == [
        ("", "dead-letters", "3"),
        ("default/alpha", "dead-letters", "2"),
        ("default/alpha", "dead-letters", "5"),
        ("default/alpha", "slo.status", "1"),
        ("default/beta", "dead-letters", "4"),
        ("default/beta", "slo.status", "0"),
    ]
    assert outs[0].id == "0-0-3-0-dead"


def test_the_refused_count_in_the_order_of_the_array() -> None:
    """Their letters stand first, but what they do to the verdicts happens where they stood."""
    good = point("alpha", 0.8, 100)
    log = Both()
    assert said(log.send([good, good, point("alpha", 5, 100)], at=100)) == [(100, "UNKNOWN sparse"), (100, "OK")]
    log = Both()
    assert said(log.send([good, point("alpha", 5, 100), good], at=100)) == [(100, "UNKNOWN sparse"), (100, "UNKNOWN impossible")]


def test_replays_keep_the_original_positions() -> None:
    """The header `origin` gives ids and evidence the partition and offset at which the record stood first."""
    log = Both()
    log.send(point("alpha", 0.8, 100), at=100, origin="7-1000")
    outs = log.send([point("alpha", 0.8, 101), point("alpha", 5, 101)], at=101, origin="7-1003")
    assert [out.id for out in outs] == ["7-1003-1-0-dead", f"7-1003-0-0-{digits('default/alpha')}"]
    dead, status = (out.value for out in outs)
    assert (dead["partition"], dead["offset"]) == (7, 1003)
    evidence = status["evidence"]
    assert (evidence["partition"], evidence["first_offset"], evidence["last_offset"]) == (7, 1000, 1003)
    for t in range(102, 131):
        log.tick(t, origin=f"7-{1000 + t}")
    log.tick(131, origin="7-1131")
    outs = log.tick(132, origin="7-1132")
    assert {out.id.rsplit("-", 2)[0] for out in outs} == {"7-1132-0"}


@pytest.mark.parametrize("origin", ["", "bogus", "7", "7-", "-7", "7-1-2", "+7-1", "7- 1", "7-1\n", "٧-١", "7-" + "9" * 5_000])
def test_an_origin_that_is_no_position_is_none(origin: str) -> None:
    """Any producer can write that header, and must not end the worker of a partition by it."""
    log = Both()
    (status,) = log.send([point("alpha", 0.8, 100), point("alpha", 5, 100)], at=100, origin=origin)[1:]
    assert status.id == f"0-0-0-0-{digits('default/alpha')}"
    log.tick(101, origin=origin)
    assert log.engine.position == 1


def test_ids_of_one_log_are_unique() -> None:
    """Arrays of several subjects with refused items, gaps and ticks: no id twice."""
    log = Both(config(time={"max_age": "7d"}))
    for t in range(100, 160, 2):
        names = ["alpha", "beta", "я"]
        items: list[Any] = [point(name, (t % 11) / 10, t - (t % 3), m) for name in names for m in ("clarity", "trust", "mood")]
        log.send([*items, "x", point("alpha", 9, t)], at=t)
        log.tick(t)
    log.ticks(range(160, 200))
    ids = [out.id for out in log.outs]
    assert len(ids) > 300
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("kind", ["tick", "points", "config"])
def test_records_move_the_position(kind: str) -> None:
    """The engine knows how far it has read, whatever it read."""
    log = Both(DEFAULT)
    match kind:
        case "tick":
            log.tick(5)
        case "points":
            log.send(b"nonsense", at=5)
        case _:
            log.configure(config())
    assert log.engine.position == 0
