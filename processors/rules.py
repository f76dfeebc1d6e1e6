"""Rules: conditions over vitals and signals, read once, checked, and compiled to Python.

A rule's text is parsed by Python's own parser and every node is checked against a short list of what is allowed; the
comparisons become *terms*, shared by all rules of a configuration, and the rest becomes a function of the terms' truth
that can name nothing else. Truth is Kleene's: 0 no, 1 unknown, 2 yes; so `and` is the least, `or` the greatest.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable
from itertools import pairwise, product
from typing import Final, cast

from processors.catalogue import Catalogue
from processors.numbers import to_int
from schemas.durations import parse_duration

MAX_LENGTH: Final = 1_000
"""Characters of a rule."""
MAX_DEPTH: Final = 32
"""Nesting of a rule."""
MAX_TRIES: Final = 4_096
"""Combinations of values that are tried to find a condition that is constant."""

# one by one: as final numbers they stand in the compiled code
NO: Final = 0
UNKNOWN: Final = 1
YES: Final = 2

GT: Final = 0
GE: Final = 1
LT: Final = 2
LE: Final = 3
EQ: Final = 4
NE: Final = 5
IS: Final = 6
_OPERATORS: dict[type[ast.cmpop], int] = {ast.Gt: GT, ast.GtE: GE, ast.Lt: LT, ast.LtE: LE, ast.Eq: EQ, ast.NotEq: NE}
_SIGNS = (">", ">=", "<", "<=", "==", "!=")
_MIRRORED = (LT, LE, GT, GE, EQ, NE)


class RuleError(ValueError):
    """A rule that is refused; `line` and `column` (from 1) say where in its text."""

    def __init__(self, reason: str, line: int = 1, column: int = 1) -> None:
        super().__init__(f"line {line}, column {column}: {reason}")
        self.reason = reason
        self.line = line
        self.column = column


class Term:
    """A comparison of a signal with a number, or a yes-or-no signal itself; `rules` is the mask of the rules that use it."""

    __slots__ = ("limit", "limit_int", "operator", "rules", "signal", "text")

    def __init__(self, text: str, signal: int, operator: int, limit: float) -> None:
        self.text = text
        self.signal = signal
        self.operator = operator
        self.limit = limit
        self.limit_int = to_int(limit)
        self.rules = 0

    def holds(self, value: float) -> int:
        """Truth for a known value of the signal."""
        operator = self.operator
        limit = self.limit
        if operator == GT:
            held = value > limit
        elif operator == GE:
            held = value >= limit
        elif operator == LT:
            held = value < limit
        elif operator == LE:
            held = value <= limit
        elif operator == EQ:
            held = value == limit
        elif operator == NE:
            held = value != limit
        else:
            held = value != 0
        return YES if held else NO

    def holds_mean(self, count: int, total: int) -> int:
        """Truth for the exact mean total ÷ count of a vital; count > 0."""
        operator = self.operator
        limit = self.limit_int * count
        if operator == GT:
            held = total > limit
        elif operator == GE:
            held = total >= limit
        elif operator == LT:
            held = total < limit
        elif operator == LE:
            held = total <= limit
        elif operator == EQ:
            held = total == limit
        else:
            held = total != limit
        return YES if held else NO


class Node:
    """A rule as a tree, for what is told of it: `kind` is `term`, `and`, `or` or `not`."""

    __slots__ = ("kind", "parts", "term")

    def __init__(self, kind: str, term: int, parts: list[Node]) -> None:
        self.kind = kind
        self.term = term
        self.parts = parts


class Rule:
    """A compiled rule: `evaluate` gives its truth from the terms' truths."""

    __slots__ = ("evaluate", "terms", "text", "tree")

    def __init__(self, text: str, tree: Node, terms: list[int], evaluate: Callable[[bytearray], int]) -> None:
        self.text = text
        self.tree = tree
        self.terms = terms
        self.evaluate = evaluate


