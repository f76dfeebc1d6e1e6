"""What a log gives for certain once retention has cut its beginning."""

from __future__ import annotations

import pytest
from xxhash import xxh3_64_hexdigest

from iskra.verification.cut import Cut, Start, cause, place
from iskra.verification.recompute import Recomputation
from processors.engine import Record
from schemas.config import Config, config_hash
from tests.processors.settings import config

START_MS = 1_762_000_000_000
EXPIRE_AFTER = 20
CUT = 100
CONFIG = config(time={"expire_after": EXPIRE_AFTER}, subjects=[])
OTHER = config(time={"expire_after": EXPIRE_AFTER, "idle_after": 5}, subjects=[])
BODIES: dict[str, Config] = {config_hash(body): body for body in (CONFIG, OTHER)}


def log(*, change_at: int | None = None) -> list[Record]:
    """A tick and points in each second: `old` is there from the beginning, `new` comes long after the cut, `soon` just after it."""
    records: list[Record] = []
    for second in range(120):
        time_ms = START_MS + second * 1_000
        subjects = ["old", *(["soon"] if second > 52 else []), *(["new"] if second > 80 else [])]
        value = 0.3 if second // 9 % 2 else 0.8
        points = b",".join(b'{"subject":"%b","metric":"clarity","value":%.1f,"ts":%d}' % (s.encode(), value, time_ms) for s in subjects)
        records.append(Record(len(records), time_ms, b"[" + points + b"]"))
        if second == change_at:
            records.append(Record(len(records), time_ms, config_hash(OTHER).encode(), "config"))
        records.append(Record(len(records), time_ms + 1_000, b"", "tick"))
    return records


def recompute(records: list[Record], start: Start) -> tuple[Cut, dict[str, bytes]]:
    """What is certain, and the outputs: id → subject's key."""
    run = Recomputation("t", 0, 1, BODIES, start)
    return run.cut, {output.id: output.key for _, outputs, _ in run.outputs(records[start.offset :]) for output in outputs}


def test_of_a_whole_log_all_is_certain() -> None:
    """Whatever an id tells."""
    records = log()
    cut, said = recompute(records, Start(0, config_hash(CONFIG), known=True))
    assert all(cut.sure(identity, len(records)) for identity in (*said, "", "0-5-0-0-aa"))
    assert cut.sure_of(b"default/old")
    assert not any(map(cut.gone, said))


def test_who_began_in_the_kept_log_for_certain_is_compared_in_full() -> None:
    """Whoever is first heard of once those of before the cut would be forgotten; and what is certain of it is right."""
    records = log()
    whole = recompute(records, Start(0, config_hash(CONFIG), known=True))[1]
    cut, said = recompute(records, Start(CUT, config_hash(CONFIG), known=True))
    certain = {identity for identity in whole.keys() | said.keys() if cut.sure(identity, len(records))}
    assert certain == {identity for identity, key in whole.items() if key == b"default/new"}
    assert certain <= said.keys()
    assert {key for key in (b"default/old", b"default/soon", b"default/new") if cut.sure_of(key)} == {b"default/new"}
    assert {identity for identity in whole if cut.gone(identity)} == {one for one in whole if (cause(one) or 0) < CUT}


@pytest.mark.parametrize(
    ("identity", "told"),
    [
        ("3-88417-0-0-b16473ec85fa7cb5", (3, 88417)),
        ("0-5-0-0-dead", (0, 5)),
        ("0-T1762435136-0-0-aa", None),
        ("0-5-0-0-aa-sent", None),
        ("\u00b2-5-0-0-aa", None),
        ("0-\u0665-0-0-aa", None),
        (f"0-{'9' * 5_000}-0-0-aa", None),
        ("", None),
    ],
)
def test_an_id_tells_a_place_or_is_none(identity: str, told: tuple[int, int] | None) -> None:
    """Whatever text a foreign record has in place of it."""
    assert place(identity) == told


def test_what_nothing_in_the_log_can_have_caused_is_told_of_a_cut_log_too() -> None:
    """An id of an offset that the log has not reached, and what is no id."""
    records = log()
    cut, _ = recompute(records, Start(CUT, config_hash(CONFIG), known=True))
    old = xxh3_64_hexdigest(b"default/old")
    assert [cut.sure(identity, len(records)) for identity in (f"0-{len(records)}-0-0-{old}", f"0-{CUT}-0-0-{old}", "")] == [
        True,
        False,
        True,
    ]


@pytest.mark.parametrize("change_at", [None, 70, 119])
def test_until_the_first_marker_nobody_knows_by_what_was_judged(change_at: int | None) -> None:
    """The kept log's first marker may be a change, and what was before it is lost."""
    records = log(change_at=change_at)
    cut, _ = recompute(records, Start(CUT, config_hash(OTHER), known=False))
    assert cut.sure_of(b"default/new") == (change_at == 70)
