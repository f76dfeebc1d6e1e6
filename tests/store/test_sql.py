"""The small lexer: where data begins, which query a KILL means, what a reader may not say."""

from __future__ import annotations

import pytest

from iskra.store.sql import Insert, Refused, check_reader, killed_query, output_format, split_insert


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("INSERT INTO t FORMAT CSV\n1,2", Insert("INSERT INTO t", "CSV", 25)),
        ("insert into t (a, `FORMAT x`) format Native\r\n\x01", Insert("insert into t (a, `FORMAT x`)", "Native", 45)),
        (
            "/* x */ INSERT INTO t SETTINGS a = 'FORMAT CSV' FORMAT TSV ;\n",
            Insert("/* x */ INSERT INTO t SETTINGS a = 'FORMAT CSV'", "TSV", 61),
        ),
        ("INSERT INTO t VALUES (1) FORMAT CSV", None),
        ("INSERT INTO t SELECT 1 FORMAT Null", None),
        ("INSERT INTO t", None),
        ("SELECT 1 FORMAT CSV", None),
        ("", None),
    ],
)
def test_an_insert_is_taken_apart(text: str, found: Insert | None) -> None:
    """FORMAT outside of quotes and parentheses ends the statement; VALUES and SELECT bring no data along."""
    assert split_insert(text) == found


def test_the_output_format_is_that_of_the_last_clause() -> None:
    """`FORMAT X` at the end, else the default."""
    assert output_format("SELECT 1 FORMAT JSON;", "TSV") == "JSON"
    assert output_format("SELECT 'FORMAT JSON' ", "TSV") == "TSV"


def test_a_kill_names_its_query() -> None:
    """One id by equality is ours; other conditions are the engine's."""
    assert killed_query(" kill query where query_id='a-b' SYNC") == "a-b"
    assert killed_query("KILL QUERY WHERE user = 'x'") is None


REFUSED = frozenset({"file", "url"})


@pytest.mark.parametrize(
    "sql", ["SELECT 1", "(SELECT 1)", "WITH x AS (SELECT 1) SELECT * FROM x", "-- c\nSHOW TABLES", "SELECT `file`, 'file(' FROM t"]
)
def test_reading_passes(sql: str) -> None:
    """Statements that only read pass."""
    check_reader(sql, REFUSED)


@pytest.mark.parametrize(
    "sql", ["SELECT FILE\n('x')", "SELECT `url` ('x')", 'SELECT "f\\x69le"(1)', "SELECT ‘x’", "SELECT $a$ $a$", "SELECT 'x", "SELECT \0"]
)
def test_what_could_hide_a_call_is_refused(sql: str) -> None:
    """Calls in any spelling, and whatever this lexer might read otherwise than the engine's."""
    with pytest.raises(Refused):
        check_reader(sql, REFUSED)