class RuleBook:
    """All rules of a configuration and the terms they share."""

    __slots__ = ("_known", "_places", "by_signal", "catalogue", "rules", "terms")

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.terms: list[Term] = []
        self.rules: list[Rule] = []
        self.by_signal: list[list[int]] = [[] for _ in catalogue.names]
        self._known: dict[str, int] = {}
        self._places: dict[tuple[int, int, float], int] = {}

    def add(self, text: str) -> int:
        """Compiles a rule; the same text gives the same rule.

        Returns:
            Its number, as `Facts` knows it.
        Raises:
            RuleError: it does not parse, names an unknown signal, compares yes or no with a number, or is constant.
        """
        if text in self._known:
            return self._known[text]
        body = _parse(text)
        tree = _Reader(self, text).read(body, 0)
        terms: list[int] = []
        source = _source(tree, terms)
        evaluate = cast(Callable[[bytearray], int], eval(f"lambda t: {source}", {"__builtins__": {}, "min": min, "max": max}))  # noqa: S307 - built from checked nodes alone
        if self._is_constant(terms, evaluate):
            raise RuleError("a constant condition: it never holds, or always")
        number = len(self.rules)
        self.rules.append(Rule(" ".join(text.split()), tree, terms, evaluate))
        for term in terms:
            self.terms[term].rules |= 1 << number
        self._known[text] = number
        return number

    def _is_constant(self, terms: list[int], evaluate: Callable[[bytearray], int]) -> bool:
        """Whether a rule has one truth for all known values: tried on, between and beyond the limits of each signal."""
        by_signal: dict[int, list[int]] = {}
        for term in terms:
            by_signal.setdefault(self.terms[term].signal, []).append(term)
        choices: list[list[list[tuple[int, int]]]] = []
        tries = 1
        for numbers in by_signal.values():
            limits = sorted({self.terms[number].limit for number in numbers})
            values = limits + [(a + b) / 2 for a, b in pairwise(limits)] + [limits[0] - 1, limits[-1] + 1]
            choices.append([[(number, self.terms[number].holds(value)) for number in numbers] for value in values])
            tries *= len(values)
        if tries > MAX_TRIES:
            return False
        truths = bytearray([UNKNOWN]) * len(self.terms)
        seen = set()
        for assignment in product(*choices):
            for pairs in assignment:
                for number, truth in pairs:
                    truths[number] = truth
            seen.add(evaluate(truths))
        return len(seen) == 1

    def text(self, rule: int) -> str:
        """The rule's text on one line."""
        return self.rules[rule].text

    def term(self, signal: int, operator: int, limit: float) -> int:
        """The number of a term, new if need be."""
        key = (signal, operator, limit)
        if key not in self._places:
            name = self.catalogue.names[signal]
            text = name if operator == IS else f"{name} {_SIGNS[operator]} {limit:g}"
            self._places[key] = len(self.terms)
            self.by_signal[signal].append(len(self.terms))
            self.terms.append(Term(text, signal, operator, limit))
        return self._places[key]


def _parse(text: str) -> ast.expr:
    if len(text) > MAX_LENGTH:
        raise RuleError(f"expected at most {MAX_LENGTH} characters")
    if not text.strip():
        raise RuleError("expected a condition")
    comment = text.find("#")
    if comment >= 0:
        raise _error_at(text, comment, "a comment has no place in a rule")
    # on one line, so that a rule may be written on several; positions stay
    flat = re.sub(r"\s", " ", text)
    blank = len(flat) - len(flat.lstrip())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(flat[blank:], mode="eval").body
    except SyntaxError as error:
        raise _error_at(text, blank + max(0, (error.offset or 1) - 1), error.msg) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise RuleError(str(error) or "too deep") from None


def _error_at(text: str, place: int, reason: str) -> RuleError:
    """An error at a place (from 0) of the text."""
    before = text[: min(place, len(text))]
    return RuleError(reason, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)


