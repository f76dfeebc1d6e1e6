"""What the rules know of one subject: its vitals and signals, and the truth of every term and rule."""

from __future__ import annotations

from processors.numbers import UNBOUNDED
from processors.rules import EQ, GE, GT, LE, LT, NE, UNKNOWN, YES, Node, RuleBook
from schemas.events import TermValue
from schemas.points import VALUE_SCALE


class Facts:
    """Values by place in the catalogue, and truths by number of term and rule.

    `flipped` is the mask of the signals that became yes or ceased to be.

    A rule is evaluated only when the truth of one of its terms has changed. `low` and `high` bound, for each vital, the
    means (× 10⁹) between which no term of it changes; both are 0 and −1 (empty) while it is unknown.
    """

    __slots__ = ("_dirty", "book", "counts", "flipped", "high", "known", "low", "rule_truths", "totals", "truths", "values")

    def __init__(self, book: RuleBook) -> None:
        self.book = book
        vitals = book.catalogue.vitals
        self.counts = [0] * vitals
        self.totals = [0] * vitals
        self.low = [0] * vitals
        self.high = [-1] * vitals
        self.known = bytearray(len(book.catalogue.names))
        self.values = [0.0] * len(book.catalogue.names)
        self.truths = bytearray([UNKNOWN]) * len(book.terms)
        self.rule_truths = bytearray([UNKNOWN]) * len(book.rules)
        self.flipped = 0
        self._dirty = 0

    def set_vital(self, place: int, count: int, total: int) -> None:
        """Sets a vital to the mean total ÷ (count × 10⁹); count 0: unknown."""
        self.counts[place] = count
        self.totals[place] = total
        if not count:
            if self.known[place]:
                self._forget(place)
            self.low[place], self.high[place] = 0, -1
            return
        if self.known[place] and self.low[place] * count <= total <= self.high[place] * count:
            return
        self.known[place] = 1
        terms = self.book.terms
        low, high = -UNBOUNDED, UNBOUNDED
        for number in self.book.by_signal[place]:
            term = terms[number]
            self._set_term(number, term.holds_mean(count, total))
            limit = term.limit_int
            # between two limits no comparison changes; the edges themselves are left to a second look
            if total > limit * count:
                low = max(low, limit + 1)
            elif total < limit * count:
                high = min(high, limit - 1)
            else:
                low = max(low, limit)
                high = min(high, limit)
        self.low[place], self.high[place] = low, high

    def set_signal(self, place: int, value: float | None) -> None:
        """Sets a signal (yes: 1, no: 0); None: unknown."""
        if value is None:
            if self.known[place]:
                if self.book.catalogue.yes_no[place] and self.values[place]:
                    self.flipped |= 1 << place
                self._forget(place)
            return
        if self.known[place] and self.values[place] == value:
            return
        if self.book.catalogue.yes_no[place] and (value or (self.known[place] and self.values[place])):
            self.flipped |= 1 << place
        self.known[place] = 1
        self.values[place] = value
        terms = self.book.terms
        for number in self.book.by_signal[place]:
            self._set_term(number, terms[number].holds(value))

    def settle(self) -> bool:
        """Evaluates the rules whose terms have changed; tells whether any rule has."""
        dirty = self._dirty
        if not dirty:
            return False
        self._dirty = 0
        changed = False
        rules = self.book.rules
        number = 0
        while dirty:
            if dirty & 1:
                truth = rules[number].evaluate(self.truths)
                if truth != self.rule_truths[number]:
                    self.rule_truths[number] = truth
                    changed = True
            dirty >>= 1
            number += 1
        return changed

    def holds(self, rule: int) -> bool | None:
        """Truth of a rule; None: unknown."""
        truth = self.rule_truths[rule]
        return None if truth == UNKNOWN else truth == YES

    def value(self, name: str) -> float | None:
        """The value of a vital or signal; None: unknown (also: no such name)."""
        place = self.book.catalogue.places.get(name)
        return None if place is None else self.at(place)

    def at(self, place: int) -> float | None:
        """The value at a place of the catalogue; None: unknown."""
        if not self.known[place]:
            return None
        if place < self.book.catalogue.vitals:
            return self.totals[place] / (self.counts[place] * VALUE_SCALE)
        return self.values[place]

    def terms(self, rule: int) -> list[TermValue]:
        """The rule's terms, each with whether it holds and the value of its signal."""
        told = []
        for number in self.book.rules[rule].terms:
            term = self.book.terms[number]
            truth = self.truths[number]
            told.append(TermValue(term.text, None if truth == UNKNOWN else truth == YES, self.at(term.signal)))
        return told

    def excess(self, rule: int) -> float:
        """How far beyond its constants a rule is: of a vital's comparison the distance ÷ the vital's range, else 0 (semantics §8)."""
        return self._excess(self.book.rules[rule].tree)

    def shortfall(self, rule: int) -> tuple[str, float] | None:
        """Of the terms that keep the rule from being true, the one with a number nearest to its limit, and how far it is; None: none."""
        nearest: tuple[str, float] | None = None
        for number in self.book.rules[rule].terms:
            term = self.book.terms[number]
            value = self.at(term.signal)
            if value is None or self.truths[number] == YES or term.operator not in (GT, GE, LT, LE):
                continue
            distance = abs(value - term.limit)
            if nearest is None or distance < nearest[1]:
                nearest = term.text, distance
        return nearest

    def _excess(self, node: Node) -> float:
        if node.kind == "and":
            return min([self._excess(part) for part in node.parts])
        if node.kind == "or":
            return max([self._excess(part) for part in node.parts])
        if node.kind == "not":
            return 0.0
        term = self.book.terms[node.term]
        catalogue = self.book.catalogue
        value = self.at(term.signal)
        if term.signal >= catalogue.vitals or value is None or term.operator in (EQ, NE):
            return 0.0
        distance = value - term.limit if term.operator in (GT, GE) else term.limit - value
        return max(0.0, distance / catalogue.spans[term.signal])

    def _forget(self, place: int) -> None:
        self.known[place] = 0
        for number in self.book.by_signal[place]:
            self._set_term(number, UNKNOWN)

    def _set_term(self, number: int, truth: int) -> None:
        if self.truths[number] != truth:
            self.truths[number] = truth
            self._dirty |= self.book.terms[number].rules
