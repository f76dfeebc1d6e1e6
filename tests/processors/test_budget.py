"""The error budget: what counts as bad, when people are told, how it ends, and that idle subjects cost nothing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.budget import Budgets, BudgetSpec
from processors.instant import NEVER
from schemas.events import BudgetState
from schemas.living import Budget
from tests.processors.living import METRICS, instant_at, new_emission, section
from tests.processors.profiles import cases
from tests.reference.budget import DAY, HOUR, MINUTE, ReferenceBudget

SPEC = BudgetSpec(section("budget.yml", Budget), METRICS)
START = 1_700_000_000 // DAY * DAY
"""The beginning of a day, and so of an hour and a minute (s)."""


class Purse:
    """Budgets of one subject, driven second by second of subject time; `chaos` is bad or not, the others are OK."""

    def __init__(self, spec: BudgetSpec = SPEC, start: int = START, *, skip: bool = False) -> None:
        self.spec = spec
        self.budgets = Budgets(spec)
        self.emission = new_emission()
        self.now = start
        self.start = start
        self.skip = skip
        self.bad: bool | None = None
        self.said: list[tuple[int, BudgetState]] = []
        self.calls = 0

    def run(self, seconds: int, bad: bool | None) -> list[tuple[int, str | None]]:
        """So many whole seconds with this status; what was said: second since the start, and the alert."""
        before = len(self.said)
        end = self.now + seconds
        if seconds > 0 and (bad != self.bad or not self.skip):
            self.bad = bad
            self.step(self.now + 1)
        while self.now < end:
            next_second = max(self.now + 1, -(-self.budgets.due // 1000)) if self.skip else self.now + 1
            if next_second > end:
                self.now = end
            else:
                self.step(next_second)
        return [(second - self.start, state.alert) for second, state in self.said[before:]]

    def step(self, second: int) -> None:
        """The judging of one whole second."""
        self.now = second
        self.calls += 1
        self.emission.begin(0, second)
        bad = [self.bad if metric == "chaos" else False for metric in METRICS[: len(self.spec.metrics)]]
        self.said += [(second, state) for _, state in self.budgets.step(instant_at(self.emission, second * 1000, 0), bad)]


@pytest.mark.parametrize("skip", [False, True])
def test_the_page_comes_after_519_bad_seconds_of_the_first_hour(skip: bool) -> None:
    """14.4 % of 3,600 s is 518.4: at the 519th bad second, though the subject is young, and the figures show why."""
    purse = Purse(skip=skip)
    assert purse.run(1200, bad=True) == [(519, "page")]
    _, state = purse.said[0]
    assert (state.metric, state.objective, state.window_ms) == ("chaos", 0.99, 30 * DAY * 1000)
    assert (state.threshold, state.previous) == (14.4, None)
    # the present minute and the four before it: [240, 519)
    assert state.bad == {"1h": 519_000, "5m": 279_000, "6h": 519_000, "30m": 519_000, "1d": 519_000, "2h": 519_000, "3d": 519_000}
    assert state.burn["1h"] == pytest.approx(14.4166667)
    assert state.burn["5m"] == pytest.approx(93.0)
    assert (state.bad_ms, state.remaining) == (519_000, 1 - 519 / 25_920)


def test_a_page_ends_when_not_both_windows_are_reached() -> None:
    """After the recovery the 5 min window empties first; then a ticket stands until it ends, too."""
    purse = Purse()
    purse.run(1500, bad=True)
    # 44 s of 5 min are needed: [1440, 1740) holds 60, [1500, 1741) none; 108 s of 30 min: [1440, 3181) holds 60
    assert purse.run(4 * HOUR, bad=False) == [(1741, "ticket"), (3181, None)]
    assert [(state.alert, state.previous, state.threshold) for _, state in purse.said] == [
        ("page", None, 14.4),
        ("ticket", "page", 6.0),
        (None, "ticket", None),
    ]


@pytest.mark.parametrize(
    ("alert", "rate", "long", "short", "needed"),
    [
        ("page", 14.4, HOUR, 5 * MINUTE, 519),
        ("ticket", 6.0, 6 * HOUR, 30 * MINUTE, 1296),
        ("ticket", 3.0, DAY, 2 * HOUR, 2592),
        ("ticket", 1.0, 3 * DAY, 6 * HOUR, 2592),
    ],
)
def test_each_pair_of_windows(alert: Any, rate: float, long: int, short: int, needed: int) -> None:
    """Each row of the burn rates, alone: said at the bad second that reaches the rate over the long window, not one before."""
    budget = section("budget.yml", Budget)
    (pair,) = [pair for pair in budget.burn if pair.rate == rate]
    purse = Purse(BudgetSpec(msgspec.structs.replace(budget, burn=[pair]), METRICS))
    assert (pair.long, pair.short) == (long * 1000, short * 1000)
    assert purse.run(needed - 1, bad=True) == []
    assert purse.run(1, bad=True) == [(needed, alert)]


def test_unknown_and_ok_spend_nothing() -> None:
    """Only WARN and BLOCK spend; without them nothing is kept and no step is asked for."""
    purse = Purse()
    purse.run(600, bad=False)
    purse.run(600, bad=None)
    assert purse.said == []
    assert purse.budgets.due == NEVER
    assert purse.budgets.dump() == [-1, 0, None, []]
    assert purse.budgets.remaining("chaos", purse.now * 1000) == 1


def test_a_second_counts_by_the_status_after_its_judging() -> None:
    """The statuses turn bad at second 10 and good at 13: [9, 10), [10, 11), [11, 12) are bad, 3 s."""
    purse = Purse(skip=True)
    purse.run(9, bad=False)
    purse.run(3, bad=True)
    purse.run(8, bad=False)
    assert purse.budgets.remaining("chaos", purse.now * 1000) == 1 - 3 / 25_920


def test_points_between_whole_seconds_count_nothing() -> None:
    """Only whole seconds are counted; a step at a point says and keeps nothing."""
    budgets = Budgets(SPEC)
    assert budgets.step(instant_at(new_emission(), START * 1000 + 500, 0, whole=False), [True, True, True, True]) == []
    assert budgets.dump() == [-1, 0, None, []]


def test_an_objective_of_its_own() -> None:
    """A metric with the objective 0.9 may be bad ten times as long: 14.4 % × 10 of an hour cannot be reached, 6 × 10 % of 6 h can."""
    purse = Purse(BudgetSpec(section("budget.yml", Budget, objectives={"chaos": 0.9}), METRICS))
    assert purse.run(4 * HOUR, bad=True) == [(12_960, "ticket")]
    assert purse.said[0][1].objective == 0.9


@pytest.mark.parametrize("first", [0, 3])
def test_metrics_stand_in_the_order_of_the_configuration(first: int) -> None:
    """Two metrics whose alert changes at one second are said in the order of the table, whichever was bad first."""
    budgets, emission = Budgets(SPEC), new_emission()
    said = []
    for second in range(1, 521):
        emission.begin(0, second)
        bad = [second != 2, None, False, second >= 2] if first == 0 else [second >= 2, None, False, second != 2]
        said += [(second, s.metric) for _, s in budgets.step(instant_at(emission, (START + second) * 1000, 0), bad)]
    assert said == [(520, "clarity"), (520, "pain")]


def test_what_is_left_is_told_between_steps() -> None:
    """Without burn rates nothing asks for a step while a metric is bad; what is left is right all the same, for months."""
    purse = Purse(BudgetSpec(section("budget.yml", Budget, burn=[]), METRICS), skip=True)
    purse.run(100, bad=True)
    assert purse.calls == 1
    assert purse.budgets.remaining("chaos", purse.now * 1000) == 1 - 100 / 25_920
    assert purse.budgets.remaining("chaos", (purse.start + 40 * DAY) * 1000) == (25_920 - 30 * DAY) / 25_920
    assert purse.budgets.remaining("pain", purse.now * 1000) == 1


def test_a_jump_of_a_year_costs_a_few_steps() -> None:
    """A subject that is silent for a year, bad or not: no loop over its buckets, and its state is forgotten."""
    purse = Purse(skip=True)
    purse.run(2000, bad=True)
    calls = purse.calls
    purse.run(365 * DAY, bad=False)
    assert purse.calls - calls < 150
    assert purse.budgets.dump()[3] == []
    assert purse.said[-1][1].alert is None
    # and straight over it, in one step
    purse = Purse(skip=True)
    purse.run(400, bad=True)
    purse.bad = False
    purse.step(purse.now + 365 * DAY)
    assert purse.budgets.remaining("chaos", purse.now * 1000) == (25_920 - (29 * DAY + 399)) / 25_920


def test_a_state_is_small() -> None:
    """A subject of which all four metrics were bad every second for a month keeps less than 3 KB."""
    budgets, emission = Budgets(SPEC), new_emission()
    emission.begin(0, 0)
    for second in (START, START + 31 * DAY):
        budgets.step(instant_at(emission, second * 1000, 0), [True] * 4)
    assert len(msgspec.msgpack.encode(budgets.dump())) < 3000


def test_another_configuration_keeps_what_was_spent_and_ends_what_it_drops() -> None:
    """A metric that stays goes on with its seconds, under new rates at once; the alert of one that is gone ends at the next second."""
    purse = Purse()
    purse.run(519, bad=True)
    kept = section("budget.yml", Budget, objectives={"chaos": 0.5})
    purse.budgets.rebind(BudgetSpec(kept, METRICS))
    assert purse.run(1, bad=True) == [(520, None)]
    assert purse.said[-1][1].bad_ms == 520_000
    purse.budgets.rebind(BudgetSpec(section("budget.yml", Budget), METRICS))
    assert purse.run(1, bad=True) == [(521, "page")]
    purse.spec = BudgetSpec(kept, METRICS[:1])
    purse.budgets.rebind(purse.spec)
    assert purse.run(1, bad=False) == [(522, None)]
    assert purse.budgets.dump()[3] == []


@pytest.mark.parametrize(
    "changes",
    [
        {"objective": 1},
        {"objectives": {"chaos": -0.1}},
        {"window": "31s"},
        {"burn": [{"alert": "page", "rate": 2, "long": "90m", "short": "5m"}]},
        {"burn": [{"alert": "page", "rate": 2, "long": "1h", "short": "30s"}]},
    ],
)
def test_what_cannot_be_counted_is_refused(changes: dict[str, Any]) -> None:
    """An objective of 1 allows nothing to divide by; windows are whole minutes, hours or days."""
    with pytest.raises(ValueError, match="expected"):
        BudgetSpec(section("budget.yml", Budget, **changes), METRICS)


long = st.one_of(st.integers(HOUR, 4 * DAY), st.integers(DAY, 40 * DAY)).map(lambda seconds: (seconds, False))
short = st.tuples(
    st.one_of(st.integers(1, 90), st.integers(60, 1500), st.integers(1500, 3 * HOUR)), st.sampled_from([True, True, False, None])
)
runs = st.lists(st.one_of(short, short, short, long), min_size=1, max_size=12)


@cases(60)
@given(st.integers(0, 2 * DAY), runs, st.lists(st.booleans(), min_size=12, max_size=12))
def test_figures_are_those_of_the_literal_count(offset: int, history: list[tuple[int, bool | None]], restores: list[bool]) -> None:
    """Random histories, looked at only when something may change, restored at random: what is said, and when, is what counting gives."""
    reference = ReferenceBudget()
    purse = Purse(start=START + offset, skip=True)
    alert: str | None = None
    for (seconds, bad), restore in zip(history, restores, strict=False):
        begin, before = purse.now, len(purse.said)
        if bad:
            reference.spend(begin, begin + seconds)
        purse.run(seconds, bad)
        watched = [begin + 1, begin + 2, begin + seconds // 2, begin + seconds - 1, begin + seconds]
        for second, state in purse.said[before:]:
            told = {**msgspec.to_builtins(state), "burn": list(state.burn.values()), "bad": list(state.bad.values())}
            expected = reference.state(second)
            assert {name: told[name] for name in expected} == expected
            watched += [second - 1, second, second + 1]
        for second in sorted(w for w in watched if begin < w <= purse.now):
            alert = next((state.alert for at, state in reversed(purse.said) if at <= second), None)
            assert reference.state(second)["alert"] == alert
        assert purse.budgets.remaining("chaos", purse.now * 1000) == reference.state(purse.now)["remaining"]
        if restore:
            dumped = msgspec.msgpack.decode(msgspec.msgpack.encode(purse.budgets.dump()))
            purse.budgets = Budgets(SPEC)
            purse.budgets.load(dumped)


@cases(25)
@given(st.lists(st.tuples(st.integers(1, 700), st.booleans()), min_size=1, max_size=12))
def test_leaving_out_steps_changes_nothing(history: list[tuple[int, bool]]) -> None:
    """Called at every second or only when due: the same is said, at the same seconds."""
    full, skipping = Purse(), Purse(skip=True)
    for seconds, bad in history:
        assert full.run(seconds, bad) == skipping.run(seconds, bad)
    assert full.said == skipping.said
