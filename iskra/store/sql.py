"""What the endpoint must know of a statement before the engine sees it: a small lexer and four questions.

The engine parses SQL itself; this is only about where an INSERT's data begins, which output format a reader will get,
which query a KILL means, and what a read-only role may not reach: in the embedded engine `file()`, `url()` and the
database `default` (an overlay over the file system) are open to whoever may SELECT.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_TOKEN = re.compile(
    r"""
    (?P<space>\s+|--[^\n]*|\#[\ !][^\n]*|/\*.*?\*/)
  | (?P<string>'(?:[^'\\]|\\.|'')*')
  | (?P<quoted>`(?:[^`\\]|\\.|``)*`|"(?:[^"\\]|\\.|"")*")
  | (?P<word>[A-Za-z_][A-Za-z0-9_$]*)
  | (?P<number>[0-9][A-Za-z0-9_.]*)
  | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_KILL = re.compile(r"\s*KILL\s+QUERY\s+WHERE\s+query_id\s*=\s*'([^'\\]+)'\s*(?:SYNC|ASYNC)?\s*(?:FORMAT\s+\w+\s*)?;?\s*\Z", re.IGNORECASE)
_TAIL_FORMAT = re.compile(r"\bFORMAT\s+([A-Za-z0-9]+)\s*;?\s*\Z", re.IGNORECASE)
_IDENTIFIER_PARAMETER = re.compile(r"\{\s*\w+\s*:\s*Identifier\s*\}", re.IGNORECASE)

SAFE_TABLE_FUNCTIONS = frozenset(
    {"format", "generateseries", "generate_series", "null", "numbers", "numbers_mt", "values", "view", "zeros", "zeros_mt", "primes"}
)
"""Table functions that reach nothing outside the engine's own tables."""

REACHING_FUNCTIONS = frozenset(
    {"file", "aiclassify", "aiembed", "aiextract", "aifilter", "aigenerate", "airedact", "aisimilarity", "aitranslate", "catboostevaluate"}
)
"""Ordinary functions that read files or call out."""

_READING = frozenset({"select", "with", "show", "describe", "desc", "explain", "exists", "("})


class Token(NamedTuple):
    kind: str
    text: str
    end: int


class Insert(NamedTuple):
    """An INSERT that brings its data along: the statement without FORMAT, the format's name, where the data begins."""

    statement: str
    format: str
    data_at: int


class Refused(Exception):
    """A statement that a read-only role may not run; the text says which part of it."""


def tokens(sql: str) -> Iterator[Token]:
    """Words, strings, quoted names and single characters, without space and comments."""
    for match in _TOKEN.finditer(sql):
        kind = match.lastgroup or "other"
        if kind != "space":
            yield Token(kind, match.group(), match.end())


def split_insert(text: str) -> Insert | None:
    """Takes an INSERT … FORMAT X apart; None for every other statement (INSERT … VALUES and … SELECT too).

    Args:
        text: the statement, maybe with data behind it, decoded so that one character is one byte.
    """
    if text[:64].lstrip()[:6].upper() != "INSERT" and not text.lstrip().startswith(("/*", "--")):
        return None
    stream = tokens(text)
    first = next(stream, None)
    if first is None or first.text.upper() != "INSERT":
        return None
    depth = 0
    before = first.end
    for token in stream:
        if token.kind == "other":
            depth += (token.text == "(") - (token.text == ")")
        elif token.kind == "word" and depth == 0:
            word = token.text.upper()
            if word in {"VALUES", "SELECT", "WITH", "WATCH"}:
                return None
            if word == "FORMAT":
                name = next(stream, None)
                if name is None or name.kind != "word":
                    return None
                return Insert(text[:before], name.text, _data_start(text, name.end))
        before = token.end
    return None


def _data_start(text: str, at: int) -> int:
    """Behind the format's name stand spaces, perhaps a semicolon, and at most one end of line; then the data."""
    while at < len(text) and text[at] in " \t;":
        at += 1
    if text[at : at + 2] == "\r\n":
        return at + 2
    return at + 1 if text[at : at + 1] == "\n" else at


def output_format(sql: str, default: str) -> str:
    """The format in which the answer comes: that of the trailing FORMAT clause, else `default`."""
    match = _TAIL_FORMAT.search(sql[-200:])
    return match[1] if match else default


def killed_query(sql: str) -> str | None:
    """The id that `KILL QUERY WHERE query_id = '…'` names; None for any other statement."""
    match = _KILL.match(sql)
    return match[1] if match else None


def check_reader(sql: str, refused_functions: frozenset[str]) -> None:
    """Whether a read-only role may run the statement (besides the engine's own `readonly = 2`).

    Args:
        refused_functions: names in lower case that may not be called.
    Raises:
        Refused: with what it is that may not be done.
    """
    if "\0" in sql or _IDENTIFIER_PARAMETER.search(sql):
        raise Refused("parameters of type Identifier are refused to read-only users")
    previous: Token | None = None
    seen: list[str] = []
    for token in tokens(sql):
        if not seen and token.text.lower() not in _READING:
            raise Refused(f"{token.text[:40]}: read-only users may only SELECT, SHOW, DESCRIBE, EXPLAIN and EXISTS")
        seen = seen or [token.text]
        if token.kind == "other" and (not token.text.isascii() or token.text in "$#'\"`"):
            # what this lexer reads otherwise than the engine's (typographic quotes, heredocs) could hide a call
            raise Refused(f"{token.text} outside of quotes")
        if previous is not None and previous.kind in {"word", "quoted"}:
            name = _name(previous)
            if token.text == "(" and name.lower() in refused_functions:
                raise Refused(f"the function {name}, which reaches beyond the tables")
            if token.text == "." and name.lower() == "default":
                raise Refused("the database default, which reaches the file system")
            if name.lower() == "into" and token.text.lower() == "outfile":
                raise Refused("INTO OUTFILE")
        previous = token


def _name(token: Token) -> str:
    if token.kind == "word":
        return token.text
    if "\\" in token.text:
        raise Refused(f"an escape in the name {token.text[:40]}")
    return token.text[1:-1]
