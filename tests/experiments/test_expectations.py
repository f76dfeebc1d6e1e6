"""Expectations: when they are met, when not, and what is told of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from experiments.expectations import Outcome, judge
from experiments.journal import Entry, Journal
from experiments.scenario import Scenario, ScenarioError, load, load_states
from iskra import config_files
from schemas.durations import decode_hook
from schemas.events import Cause, SignalsSample, VoiceEvent
from schemas.outputs import WindowStats

START_MS = 1_762_435_080_000
CONFIG = config_files.load()


def scene(*expect: dict[str, Any], **parts: Any) -> Scenario:
    """A scenario of ten minutes that expects this."""
    tree = {
        "title": "t",
        "about": "a",
        "length": "10m",
        "start": {},
        "next_step": "n",
        "expect": [{"name": "it", **e} for e in expect],
        **parts,
    }
    return msgspec.convert(tree, Scenario, dec_hook=decode_hook)


def journal(signals: list[tuple[int, dict[str, float]]] | None = None, minutes: dict[str, list[float]] | None = None) -> Journal:
    """A journal of samples (second, values) and of 1 min means."""
    made = Journal(START_MS, CONFIG, load_states())
    for second, values in signals or []:
        sample = SignalsSample("default", "subject", [], values, Cause("t", 0, 0), "c")
        made.entries.append(Entry("signals.events", f"id-{second}", START_MS + second * 1000, sample))
    for metric, means in (minutes or {}).items():
        for n, mean in enumerate(means):
            start = START_MS + n * 60_000
            stats = WindowStats("default", "subject", metric, start, 60_000, 60, mean, mean, mean, mean, 0.0, mean, mean, 0)
            made.entries.append(Entry("slo.windows", f"w-{metric}-{n}", start + 60_000, stats))
    return made


def only(scenario: Scenario, of: Journal) -> Outcome:
    """The outcome of its one expectation."""
    [outcome] = judge(scenario, of)
    return outcome


@pytest.mark.parametrize(("second", "met"), [(239, False), (240, True), (300, True), (360, True), (361, False)])
def test_the_first_event_stands_at_its_time(second: int, met: bool) -> None:
    """Within the tolerance, both ends included; the first that fits counts, whatever comes later."""
    expected = scene({"event": "signals.events", "where": {"values.stagnation": 1}, "at": "5m", "within": "1m"})
    outcome = only(expected, journal([(10, {"stagnation": 0.0}), (second, {"stagnation": 1.0}), (400, {"stagnation": 1.0})]))
    assert (outcome.met, outcome.at, outcome.ids) == (met, second * 1000, [f"id-{second}"])
    assert outcome.expected == "T0+5.0 ± 1 min"
    assert not only(expected, journal([(10, {"stagnation": 1.0}), (second, {"stagnation": 1.0})])).met


def test_what_never_comes_is_told() -> None:
    """No event: not met."""
    outcome = only(scene({"event": "signals.events", "where": {"values.stagnation": 1}, "at": "5m"}), journal([(10, {})]))
    assert (outcome.met, outcome.found) == (False, "never")


def test_since_passes_over_what_came_before() -> None:
    """Events before `since` are not looked at."""
    expected = scene({"event": "signals.events", "at": "5m", "since": "1m"})
    assert only(expected, journal([(10, {}), (300, {})])).met


@pytest.mark.parametrize(("count", "met"), [([2, 2], True), ([0, 1], False), ([3, None], False), ([1, None], True)])
def test_events_are_counted(count: list[int | None], met: bool) -> None:
    """Between start and end, both included; a list of values is one of them."""
    expected = scene({"event": "signals.events", "where": {"subject": ["other", "subject"]}, "count": count, "start": "1m", "end": "3m"})
    assert only(expected, journal([(59, {}), (60, {}), (180, {}), (181, {})])).met is met


def test_values_by_the_minute() -> None:
    """Every minute that lies wholly inside counts; the bounds belong to the range; no minute at all is not met."""
    means = {"chaos": [0.5, 0.3, 0.4, 0.6, 0.7]}
    assert only(scene({"values": {"chaos": [0.3, 0.6]}, "start": "1m", "end": "4m"}), journal(minutes=means)).met
    assert not only(scene({"values": {"chaos": [0.3, 0.6]}, "start": "1m", "end": "5m"}), journal(minutes=means)).met
    assert not only(scene({"values": {"chaos": [0.31, 0.6]}, "start": "1m", "end": "4m"}), journal(minutes=means)).met
    assert not only(scene({"values": {"pain": [0, 1]}}), journal(minutes=means)).met
    one = only(scene({"values": {"chaos": [0.35, 0.45]}, "at": "2m"}), journal(minutes=means))
    assert (one.met, one.found) == (True, "chaos 0.400–0.400")
    within = only(scene({"values": {"chaos": [0.35, 0.45]}, "at": "179s"}), journal(minutes=means))
    assert within.met, "the minute that holds the moment, wherever minutes begin"


def test_states_come_one_after_the_other() -> None:
    """In this order, others between; the wrong order is not met."""
    flow = {"clarity": 0.8, "chaos": 0.45, "trust": 0.85, "pain": 0.2}
    stiff = {"clarity": 0.85, "chaos": 0.15, "trust": 0.7, "pain": 0.3}
    tension = {"clarity": 0.75, "chaos": 0.5, "trust": 0.7, "pain": 0.4}
    walk = [flow, stiff, stiff, tension, flow]
    made = journal(minutes={vital: [state[vital] for state in walk] for vital in flow})
    outcome = only(scene({"states": ["crystallisation", "creative tension", "harmonious flow"]}), made)
    assert outcome.met
    assert outcome.found == "harmonious flow (T0+1.0) → crystallisation (T0+2.0) → creative tension (T0+4.0) → harmonious flow (T0+5.0)"
    assert not only(scene({"states": ["creative tension", "crystallisation"]}), made).met


@pytest.mark.parametrize(
    ("vitals", "state"),
    [
        ({"pain": 0.61, "trust": 0.49, "clarity": 0.5, "chaos": 0.8}, "crisis"),
        ({"pain": 0.5, "trust": 0.7, "clarity": 0.59, "chaos": 0.71}, "chaotic creation"),
        ({"pain": 0.2, "trust": 0.9, "clarity": 0.81, "chaos": 0.19}, "crystallisation"),
        ({"pain": 0.29, "trust": 0.81, "clarity": 0.75, "chaos": 0.5}, "harmonious flow"),
        ({"pain": 0.3, "trust": 0.81, "clarity": 0.71, "chaos": 0.5}, "creative tension"),
        ({"pain": 0.3, "trust": 0.8, "clarity": 0.7, "chaos": 0.5}, "transitional"),
    ],
)
def test_named_states(vitals: dict[str, float], state: str) -> None:
    """The table of the domain: the first that fits."""
    assert journal(minutes={vital: [value] for vital, value in vitals.items()}).states() == [(60_000, state)]


def voices(*told: tuple[int, list[str], list[str]]) -> Journal:
    """A journal of voice events: second, who is active then, who is queued."""
    made = Journal(START_MS, CONFIG, load_states())
    for second, active, queued in told:
        event = VoiceEvent(
            "default", "subject", (active or ["sam"])[0], "activated", None, None, [], None, None, None, "observation", None, active,
            queued, [], {}, None, None, Cause("t", 0, 0), "c",
        )  # fmt: skip
        made.entries.append(Entry("voices.events", f"v-{second}", START_MS + second * 1000, event))
    return made


def test_who_speaks_how_much() -> None:
    """Shares of the last ten minutes at every whole minute of the span: two for 2 min, then one alone for 8, is 10 of 12 min."""
    made = voices((0, ["sam", "anhantra"], []), (120, ["sam"], []))
    outcome = only(scene({"polyphony": {"sam": [0.8, 0.84], "anhantra": [0.16, 0.2]}, "at": "10m"}), made)
    assert (outcome.met, outcome.found) == (True, "sam 0.833–0.833, anhantra 0.167–0.167")
    assert outcome.expected == "sam 0.8–0.84, anhantra 0.16–0.2 at T0+10.0"
    assert not only(scene({"polyphony": {"sam": [0.8, 1]}, "start": "4m", "end": "10m"}), made).met, "at 7 min it is 7 of 9"
    assert only(scene({"polyphony": {"sam": [0.8, 1]}, "start": "8m", "end": "10m"}), made).met
    assert only(scene({"polyphony": {"sam": [0, 0], "balance": [0, 0]}, "at": "3m"}), voices()).met, "nobody spoke: all are 0"


def test_other_figures_of_the_voices() -> None:
    """Balance of two alike, harmony of a synergy, dissonance with one of an opposing pair queued; an unknown name is not met."""
    pair = voices((0, ["pino", "hundun"], []))
    assert only(scene({"polyphony": {"harmony": [1, 1], "balance": [0.356, 0.357], "dissonance": [0, 0]}, "at": "5m"}), pair).met
    assert only(scene({"polyphony": {"dissonance": [1, 1]}, "at": "5m"}), voices((0, ["sam"], ["hundun"]))).met
    unknown = only(scene({"polyphony": {"samm": [0, 1]}, "at": "5m"}), pair)
    assert (unknown.met, unknown.found) == (False, "samm unknown")


def test_a_subject_beside_has_expectations_of_its_own() -> None:
    """They are judged by its outputs, those of the first by the first's; abort bounds hold for each."""
    made = journal(minutes={"chaos": [0.3]})
    made.of_subject("second").entries += journal(minutes={"chaos": [0.9]}).entries
    beside: dict[str, Any] = {"second": {"start": {}}}
    high = {"values": {"chaos": [0.8, 1]}}
    first, second, *aborts = judge(scene(high, {**high, "subject": "second"}, beside=beside, abort={"chaos": [0, 0.5]}), made)
    assert [first.met, second.met] == [False, True]
    assert [(one.name, one.met) for one in aborts] == [
        ("never beyond the abort bounds", True),
        ("never beyond the abort bounds (second)", False),
    ]


