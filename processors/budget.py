"""The error budget of each metric: how much of its time was WARN or BLOCK, and how fast that spends what is allowed.

Bad time is counted in whole seconds of subject time, in buckets of a minute, an hour and a day. While nothing is bad
nothing is kept and nothing is done; while something is, only the seconds are looked at in which an alert may change.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from mypy_extensions import mypyc_attr

from processors.buckets import SIZES, Ring, Spending, load_spending
from processors.instant import NEVER, Instant
from processors.numbers import divide
from schemas import topics
from schemas.events import BudgetAlert, BudgetState
from schemas.living import Budget

REACH = (3600, 3 * 86_400, 1 << 40)
"""The longest window, in s, that is counted in buckets of each length."""
_UNITS = ((86_400, "d"), (3600, "h"), (60, "m"))


class WindowSpec:
    """A window of `seconds`: its name, which buckets it is counted in (`scale`), and how many of them."""

    __slots__ = ("buckets", "label", "scale", "seconds")

    def __init__(self, length_ms: int) -> None:
        self.seconds = length_ms // 1000
        self.scale = 0
        while self.seconds > REACH[self.scale]:
            self.scale += 1
        size = SIZES[self.scale]
        self.buckets = self.seconds // size
        if length_ms % (size * 1000) or not self.buckets:
            raise ValueError(f"a window of {length_ms} ms: expected whole minutes up to 1h, whole hours up to 3d, whole days above")
        unit, name = next((unit, name) for unit, name in _UNITS if self.seconds % unit == 0)
        self.label = f"{self.seconds // unit}{name}"


class PairSpec:
    """A long and a short window (places in `BudgetSpec.windows`) with the rate that both must reach."""

    __slots__ = ("alert", "long", "rate", "short")

    def __init__(self, alert: BudgetAlert, rate: float, long: int, short: int) -> None:
        self.alert: BudgetAlert = alert
        self.rate = rate
        self.long = long
        self.short = short


class MetricBudget:
    """One metric: `needs` are the bad seconds of the long and of the short window at which a pair is reached.

    (1 − objective) is the fraction `top` ÷ `bottom`.
    """

    __slots__ = ("bottom", "name", "needs", "objective", "top")

    def __init__(self, name: str, objective: float, pairs: list[PairSpec], windows: list[WindowSpec]) -> None:
        if not 0 <= objective < 1:
            raise ValueError(f"objective of {name}: expected 0 or more and less than 1, got {objective!r}")
        self.name = name
        self.objective = objective
        allowed = 1 - _exact(objective)
        self.top, self.bottom = allowed.numerator, allowed.denominator
        self.needs = [
            (_needed(_exact(pair.rate) * allowed, windows[pair.long]), _needed(_exact(pair.rate) * allowed, windows[pair.short]))
            for pair in pairs
        ]

    def burn(self, bad: int, seconds: int) -> float:
        """Bad share ÷ (1 − objective), rounded once."""
        return divide(bad * self.bottom, self.top * seconds)

    def remaining(self, bad: int, seconds: int) -> float:
        """Share of the budget that is left, rounded once; below 0: overspent."""
        allowed = self.top * seconds
        return divide(allowed - bad * self.bottom, allowed)


class BudgetSpec:
    """The error budget's configuration; `metrics` are those with a ladder, in the order of the configuration.

    Raises:
        ValueError: an objective or a window that cannot be counted.
    """

    __slots__ = ("default", "metrics", "pairs", "places", "reach", "total", "windows")

    def __init__(self, budget: Budget, metrics: list[str]) -> None:
        self.windows: list[WindowSpec] = []
        self.pairs = [PairSpec(pair.alert, pair.rate, self._window(pair.long), self._window(pair.short)) for pair in budget.burn]
        self.total = WindowSpec(budget.window)
        self.reach = [1, 1, 1]
        """How many buckets of each length are kept."""
        for window in [*self.windows, self.total]:
            self.reach[window.scale] = max(self.reach[window.scale], window.buckets)
        self.metrics = [MetricBudget(name, budget.objectives.get(name, budget.objective), self.pairs, self.windows) for name in metrics]
        self.default = MetricBudget("default", budget.objective, self.pairs, self.windows)
        """That of a metric which the configuration has dropped: its alert still has to end."""
        self.places = {name: place for place, name in enumerate(metrics)}

    def _window(self, length_ms: int) -> int:
        made = WindowSpec(length_ms)
        for place, window in enumerate(self.windows):
            if window.seconds == made.seconds:
                return place
        self.windows.append(made)
        return len(self.windows) - 1


@mypyc_attr(acyclic=True)
class Budgets:
    """Error budgets of one subject. `due` is the subject time (ms) of the next whole second at which an alert may change."""

    __slots__ = ("_mask", "_second", "_spec", "_spendings", "due")

    def __init__(self, spec: BudgetSpec) -> None:
        self._spec = spec
        self._spendings: list[Spending] = []
        self._second = -1
        self._mask = 0
        self.due = NEVER

    def step(self, instant: Instant, bad: list[bool | None]) -> list[tuple[str, BudgetState]]:
        """Counts up to the whole second `instant.now`; points do nothing.

        Args:
            bad: per metric, in the order of the configuration, whether its status after this judging is WARN or BLOCK
                (None: UNKNOWN, or none yet). May be left out while it is the same and `instant.now` < `due`.
        Returns:
            What was said: the ids and the states of the metrics whose alert changed.
        """
        if not instant.whole:
            return []
        mask = 0
        for place, is_bad in enumerate(bad):
            if is_bad:
                mask |= 1 << place
        if mask == self._mask and instant.now < self.due:
            return []
        second = instant.now // 1000
        self._count(second, mask)
        self.due = NEVER
        said: list[tuple[str, BudgetState]] = []
        for spending in self._spendings:
            self._judge(instant, second, spending, said)
        self._spendings = [spending for spending in self._spendings if not spending.is_spent()]
        return said

    def remaining(self, metric: str, now: int) -> float:
        """Share of the metric's budget that is left at the subject time `now` (ms); below 0: overspent.

        Raises:
            KeyError: a metric without a ladder.
        """
        spec = self._spec.metrics[self._spec.places[metric]]
        total = self._spec.total
        size = SIZES[total.scale]
        second = max(now // 1000, self._second)
        bad = 0
        for spending in self._spendings:
            if spending.metric == metric:
                ring = spending.rings[total.scale]
                oldest = (second - 1) // size - total.buckets + 1
                for place, value in enumerate(ring.values):
                    if ring.last - len(ring.values) + 1 + place >= oldest:
                        bad += value
                if spending.bad:
                    bad += second - max(self._second, oldest * size)
        return spec.remaining(bad, total.seconds)

    # --- the parts of a step ---

    def _count(self, second: int, mask: int) -> None:
        """Counts the seconds before `second` by the statuses that stood, `second` itself by those that stand now."""
        reach = self._spec.reach
        for spending in self._spendings:
            if spending.bad:
                spending.add(self._second, second - 1, reach)
            spending.bad = False
        for place, metric in enumerate(self._spec.metrics):
            if mask >> place & 1:
                spending = self._spending(metric.name)
                spending.bad = True
                spending.add(second - 1, second, reach)
        for spending in self._spendings:
            spending.roll(second, reach)
        self._second, self._mask = second, mask

    def _spending(self, metric: str) -> Spending:
        """The metric's spending, begun if needed; they stand in the order of the configuration."""
        places = self._spec.places
        at = 0
        for spending in self._spendings:
            if spending.metric == metric:
                return spending
            if places.get(spending.metric, -1) < places[metric]:
                at += 1
        made = Spending(metric)
        self._spendings.insert(at, made)
        return made

    def _judge(self, instant: Instant, second: int, spending: Spending, said: list[tuple[str, BudgetState]]) -> None:
        """Says the metric's state if its alert changed, and when it may change next."""
        spec = self._spec
        place = spec.places.get(spending.metric)
        alert: BudgetAlert | None = None
        rate: float | None = None
        bad = [spending.rings[window.scale].total(window.buckets) for window in spec.windows]
        if place is not None:
            for number, pair in enumerate(spec.pairs):
                long, short = spec.metrics[place].needs[number]
                missing = max(long - bad[pair.long], short - bad[pair.short])
                if missing <= 0:
                    if alert is None or (alert == "ticket" and pair.alert == "page"):
                        alert, rate = pair.alert, pair.rate
                    # it ends when a window loses a bucket
                    for window in (spec.windows[pair.long], spec.windows[pair.short]):
                        size = SIZES[window.scale]
                        self._not_later_than((((second - 1) // size + 1) * size + 1) * 1000)
                elif spending.bad:
                    self._not_later_than((second + missing) * 1000)
        if alert != spending.alert:
            state = self._state(instant, spending, bad, alert, rate)
            said.append((instant.say(topics.BUDGET, state), state))
            spending.alert = alert
        if place is None:
            spending.rings = [Ring(), Ring(), Ring()]
        elif not spending.bad:
            for scale, ring in enumerate(spending.rings):
                if ring.values:
                    self._not_later_than(ring.empty_from(SIZES[scale], spec.reach[scale]) * 1000)

    def _not_later_than(self, time: int) -> None:
        if time < self.due:
            self.due = time

    def _state(self, instant: Instant, spending: Spending, bad: list[int], alert: BudgetAlert | None, rate: float | None) -> BudgetState:
        spec = self._spec
        place = spec.places.get(spending.metric)
        metric = spec.metrics[place] if place is not None else spec.default
        total = spending.rings[spec.total.scale].total(spec.total.buckets)
        return BudgetState(
            tenant=instant.tenant,
            subject=instant.subject,
            metric=spending.metric,
            objective=metric.objective,
            window_ms=spec.total.seconds * 1000,
            bad_ms=total * 1000,
            remaining=metric.remaining(total, spec.total.seconds),
            burn={window.label: metric.burn(bad[n], window.seconds) for n, window in enumerate(spec.windows)},
            bad={window.label: bad[n] * 1000 for n, window in enumerate(spec.windows)},
            alert=alert,
            previous=spending.alert,
            threshold=rate,
            cause=instant.cause(),
            config=instant.config,
        )

    # --- state ---

    def dump(self) -> list[Any]:
        """State as plain values; a subject of which nothing was bad within the budget's window: two numbers and an empty list."""
        return [
            self._second,
            self._mask,
            self.due if self.due != NEVER else None,
            [spending.dump() for spending in self._spendings],
        ]

    def load(self, state: list[Any]) -> None:
        """Takes back what `dump` gave, under the same configuration."""
        self._second, self._mask, due, spendings = state
        self.due = NEVER if due is None else due
        self._spendings = [load_spending(spending) for spending in spendings]

    def rebind(self, spec: BudgetSpec) -> None:
        """Goes on under another configuration; the next whole second judges anew. Metrics that it does not have end there."""
        self._spec = spec
        self._mask = 0
        ordered: list[Spending] = [spending for spending in self._spendings if spending.metric not in spec.places]
        for metric in spec.metrics:
            ordered += [spending for spending in self._spendings if spending.metric == metric.name]
        self._spendings = ordered
        for spending in ordered:
            place = spec.places.get(spending.metric)
            if spending.bad and place is not None:
                self._mask |= 1 << place
        if ordered:
            self.due = 0


def _exact(number: float) -> Fraction:
    """The number as it is written: 0.99 is 99 ÷ 100."""
    return Fraction(repr(number))


def _needed(share: Fraction, window: WindowSpec) -> int:
    """The least number of bad seconds (at least one) at which the bad share of the window is `share`."""
    needed = share * window.seconds
    return max(1, -(-needed.numerator // needed.denominator))
