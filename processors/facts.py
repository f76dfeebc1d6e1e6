"""What the rules know of one subject: its vitals and signals, and the truth of every term and rule."""

from __future__ import annotations

from math import isnan, nan

from librt.vecs import vec
from mypy_extensions import mypyc_attr

from processors.numbers import divide
from processors.rules import EQ, GE, GT, LE, LT, NE, UNKNOWN, YES, Node, RuleBook
from processors.watching import Watching
from schemas.events import TermValue
from schemas.points import VALUE_SCALE


@mypyc_attr(acyclic=True)
class Vital:
    """One vital's mean, total ÷ (count × 10⁹), count 0: unknown; and between which means (× 10⁹) it may move unseen.

    Between `term_low` and `term_high` no term changes at all, between `low` and `high` no rule that matters; while the mean is
    unknown both are empty (0 and −1).
    """

    __slots__ = ("count", "high", "low", "term_high", "term_low", "total")

    def __init__(self) -> None:
        self.count = self.total = 0
        self.low = self.term_low = 0
        self.high = self.term_high = -1


@mypyc_attr(acyclic=True)
class Facts:
    """Values of the signals by place in the catalogue (NaN: unknown; a vital's stand in `vitals`), truths by number of term and rule.

    `flipped` is the mask of the signals that became yes or ceased to be.

    A rule is evaluated only when the truth of one of its terms has changed. The vitals' `low` and `high` bound the means
    between which no rule that matters (`live`, a mask) comes true or ceases to be; `moved` tells that some of them have
    changed, and whoever looks resets it.
    """

    __slots__ = (
        "_dirty",
        "_stale",
        "_watching",
        "book",
        "flipped",
        "live",
        "moved",
        "rule_truths",
        "truths",
        "values",
        "vitals",
    )

    def __init__(self, book: RuleBook, watching: Watching, live: int) -> None:
        self.book = book
        self.live = live
        self._watching = watching
        self._stale = True
        self.vitals = [Vital() for _ in range(book.catalogue.vitals)]
        self.moved = True
        self.values = vec[float]([nan] * len(book.catalogue.names))
        self.truths = bytearray([UNKNOWN]) * len(book.terms)
        self.rule_truths = bytearray([UNKNOWN]) * len(book.rules)
        self.flipped = 0
        self._dirty = 0

    def set_vital(self, place: int, count: int, total: int) -> None:
        """Sets a vital to the mean total ÷ (count × 10⁹); count 0: unknown."""
        vital = self.vitals[place]
        if not count and vital.count:
            self._forget(place)
        vital.count = count
        vital.total = total
        if not count:
            vital.low = vital.term_low = 0
            vital.high = vital.term_high = -1
            self.moved = True
            return
        if vital.term_low * count <= total <= vital.term_high * count:
            return
        self._stale = True
        terms = self.book.terms
        low, high = self.book.catalogue.least[place], self.book.catalogue.greatest[place]
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
        vital.term_low, vital.term_high = low, high

    def set_signal(self, place: int, value: float) -> None:
        """Sets a signal (yes: 1, no: 0); NaN: unknown."""
        old = self.values[place]
        if old == value or (isnan(old) and isnan(value)):
            return
        self.values[place] = value
        if self.book.catalogue.yes_no[place] and (old > 0 or value > 0):
            self.flipped |= 1 << place
        if isnan(value):
            self._forget(place)
            return
        terms = self.book.terms
        for number in self.book.by_signal[place]:
            self._set_term(number, terms[number].holds(value))

    def settle(self) -> bool:
        """Evaluates the rules whose terms have changed; tells whether a live one has come true or ceased to be."""
        dirty = self._dirty
        if not dirty:
            if self._stale:
                self._watch()
            return False
        self._dirty = 0
        changed = False
        rules = self.book.rules
        number = 0
        while dirty:
            if dirty & 1:
                truth = rules[number].evaluate(self.truths)
                old = self.rule_truths[number]
                if truth != old:
                    self.rule_truths[number] = truth
                    changed = changed or ((truth == YES or old == YES) and self.live >> number & 1 == 1)
            dirty >>= 1
            number += 1
        self._watch()
        return changed

    def set_live(self, live: int) -> None:
        """Other rules matter from now on."""
        if live != self.live:
            self.live = live
            self._watch()

    def _watch(self) -> None:
        """Finds how far each vital may move unseen."""
        self._stale = False
        self.moved = True
        for place, limits in enumerate(self._watching.limits(self.truths, self.live)):
            vital = self.vitals[place]
            count, total = vital.count, vital.total
            if not count:
                continue
            low, high = self.book.catalogue.least[place], self.book.catalogue.greatest[place]
            for limit in limits:
                if total > limit * count:
                    low = max(low, limit + 1)
                elif total < limit * count:
                    high = min(high, limit - 1)
                else:
                    low = max(low, limit)
                    high = min(high, limit)
            vital.low, vital.high = low, high

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
        value = self.mean(place) if place < len(self.vitals) else self.values[place]
        return None if isnan(value) else value

    def mean(self, place: int) -> float:
        """The value of a vital; NaN: unknown."""
        vital = self.vitals[place]
        return divide(vital.total, vital.count * VALUE_SCALE) if vital.count else nan

    def number(self, place: int) -> float:
        """The value of a signal; 0: unknown."""
        value = self.values[place]
        return 0.0 if isnan(value) else value

    def knows_vitals(self) -> bool:
        """Whether any vital is known."""
        return any(vital.count for vital in self.vitals)

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
        for number in self.book.by_signal[place]:
            self._set_term(number, UNKNOWN)

    def _set_term(self, number: int, truth: int) -> None:
        if self.truths[number] != truth:
            self.truths[number] = truth
            self._dirty |= self.book.terms[number].rules
