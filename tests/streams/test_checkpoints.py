"""When a checkpoint is due."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.checkpoints import BEHIND_FACTOR, is_due


def test_a_partition_that_is_behind_is_checkpointed_more_seldom() -> None:
    """At the log's end every 5 s; with more ahead than was read since the last one, every 15 s."""
    assert not is_due(4.9, 5.0, 0, 1000)
    assert is_due(5.0, 5.0, 0, 1000)
    assert is_due(5.0, 5.0, 1000, 1000)
    assert not is_due(5.0, 5.0, 1001, 1000)
    assert is_due(5.0 * BEHIND_FACTOR, 5.0, 1001, 1000)


@given(age=st.floats(0, 1e6), every=st.floats(0.1, 3600), ahead=st.integers(0, 10**9), since=st.integers(0, 10**9))
def test_a_restart_never_repeats_more_than_it_has_ahead(age: float, every: float, ahead: int, since: int) -> None:
    """What is put off beyond the interval is less than what there is to read, and nothing is put off beyond the factor."""
    if age >= every and not is_due(age, every, ahead, since):
        assert since < ahead
        assert age < every * BEHIND_FACTOR
