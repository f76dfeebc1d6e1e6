"""Rules: what is refused and where, Kleene's logic, no way out of the catalogue, and nothing unseen between two limits."""

from __future__ import annotations

import random
import warnings
from math import nan
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from iskra.config_files import load
from processors.catalogue import Catalogue
from processors.facts import Facts
from processors.rules import MAX_DEPTH, MAX_LENGTH, RuleBook, RuleError
from processors.watching import Watching
from schemas.points import VALUE_SCALE
from tests.processors.profiles import cases

CATALOGUE = Catalogue(load())
VITALS = CATALOGUE.names[: CATALOGUE.vitals]


def facts_for(*rules: str) -> tuple[Facts, list[int]]:
    """Facts of a subject of which nothing is known yet, and the rules' numbers."""
    book = RuleBook(CATALOGUE)
    numbers = [book.add(rule) for rule in rules]
    return Facts(book, Watching(book), (1 << len(book.rules)) - 1), numbers


def tell(facts: Facts, name: str, value: float | None) -> None:
    """Sets a vital or a signal."""
    place = CATALOGUE.places[name]
    if place >= CATALOGUE.vitals:
        facts.set_signal(place, nan if value is None else value)
    elif value is None:
        facts.set_vital(place, 0, 0)
    else:
        facts.set_vital(place, 10, 10 * round(value * VALUE_SCALE))


@pytest.mark.parametrize(
    ("text", "line", "column", "reason"),
    [
        ("chaos >", 1, 1, "invalid syntax"),
        ("", 1, 1, "expected a condition"),
        ("foo > 1", 1, 1, "foo: no such signal"),
        ("chaos > 0.5 and foo", 1, 17, "foo: no such signal"),
        ("chaos > 0.5 and\n  foo", 2, 3, "foo: no such signal"),
        ("  chaos > 0.5\n\n or  foo", 3, 6, "foo: no such signal"),
        ("chaos > 0.5 # and more", 1, 13, "a comment"),
        ("chaos", 1, 1, "chaos is a number"),
        ("stagnation > 1", 1, 1, "true or false"),
        ("chaos > trust", 1, 9, "two signals are not compared"),
        ("1 > 0", 1, 1, "a constant condition"),
        ("True", 1, 1, "a constant condition"),
        ("chaos > 1", 1, 9, "a constant condition"),
        ("chaos >= 0", 1, 10, "a constant condition"),
        ("stagnation or not stagnation", 1, 1, "a constant condition"),
        ("chaos > 0.6 and chaos < 0.5", 1, 1, "a constant condition"),
        ("chaos in (1, 2)", 1, 1, "expected one of"),
        ("chaos + 1 > 0.5", 1, 1, "a constant condition"),
        ("min(chaos, 1) > 0.5", 1, 1, "a constant condition"),
        ("chaos > 1e400", 1, 9, "expected a number within"),
        ("chaos > '1'", 1, 9, "expected a number"),
        ('stagnation_duration > duration("soon")', 1, 23, "expected a duration"),
        ("stagnation_duration > duration(5)", 1, 23, 'expected duration("5m")'),
        ("__import__('os').system('true')", 1, 1, "expected a signal"),
        ("chaos.__class__", 1, 1, "expected a signal"),
        ("(lambda: 1)()", 1, 1, "expected a signal"),
        ("[c for c in '1']", 1, 1, "expected a signal"),
        ("chaos > 0.5 \x00", 1, 1, ""),
        ("not " * (MAX_DEPTH + 2) + "stagnation", 1, None, "nested deeper"),
        ("(" * 300 + "chaos > 0.5" + ")" * 300, 1, None, ""),
        ("x" * (MAX_LENGTH + 1), 1, 1, "expected at most"),
    ],
)
def test_what_is_refused(text: str, line: int, column: int | None, reason: str) -> None:
    """Each refusal tells the line, the column, and what was expected."""
    with pytest.raises(RuleError) as caught:
        facts_for(text)
    assert reason in caught.value.reason
    assert caught.value.line == line
    assert column is None or caught.value.column == column


def test_a_rule_reads_its_terms_alone() -> None:
    """Terms tell text, truth and value; durations are ms; a chain of comparisons is their `and`."""
    facts, (rule,) = facts_for('0.1 < chaos <= 0.5 and stagnation_duration >= duration("5m") or not rigidity')
    assert [term.term for term in facts.terms(rule)] == ["chaos > 0.1", "chaos <= 0.5", "stagnation_duration >= 300000", "rigidity"]
    tell(facts, "chaos", 0.5)
    tell(facts, "stagnation_duration", 300_000.0)
    tell(facts, "rigidity", 1.0)
    facts.settle()
    assert facts.holds(rule) is True
    assert [(term.holds, term.value) for term in facts.terms(rule)] == [(True, 0.5), (True, 0.5), (True, 300_000.0), (True, 1.0)]


def test_a_mean_is_compared_exactly() -> None:
    """`mean > bound` is `sum > bound × count`: exactly on the bound is not beyond it."""
    facts, (rule,) = facts_for("chaos > 0.7")
    place = CATALOGUE.places["chaos"]
    for total, beyond in ((2_100_000_000, False), (2_100_000_001, True), (2_099_999_999, False)):
        facts.set_vital(place, 3, total)
        facts.settle()
        assert facts.holds(rule) is beyond


