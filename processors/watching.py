"""Which comparisons of vitals have to be watched, so that no rule comes true, or ceases to be, unseen.

While one part of an `and` does not hold, the others cannot make it hold: it is enough to watch that one. So of a healthy
subject only few limits matter, and its points need no second look between them.
"""

from __future__ import annotations

from typing import Final

from processors.rules import NO, YES, Node, RuleBook, truth_of

MAX_KNOWN: Final = 4_096
"""So many answers are remembered; subjects in the same state share one."""


class Watching:
    """The limits (× 10⁹) to watch, by vital; remembered by the state of the terms."""

    __slots__ = ("_book", "_known")

    def __init__(self, book: RuleBook) -> None:
        self._book = book
        self._known: dict[tuple[bytes, int], list[list[int]]] = {}

    def limits(self, truths: bytearray, live: int) -> list[list[int]]:
        """The limits that matter while the terms stand as in `truths`; `live` is the mask of the rules that matter."""
        key = (bytes(truths), live)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            known = self._known[key] = self._find(truths, live)
        return known

    def _find(self, truths: bytearray, live: int) -> list[list[int]]:
        terms: set[int] = set()
        for number, rule in enumerate(self._book.rules):
            if live >> number & 1:
                self._watch(rule.tree, YES, truths, terms)
        limits: list[list[int]] = [[] for _ in range(self._book.catalogue.vitals)]
        for number in sorted(terms):
            term = self._book.terms[number]
            if term.signal < len(limits) and term.limit_int not in limits[term.signal]:
                limits[term.signal].append(term.limit_int)
        return limits

    def _watch(self, node: Node, goal: int, truths: bytearray, terms: set[int]) -> None:
        """Adds the terms by which it is noticed that a node comes to `goal` (YES or NO), or leaves it."""
        if node.kind == "term":
            terms.add(node.term)
            return
        if node.kind == "not":
            self._watch(node.parts[0], NO if goal == YES else YES, truths, terms)
            return
        # an `and` is YES, an `or` NO only if all parts are: then each is watched, else one that is not is enough; and the other way round
        needs_all = (node.kind == "and") == (goal == YES)
        deciding = [part for part in node.parts if (truth_of(part, truths) == goal) != needs_all]
        if deciding:
            self._watch(min(deciding, key=self._cost), goal, truths, terms)
        else:
            for part in node.parts:
                self._watch(part, goal, truths, terms)

    def _cost(self, node: Node) -> int:
        """How many comparisons of vitals a node has; to watch a signal costs nothing."""
        if node.kind == "term":
            return 1 if self._book.terms[node.term].signal < self._book.catalogue.vitals else 0
        return sum([self._cost(part) for part in node.parts])
