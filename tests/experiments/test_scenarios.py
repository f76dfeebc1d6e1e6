"""Every scenario that comes with Iskra passes with the engine alone, and fails where what it rests on is taken away."""

from __future__ import annotations

import msgspec
import pytest

from experiments import scenario as scenarios
from experiments.expectations import Outcome, judge
from experiments.many import run_many
from experiments.offline import run
from experiments.scenario import Scenario
from iskra import config_files
from schemas.config import Config
from schemas.durations import Duration
from schemas.events import ActionEvent, VoiceEvent

START = 1_762_435_080
CONFIG = config_files.load()
MODEL = scenarios.load_model()
STATES = scenarios.load_states()
DRY_RUN = scenarios.load("stagnation-creative")
SIMPLE = scenarios.Published(signal="complexity", value=0.3)


def outcomes(scenario: Scenario, config: Config = CONFIG, seed: int = 1) -> dict[str, Outcome]:
    """What came of a run, by expectation."""
    return {outcome.name: outcome for outcome in judge(scenario, run(scenario, MODEL, config, STATES, seed=seed, start=START))}


def missed(scenario: Scenario) -> set[str]:
    """The expectations that were not met."""
    return {outcome.name for outcome in outcomes(scenario).values() if not outcome.met}


@pytest.mark.parametrize("name", scenarios.names())
def test_each_scenario_passes(name: str) -> None:
    """Everything that it announces comes of model, rules and loop."""
    missed = [outcome for outcome in outcomes(scenarios.load(name)).values() if not outcome.met]
    assert missed == []


def test_there_are_the_scenarios_of_the_domain() -> None:
    """Those that the domain names are there."""
    assert {
        "stagnation-creative", "ethical-violation", "overload", "kayn-anhantra", "chaos-storm", "loss-of-trust", "slow-burn",
        "flapping", "sensor-stuck", "sensor-missing", "sensor-impossible", "sensor-late", "creative-crisis", "one-voice", "two-in-chaos",
    } <= set(scenarios.names())  # fmt: skip


def test_without_actions_the_dry_run_fails() -> None:
    """With no automatic action configured the subject stays stagnant: nothing is scripted to the result."""
    living = CONFIG.living
    assert living is not None
    off = msgspec.structs.replace(living, actions=msgspec.structs.replace(living.actions, actions={}))
    found = outcomes(DRY_RUN, msgspec.structs.replace(CONFIG, living=off))
    assert found["stagnation is seen"].met
    assert not found["final state"].met
    assert "chaos 0.1" in found["final state"].found


def test_without_an_actor_the_dry_run_fails() -> None:
    """An action that nobody takes up expires, and changes nothing."""
    actor = msgspec.structs.replace(DRY_RUN.actor, acknowledge_after=None)
    found = outcomes(msgspec.structs.replace(DRY_RUN, actor=actor))
    assert found["the injection is asked for"].met
    assert not found["it is effective"].met
    assert not found["final state"].met


def test_what_is_met_rests_on_its_cause() -> None:
    """One voice: without complexity Sam is silent; heard at once, he is never alone; with the grief lasting, both go on."""
    alone = scenarios.load("one-voice")
    share = "Sam's is more than 80 %"
    simple = outcomes(msgspec.structs.replace(alone, published={"simplicity": alone.published["simplicity"], "complexity": SIMPLE}))
    assert (simple["Sam speaks"].found, simple[share].met) == ("never", False)
    soon = msgspec.structs.replace(alone.actor.reactions[0], after=Duration(10_000))
    assert not outcomes(msgspec.structs.replace(alone, actor=scenarios.Actor(reactions=[soon])))[share].met
    grief = msgspec.structs.replace(alone.pulls["grief"], end=None)
    lasting = outcomes(msgspec.structs.replace(alone, pulls={**alone.pulls, "grief": grief}))
    assert lasting["each half of the time"].met
    assert (lasting["Anhantra falls silent"].met, lasting[share].met) == (False, False)


def test_two_subjects_are_two() -> None:
    """A storm taken from one of them is missed in its outputs alone; nobody who acts for one leaves that one in its storm."""
    two = scenarios.load("two-in-chaos")
    first = {"the first is seen", "an alert for each storm", "both times the first is stabilised", "back in range while the storm blows"}
    second = {"so is the second", "and for the second's own", "both times the second is stabilised", "both are"}
    calm = {"second": msgspec.structs.replace(two.beside["second"], pulls={})}
    assert missed(msgspec.structs.replace(two, beside=calm)) == second - {"both are"}
    assert missed(msgspec.structs.replace(two, pulls={})) == first - {"back in range while the storm blows"}
    lonely = {"second": msgspec.structs.replace(two.beside["second"], actor=scenarios.Actor(acknowledge_after=None))}
    found = missed(msgspec.structs.replace(two, beside=lonely))
    assert {"both times the second is stabilised", "nor to the second", "both are"} <= found
    assert not found & first


def test_the_limit_of_one_is_not_the_others() -> None:
    """Four actions in the hour, two of each subject: with a limit of one each second action is refused, to both."""
    living = CONFIG.living
    assert living is not None
    strict = msgspec.structs.replace(living, actions=msgspec.structs.replace(living.actions, limit=1))
    found = outcomes(scenarios.load("two-in-chaos"), msgspec.structs.replace(CONFIG, living=strict))
    assert [found[name].met for name in ("nothing is refused", "nor to the second")] == [False, False]
    journal = run(scenarios.load("two-in-chaos"), MODEL, CONFIG, STATES, seed=1, start=START)
    assert [subject for subject, _ in journal.subjects()] == [None, "second"]
    counts = [sum(isinstance(e.value, ActionEvent) and e.value.state == "dispatched" for e in one.entries) for _, one in journal.subjects()]
    assert counts == [2, 2]


def test_the_actor_acts_directly_after_the_tick_at_ten_seconds() -> None:
    """The acknowledgement stands ten seconds behind the action's time, rounded up to the whole second."""
    journal = run(DRY_RUN, MODEL, CONFIG, STATES, seed=2, start=START)
    times = {e.value.state: e for e in journal.entries if isinstance(e.value, ActionEvent)}
    dispatched, acknowledged = times["dispatched"], times["acknowledged"]
    second = -(-(dispatched.ts + 10_000) // 1000)
    assert acknowledged.ts == second * 1000
    assert isinstance(acknowledged.value, ActionEvent)
    assert acknowledged.value.by == "simulator"
    voices = [e for e in journal.entries if isinstance(e.value, VoiceEvent) and e.value.event == "acknowledged"]
    assert [-(-(e.ts - journal.start) // 1000) for e in voices] == [7200, 7200], "not before the end of the observation"


def test_many_seeds_in_parallel_processes() -> None:
    """The results are those of one process, in the order of the seeds."""
    storm = scenarios.load("chaos-storm")
    parallel = list(run_many(storm, MODEL, CONFIG, STATES, seeds=[3, 1, 2], start=START, processes=2))
    alone = list(run_many(storm, MODEL, CONFIG, STATES, seeds=[3, 1, 2], start=START, processes=1))
    assert parallel == alone
    assert [result.seed for result in parallel] == [3, 1, 2]
    assert all(result.passed for result in parallel)