def test_how_far_beyond_and_how_near() -> None:
    """Of `and` the least, of `or` the greatest distance ÷ range; the nearest term that is missing, and by how much."""
    facts, (both, either, mixed) = facts_for("chaos > 0.6 and pain > 0.5", "chaos > 0.6 or pain > 0.5", "chaos > 0.6 and stagnation")
    tell(facts, "chaos", 0.75)
    tell(facts, "pain", 0.53)
    tell(facts, "stagnation", 1.0)
    facts.settle()
    assert facts.excess(both) == pytest.approx(0.1)  # pain: 0.03 of 0.3; chaos: 0.15 of 0.3
    assert facts.excess(either) == pytest.approx(0.5)
    assert facts.excess(mixed) == 0
    tell(facts, "chaos", 0.55)
    facts.settle()
    nearest = facts.shortfall(both)
    assert nearest is not None
    assert nearest[0] == "chaos > 0.6"
    assert nearest[1] == pytest.approx(0.05)


Tree = tuple[Any, ...]
SIGNALS = ("stagnation", "rigidity", "needs_organization", "system_threat")
terms = st.one_of(
    st.sampled_from(SIGNALS).map(lambda name: ("is", name)),
    st.tuples(st.just("than"), st.sampled_from(VITALS), st.sampled_from([">", "<", ">=", "<="]), st.sampled_from([0.2, 0.4, 0.5, 0.7])),
)
trees = st.recursive(
    terms,
    lambda inner: st.one_of(
        st.tuples(st.just("not"), inner),
        st.tuples(st.sampled_from(["and", "or"]), inner, inner),
        st.tuples(st.sampled_from(["and", "or"]), inner, inner, inner),
    ),
    max_leaves=6,
)
values = st.fixed_dictionaries(
    {name: st.sampled_from([None, 0.0, 1.0]) for name in SIGNALS}
    | {name: st.sampled_from([None, 0.1, 0.2, 0.3, 0.4, 0.45, 0.5, 0.6, 0.7, 0.9]) for name in VITALS}
)


def text_of(tree: Tree) -> str:
    """A tree as a rule's text."""
    if tree[0] == "is":
        return str(tree[1])
    if tree[0] == "than":
        return f"{tree[1]} {tree[2]} {tree[3]}"
    if tree[0] == "not":
        return f"not ({text_of(tree[1])})"
    return f" {tree[0]} ".join(f"({text_of(part)})" for part in tree[1:])


def truth(tree: Tree, known: dict[str, float | None]) -> bool | None:
    """Kleene's logic, literally."""
    if tree[0] in ("is", "than"):
        value = known[tree[1]]
        if value is None:
            return None
        if tree[0] == "is":
            return value != 0
        limit: float = tree[3]
        return {">": value > limit, "<": value < limit, ">=": value >= limit, "<=": value <= limit}[tree[2]]
    parts = [truth(part, known) for part in tree[1:]]
    if tree[0] == "not":
        return None if parts[0] is None else not parts[0]
    decisive: bool = tree[0] == "or"
    if decisive in parts:
        return decisive
    return None if None in parts else not decisive


@cases(300)
@hypothesis.given(st.lists(trees, min_size=1, max_size=4), st.lists(values, min_size=1, max_size=4))
def test_truth_is_kleenes(several: list[Tree], told: list[dict[str, float | None]]) -> None:
    """Whatever changes in whatever order, each rule's truth is that of the literal evaluation."""
    book = RuleBook(CATALOGUE)
    numbers = []
    for tree in several:
        try:
            numbers.append((book.add(text_of(tree)), tree))
        except RuleError as error:
            if "constant" not in error.reason:
                raise
    facts = Facts(book, Watching(book), (1 << len(book.rules)) - 1)
    for known in told:
        for name, value in known.items():
            tell(facts, name, value)
        facts.settle()
        for number, tree in numbers:
            assert facts.holds(number) is truth(tree, known)


@cases(150)
@hypothesis.given(st.lists(trees, min_size=1, max_size=4), values, st.integers(0, 2**20))
def test_between_the_limits_that_are_watched_nothing_comes_true(several: list[Tree], known: dict[str, float | None], seed: int) -> None:
    """While each vital stays in its band, whatever else they do, no rule that matters comes true or ceases to be."""
    book = RuleBook(CATALOGUE)
    numbers = []
    for tree in several:
        try:
            numbers.append((book.add(text_of(tree)), tree))
        except RuleError:
            continue
    facts = Facts(book, Watching(book), (1 << len(book.rules)) - 1)
    for name, value in known.items():
        tell(facts, name, value)
    facts.settle()
    dice = random.Random(seed)
    moved = dict(known)
    for _ in range(20):
        name = dice.choice(VITALS)
        if moved[name] is None:
            continue
        value = dice.choice([0.1, 0.2, 0.3, 0.4, 0.45, 0.5, 0.6, 0.7, 0.9])
        place = CATALOGUE.places[name]
        if facts.vitals[place].low <= round(value * VALUE_SCALE) <= facts.vitals[place].high:
            moved[name] = value
    for number, tree in numbers:
        assert (truth(tree, moved) is True) == (facts.holds(number) is True)


words = st.sampled_from(
    ["chaos", "trust", "stagnation", "and", "or", "not", "(", ")", "<", ">", "==", "0.5", "1e9", "duration", '"5m"', "if", "else", "lambda",
     "__class__", ".", "[", "]", ",", ":=", "*", "**", "9" * 30, "0x1f", "f'{chaos}'", "\n", "\\", "#", "é", "None", "await", "yield"]
)  # fmt: skip


@cases(400)
@hypothesis.given(st.one_of(st.lists(words, max_size=40).map(" ".join), st.text(max_size=200)))
def test_any_text_is_compiled_or_refused(text: str) -> None:
    """No exception but the compiler's own, no warning, and what compiles names nothing but signals."""
    book = RuleBook(CATALOGUE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            number = book.add(text)
        except RuleError:
            return
    rule = book.rules[number]
    code: Any = rule.evaluate.__code__
    assert set(code.co_names) <= {"min", "max"}
    assert rule.evaluate(bytearray([1]) * len(book.terms)) in (0, 1, 2)
