"""What was seen is dropped, exactly, whatever workers wrote twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from iskra.client.seen import SeenByKey, SeenByPosition

outputs_of_records = st.lists(st.integers(0, 4), min_size=1, max_size=30)
"""How many outputs each input record causes."""


def ids(counts: list[int]) -> list[str]:
    return [f"0-{offset}-0-{n}-k" for offset, count in enumerate(counts) for n in range(count)]


@given(outputs_of_records, st.data())
def test_workers_that_begin_again_are_deduplicated_exactly(counts: list[int], data: st.DataObject) -> None:
    """Runs that each begin where all before is acknowledged, and end anywhere, come out as one run: nothing lost or doubled."""
    all_ids = ids(counts)
    log: list[str] = []
    written = 0
    while written < len(all_ids):
        begin = data.draw(st.integers(0, written))
        end = data.draw(st.integers(begin, len(all_ids)) if written < len(all_ids) - 1 else st.just(len(all_ids)))
        log += all_ids[begin:end]
        written = max(written, end)
    seen = SeenByPosition()
    assert [output for output in log if not seen.seen("slo.status", 0, output)] == all_ids


def test_a_paused_worker_that_writes_on_is_no_trouble() -> None:
    """Two writers interleaved, each in its own order from an acknowledged place: each id once."""
    all_ids = ids([1] * 100)
    zombie, successor = all_ids[:60], all_ids[30:]
    log = zombie[:50] + successor[:10] + zombie[50:] + successor[10:]
    seen = SeenByPosition()
    assert [output for output in log if not seen.seen("slo.status", 0, output)] == all_ids


def test_topics_partitions_and_originals_are_told_apart() -> None:
    """A replay into one partition of what came from two keeps a mark for each original."""
    seen = SeenByPosition()
    assert not seen.seen("slo.status", 0, "0-9-0-0-k")
    assert not seen.seen("slo.windows", 0, "0-3-0-0-k")
    assert not seen.seen("slo.status", 1, "0-3-0-0-k")
    assert not seen.seen("slo.status", 0, "1-3-0-0-k")
    assert seen.seen("slo.status", 0, "0-3-0-0-k")


def test_current_may_go_back_but_says_nothing_twice() -> None:
    """On the compacted topic an older status of a key that is written again counts; the same one again does not."""
    seen = SeenByKey(max_keys=2)
    assert [seen.seen(b"a", i) for i in ("5", "5", "4", "4")] == [False, True, False, True]
    assert not seen.seen(b"a", None)
    assert not seen.seen(b"a", "4")
    seen.seen(b"b", "1")
    seen.seen(b"c", "1")
    assert not seen.seen(b"a", "4"), "forgotten: only two keys are remembered"