def test_abort_bounds_are_expected_of_every_run() -> None:
    """They come behind what the scenario expects."""
    outcomes = judge(scene(abort={"pain": [0, 0.6]}), journal(minutes={"pain": [0.3, 0.61]}))
    assert [(outcome.name, outcome.met) for outcome in outcomes] == [("never beyond the abort bounds", False)]


def test_scenarios_that_are_refused(tmp_path: Path) -> None:
    """Unknown names, unknown keys, two kinds in one expectation and reactions that are too quick are told with file and place."""
    folder = tmp_path / "scenarios"
    folder.mkdir()
    good = {"title": "t", "about": "a", "length": "1m", "start": {}, "next_step": "n", "expect": []}

    def refused(**parts: Any) -> str:
        (folder / "one.yml").write_text(yaml.safe_dump({**good, **parts}), encoding="utf-8")
        with pytest.raises(ScenarioError) as caught:
            load("one", tmp_path)
        return str(caught.value)

    assert "unknown field `lenght`" in refused(lenght="1m")
    assert "expected one of event, values" in refused(expect=[{"name": "x", "values": {}, "states": []}])
    assert "expected at or count" in refused(expect=[{"name": "x", "event": "slo.status"}])
    assert "expected a name of pulls or published, got 'x'" in refused(actor={"reactions": [{"to": "pino", "end": ["x"]}]})
    assert "10s or more" in refused(actor={"acknowledge_after": "9s"})
    assert "expected a duration" in refused(length="soon")
    beside = {"second": {"start": {}, "actor": {"reactions": [{"to": "pino", "end": ["x"]}]}}}
    assert "beside.second.actor.reactions: expected a name of pulls or published, got 'x'" in refused(beside=beside)
    assert "expected names of a-z, 0-9 and -, got 'Second one'" in refused(beside={"Second one": {"start": {}}})
    assert "expected a subject of beside, got 'third'" in refused(expect=[{"name": "x", "values": {}, "subject": "third"}])
    with pytest.raises(ScenarioError, match="expected one of one"):
        load("two", tmp_path)
