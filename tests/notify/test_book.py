"""The ledger of a partition: what is owed follows from its records alone, wherever reading begins again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas.events import EscalationEvent
from sinks.notify.book import Book, Record
from tests.notify.helpers import event, identity, record


def _owed(records: list[Record]) -> list[str]:
    """Ids of what is to be delivered after these records."""
    book = Book()
    for one in records:
        book.take(one)
    return [due.id for due in book.open if due.stopped is None]


def _end(offset: int, of: Record, state: str) -> Record:
    """The notifier's record about another one."""
    return record(offset, event(), f"{of.id}-{state}", ours=True)


def test_a_step_is_owed_until_the_ledger_has_its_end() -> None:
    """Sent, failed and cancelled settle it; another state does not."""
    due = record(0, event())
    assert _owed([due]) == [due.id]
    for state in ("sent", "failed", "cancelled"):
        assert _owed([due, _end(1, due, state)]) == []
    assert _owed([due, _end(1, due, "seen")]) == [due.id]


def test_a_step_that_is_written_again_counts_once() -> None:
    """A worker that starts again writes outputs again: before its end it is the same, after it nothing."""
    due, later = record(0, event("a1")), record(5, event("a2"))
    again = due._replace(offset=3)
    assert _owed([due, again]) == [due.id]
    assert _owed([due, _end(1, due, "sent"), again]) == []
    assert _owed([due, later, _end(6, due, "sent"), again._replace(offset=7), later._replace(offset=8)]) == [later.id]


def test_several_steps_of_one_record_are_several() -> None:
    """A tick makes steps of many subjects due; their ids share its position."""
    records = [record(0, event(f"a{n}"), identity(9, n)) for n in range(3)]
    assert _owed([*records, *records]) == [one.id for one in records]


def test_an_acknowledgement_stops_the_steps_before_it() -> None:
    """Of that alert alone; a step that becomes due after it is wanted; written again, it stops nothing new."""
    first, other, stop = record(0, event("a1")), record(1, event("a2")), record(2, event("a1", state="cancelled", reason="acknowledged"))
    second = record(3, event("a1", step=1))
    book = Book()
    for one in (first, other):
        book.take(one)
    (stopped,) = book.take(stop)
    assert (stopped.id, stopped.stopped) == (first.id, "cancelled: acknowledged")
    assert _owed([first, other, stop, second]) == [other.id, second.id]
    assert _owed([first, other, stop, second, stop._replace(offset=9), second._replace(offset=10)]) == [other.id, second.id]


def test_the_end_of_an_alert_stops_its_steps_and_is_told() -> None:
    """The resolve itself is owed, also after a cancelled record."""
    first, over = record(0, event("a1")), record(1, event("a1", kind="resolve"))
    assert _owed([first, over]) == [over.id]
    assert _owed([first, over, record(2, event("a1", state="cancelled"))]) == [over.id]


def test_what_cannot_be_read_is_counted() -> None:
    """Other bytes, and ids that are none, change nothing else."""
    book = Book()
    assert book.take(Record(0, 0, b"", 0, b"{", identity(0), False)) == []
    assert book.take(record(1, event(), "nonsense")) == []
    assert book.take(record(2, event())._replace(id="")) == []
    assert (book.unreadable, book.open, book.position) == (3, [], 3)


def test_the_position_stays_at_what_is_owed() -> None:
    """Committed is only what the ledger has."""
    first, second = record(0, event("a1")), record(1, event("a2"))
    book = Book()
    for one in (first, second):
        book.take(one)
    assert book.position == 0
    book.take(_end(2, second, "sent"))
    assert book.position == 0
    book.take(_end(3, first, "sent"))
    assert book.position == 4


ALERTS = st.sampled_from(["a", "b", "c"])
SAYINGS = st.lists(st.tuples(ALERTS, st.sampled_from(["due", "due", "due", "resolve", "cancelled"])), max_size=25)


@given(SAYINGS, st.data())
def test_any_crash_of_worker_and_notifier_owes_the_same(said: list[tuple[str, str]], data: st.DataObject) -> None:
    """A worker that begins again anywhere, and ends in the ledger at any place after what they end: each step is owed once or
    settled, and what an acknowledgement came after is not delivered."""
    events: list[tuple[str, EscalationEvent]] = []
    for position, (alert, what) in enumerate(said):
        told = event(alert, state="cancelled" if what == "cancelled" else "due", kind="resolve" if what == "resolve" else "trigger")
        events.append((identity(position), told))
    expected = [
        id_
        for position, (id_, told) in enumerate(events)
        if told.state == "due"
        and (
            told.kind == "resolve"
            or not any(
                later.alert_id == told.alert_id and (later.state == "cancelled" or later.kind == "resolve")
                for _, later in events[position + 1 :]
            )
        )
    ]
    log: list[Record] = []
    restart = data.draw(st.integers(0, len(events)), "the worker begins again after")
    begin = data.draw(st.integers(0, restart), "from")
    for id_, told in [*events[:restart], *events[begin:]]:
        log.append(record(len(log), told, id_))
    settled = data.draw(st.sets(st.sampled_from([id_ for id_, told in events if told.state == "due"] or ["none"])), "settled")
    for id_ in sorted(settled - {"none"}):
        after = next(n for n, one in enumerate(log) if one.id == id_)
        log.insert(data.draw(st.integers(after + 1, len(log)), "place"), record(0, event(), f"{id_}-sent", ours=True))
    log = [one._replace(offset=n) for n, one in enumerate(log)]
    assert sorted(_owed(log)) == sorted(set(expected) - settled)