class _Reader:
    """Turns checked syntax into nodes and terms."""

    def __init__(self, book: RuleBook, text: str) -> None:
        self._book = book
        self._text = text

    def read(self, node: ast.expr, depth: int) -> Node:
        """A condition.

        Raises:
            RuleError: what is wrong with it.
        """
        if depth > MAX_DEPTH:
            raise self._error(node, f"nested deeper than {MAX_DEPTH}")
        if isinstance(node, ast.BoolOp):
            kind = "and" if isinstance(node.op, ast.And) else "or"
            return Node(kind, -1, [self.read(part, depth + 1) for part in node.values])
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return Node("not", -1, [self.read(node.operand, depth + 1)])
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            parts = [self._compare(sides[i], operator, sides[i + 1]) for i, operator in enumerate(node.ops)]
            return parts[0] if len(parts) == 1 else Node("and", -1, parts)
        if isinstance(node, ast.Name):
            signal = self._signal(node)
            if not self._book.catalogue.yes_no[signal]:
                raise self._error(node, f"{node.id} is a number: expected a comparison")
            return Node("term", self._book.term(signal, IS, 0.0), [])
        if isinstance(node, ast.Constant):
            raise self._error(node, "a constant condition")
        raise self._error(node, "expected a signal, a comparison, and, or, not")

    def _compare(self, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> Node:
        op = _OPERATORS.get(type(operator))
        if op is None:
            raise self._error(left, "expected one of < <= > >= == !=")
        if isinstance(left, ast.Name) and isinstance(right, ast.Name):
            raise self._error(right, "expected a number: two signals are not compared")
        if isinstance(right, ast.Name):
            left, right, op = right, left, _MIRRORED[op]
        if not isinstance(left, ast.Name):
            raise self._error(left, "a constant condition: expected a signal on one side")
        signal = self._signal(left)
        catalogue = self._book.catalogue
        if catalogue.yes_no[signal]:
            raise self._error(left, f"{left.id} is true or false: it is not compared with a number")
        limit = self._number(right)
        if signal < catalogue.vitals:
            least, greatest = catalogue.limits[signal]
            always = {
                GT: limit < least,
                GE: limit <= least,
                LT: limit > greatest,
                LE: limit >= greatest,
                EQ: False,
                NE: not least <= limit <= greatest,
            }
            never = {
                GT: limit >= greatest,
                GE: limit > greatest,
                LT: limit <= least,
                LE: limit < least,
                EQ: not least <= limit <= greatest,
                NE: False,
            }
            if always[op] or never[op]:
                raise self._error(right, f"a constant condition: {left.id} lies within {least:g} to {greatest:g}")
        return Node("term", self._book.term(signal, op, limit), [])

    def _signal(self, node: ast.Name) -> int:
        signal = self._book.catalogue.places.get(node.id)
        if signal is None:
            raise self._error(node, f"{node.id}: no such signal")
        return signal

    def _number(self, node: ast.expr) -> float:
        sign = 1.0
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
            sign = -1.0 if isinstance(node.op, ast.USub) else 1.0
            node = node.operand
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
            if not abs(node.value) <= 1e15:
                raise self._error(node, "expected a number within ±10¹⁵")
            return sign * float(node.value)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "duration":
            arguments = node.args
            if len(arguments) == 1 and not node.keywords and isinstance(arguments[0], ast.Constant) and isinstance(arguments[0].value, str):
                try:
                    return sign * float(int(parse_duration(arguments[0].value)))
                except ValueError as error:
                    raise self._error(node, str(error)) from None
            raise self._error(node, 'expected duration("5m")')
        raise self._error(node, 'expected a number or duration("5m")')

    def _error(self, node: ast.expr, reason: str) -> RuleError:
        # the parser counts bytes, from the first character that is no blank
        parsed = self._text.lstrip()
        place = len(self._text) - len(parsed) + len(parsed.encode()[: node.col_offset].decode("utf-8", "ignore"))
        return _error_at(self._text, place, reason)


def truth_of(node: Node, truths: bytearray) -> int:
    """Truth of a node."""
    if node.kind == "term":
        return truths[node.term]
    parts = [truth_of(part, truths) for part in node.parts]
    if node.kind == "not":
        return 2 - parts[0]
    return min(parts) if node.kind == "and" else max(parts)


def _source(node: Node, terms: list[int]) -> str:
    """Python for the truth of a node; adds the terms that it uses."""
    if node.kind == "term":
        if node.term not in terms:
            terms.append(node.term)
        return f"t[{node.term}]"
    inner = [_source(part, terms) for part in node.parts]
    if node.kind == "not":
        return f"(2 - {inner[0]})"
    return f"{'min' if node.kind == 'and' else 'max'}({', '.join(inner)})"
