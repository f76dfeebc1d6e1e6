"""Who writes, and how far it is: the rounds of one lane in `sink_offsets`.

A round has a number; the number is the deduplication token of its insert, and of two inserts with one token only the
first counts. So writing round n+1 is a compare-and-swap: write, read back, and whoever does not find itself has lost.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import NamedTuple

from sinks.clickhouse import native
from sinks.clickhouse.errors import Lost
from sinks.clickhouse.store import Store

TABLE = """CREATE TABLE IF NOT EXISTS {database}.sink_offsets
(
    lane LowCardinality(String),
    topic String,
    partition Int32,
    round UInt64,
    first Int64,
    last Int64,
    sink String,
    open UInt8,
    at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(round)
ORDER BY (lane, topic, partition)
SETTINGS non_replicated_deduplication_window = 1000"""
"""Of a lane: one row without topic (its round, whose it is, when; `first` is the round that first wrote the ranges), and
one for each topic partition (its last range)."""


class Place(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


class Range(NamedTuple):
    """Offsets, both ends included."""

    first: int
    last: int


Ranges = Mapping[Place, Range]


class State(NamedTuple):
    """A lane as the table has it.

    `pending`: ranges of the last round, which may be inserted or not. `origin`: the round that first wrote them, which
    names their blocks. `positions`: the next offset of each place. `age`: seconds since the last sign of the holder, by
    the store's clock.
    """

    round: int
    origin: int
    sink: str
    open: bool
    age: float
    pending: dict[Place, Range]
    positions: dict[Place, int]


NOTHING = State(0, 0, "", False, 0.0, {}, {})


class Ledger:
    """The rounds of a lane, as one sink sees them; used by one thread.

    Args:
        me: name of the sink and a part that differs with each start, `NAME/EPOCH`.
    """

    def __init__(self, store: Store, database: str, lane: str, me: str, lease: float) -> None:
        self._store = store
        self._table = f"{database}.sink_offsets"
        self._lane = lane
        self._me = me
        self._lease = lease
        self._round = self._origin = 0
        self._lost_to = ""
        self.last_sign = time.monotonic()

    def state(self) -> State:
        """What stands in the table.

        Raises:
            StoreAway, Wiped: from the store.
        """
        rows = self._store.rows(
            "SELECT topic, partition, round, first, last, sink, open, toFloat64(now64(3)) - toFloat64(at) "  # noqa: S608 - names of ours
            f"FROM {self._table} FINAL WHERE lane = {{lane:String}}",
            lane=self._lane,
        )
        head = next((row for row in rows if row[0] == ""), None)
        if head is None:
            return NOTHING
        _, _, number, origin, _, sink, is_open, age = head
        spans = {Place(row[0], row[1]): (row[2], Range(row[3], row[4])) for row in rows if row[0] != ""}
        pending = {place: span for place, (written, span) in spans.items() if written == number}
        return State(number, origin, sink, bool(is_open), float(age), pending, {place: span.last + 1 for place, (_, span) in spans.items()})

    def claim(self) -> State | None:
        """Takes the lane if nobody holds it: its state, pending ranges to be inserted first; None: it is held.

        Raises:
            Lost: another was quicker. StoreAway, Wiped: from the store.
        """
        state = self.state()
        mine = state.sink.rpartition("/")[0] == self._me.rpartition("/")[0] and state.sink != self._lost_to
        if state.open and not mine and state.age < self._lease:
            return None
        self._round = state.round
        self._write(state.pending, is_open=True, origin=state.origin if state.pending else None)
        return state

    def token(self, table: str) -> str:
        """The deduplication token of the present round's block for a table: the same for whoever makes it again."""
        return f"{table}-{self._lane}-{self._origin}"

    def begin(self, ranges: Ranges) -> None:
        """Writes the next round. Everything of the one before must have been inserted.

        Raises:
            Lost: another sink has taken over. StoreAway, Wiped: from the store; the round is then in doubt: call again.
        """
        self._write(ranges, is_open=True)

    def hold(self, pending: Ranges) -> None:
        """Writes the round that is to be inserted once more, as a sign of life; its token stays.

        Raises:
            Lost, StoreAway, Wiped: as `begin`.
        """
        self._write(pending, is_open=True, origin=self._origin)

    def release(self) -> None:
        """Gives the lane back, so that another need not wait for the lease; the last round must have been inserted.

        Raises:
            Lost, StoreAway, Wiped: as `begin`.
        """
        self._write({}, is_open=False)

    def _write(self, ranges: Ranges, *, is_open: bool, origin: int | None = None) -> None:
        number = self._round + 1
        origin = origin if origin is not None else number
        rows = [(Place("", -1), Range(origin, origin)), *sorted(ranges.items())]
        count = len(rows)
        block = native.block(
            count,
            [
                native.texts("lane", [self._lane] * count),
                native.texts("topic", [place.topic for place, _ in rows]),
                native.numbers("partition", "Int32", [place.partition for place, _ in rows]),
                native.numbers("round", "UInt64", [number] * count),
                native.numbers("first", "Int64", [span.first for _, span in rows]),
                native.numbers("last", "Int64", [span.last for _, span in rows]),
                native.texts("sink", [self._me] * count),
                native.numbers("open", "UInt8", [int(is_open)] * count),
            ],
        )
        self._store.insert(f"{self._table} (lane, topic, partition, round, first, last, sink, open)", block, f"{self._lane}-{number}")
        found = self._store.rows(
            f"SELECT round, sink FROM {self._table} WHERE lane = {{lane:String}} AND topic = '' ORDER BY round DESC LIMIT 1",  # noqa: S608
            lane=self._lane,
        )
        if not found or tuple(found[0]) != (number, self._me):
            self._lost_to = found[0][1] if found else ""
            raise Lost(f"round {number} of {self._lane} is {self._lost_to or 'gone'}'s")
        self._round, self._origin = number, origin
        self.last_sign = time.monotonic()
