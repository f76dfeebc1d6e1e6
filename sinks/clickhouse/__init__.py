"""Kafka → ClickHouse, exactly once: points, windows, statuses and dead letters of a namespace into its database.

How a crash neither loses nor doubles a row:

1. A *round* is a set of offset ranges, one a topic partition. It is written to `sink_offsets` **before** its rows.
2. Its rows are inserted, one block a table, with a deduplication token made from the round's number.
3. Only then is the next round written. So at most the last round can be unfinished, and whoever takes over reads the
   same ranges again, makes the same blocks, and inserts them under the same tokens: what was there stays single.

Two sinks never write side by side: rounds are numbered, and a round's number is the token of its insert, so that of
two sinks which both write round n exactly one does. The other reads that it lost, and stands by until the winner has
been silent for a lease (`ledger`). A sink that was stopped for long and comes back finds its number taken.

The second wall: tables are ReplacingMergeTree, keyed by where a row stands in the log (points) or by its id (outputs),
and people read views that look at one row of each.
"""
