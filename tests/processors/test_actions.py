"""The life of automatic actions, and what never happens in any."""

from __future__ import annotations

import msgspec
import pytest

from processors.instant import NEVER
from schemas.points import BadPoint
from tests.processors.acting import START, World, section, spec_and_book, told

SUNDAY_NIGHT = 1_762_653_000
"""Epoch s: 2025-11-09 01:50 UTC; the window of maintenance begins ten minutes later."""
LIFE = ["requested", "approved", "dispatched"]


@pytest.mark.parametrize(
    ("metric", "value", "holds_for", "action", "level"),
    [
        ("clarity", 0.92, 30, "activate_pino_hundun", "P1"),
        ("clarity", 0.58, 30, "activate_sam_structure", "P1"),
        ("chaos", 0.14, 600, "stimulate_creative_chaos", "P0"),
        ("chaos", 0.82, 5, "stabilize_system", "P0"),
        ("trust", 0.48, 30, "activate_anhantra_empathy", "P1"),
        ("pain", 0.62, 5, "emergency_recovery", "P0"),
    ],
)
def test_each_row_of_the_table(metric: str, value: float, holds_for: int, action: str, level: str) -> None:
    """An action is asked for, reviewed and dispatched at the judging at which its condition has held for its time."""
    world = World()
    world.set(metric, value)
    assert world.until(holds_for) == []
    heard = world.until(holds_for + 1)
    assert told(heard) == [(action, state) for state in LIFE]
    assert [event.level for event in heard] == [level] * 3
    assert {event.action_id for event in heard} == {world.ids[0]}, "named by the id of its first event"
    assert [event.previous for event in heard] == [None, "requested", "approved"]
    review = heard[1].review
    assert review is not None
    assert (review.by, review.decision) == ("iskriv", "approved")
    assert heard[2].review == review
    evidence = heard[2].evidence
    assert (evidence.since, evidence.offset) == ((START + 1) * 1000, world.offset - 1)
    assert [(term.holds, term.value) for term in evidence.terms] == [(True, value)]
    assert heard[2].effect.before == value
    assert heard[2].until == world.log_now + 60_000


def test_a_condition_that_breaks_off_begins_anew() -> None:
    """`for` counts from the judging that found the condition true since it was last not true; unknown is not true."""
    world = World()
    world.set("pain", 0.65)
    world.until(5)
    world.set("pain", None)
    world.until(6)
    world.set("pain", 0.65)
    assert world.until(11) == []
    assert told(world.until(12))[0] == ("emergency_recovery", "requested")


def test_effective() -> None:
    """An acknowledged action is effective at the judging that finds its metric back inside its range."""
    world = World()
    world.set("pain", 0.65)
    dispatched = world.until(6)[-1]
    acknowledged = world.acknowledge(dispatched.action_id)
    assert told(acknowledged) == [("emergency_recovery", "acknowledged")]
    assert acknowledged[0].by == "simulator"
    assert acknowledged[0].effect.acknowledged == world.now
    world.set("pain", 0.55)
    assert world.until(30) == [], "not yet inside 0.20 to 0.50"
    world.set("pain", 0.50)
    [effective] = world.until(31)
    assert (effective.state, effective.effect.before, effective.effect.after) == ("effective", 0.65, 0.50)
    assert world.actions.open_actions == []


def test_ineffective() -> None:
    """An acknowledged action whose metric is not back in range within its time is ineffective."""
    world = World()
    world.set("pain", 0.65)
    dispatched = world.until(6)[-1]
    world.acknowledge(dispatched.action_id)
    world.set("pain", 0.58)
    assert world.until(65) == []
    [ineffective] = world.until(66)
    assert (ineffective.state, ineffective.effect.after) == ("ineffective", 0.58)


def test_back_in_range_at_the_last_moment() -> None:
    """The judging that stands just at the end of the time still counts."""
    world = World()
    world.set("pain", 0.65)
    dispatched = world.until(6)[-1]
    world.acknowledge(dispatched.action_id)
    world.set("pain", 0.58)
    world.until(65)
    world.set("pain", 0.45)
    assert [event.state for event in world.until(66)] == ["effective"]


def test_expired_and_asked_for_again() -> None:
    """Nobody acknowledges within 60 s of log time: expired; then the condition asks again, after the metric's cool-down."""
    world = World()
    world.set("chaos", 0.85)
    world.until(6)
    assert world.until(65) == []
    assert told(world.until(66)) == [("stabilize_system", "expired")]
    assert world.until(185) == [], "cool-down of chaos: 180 s from the dispatch at 6"
    assert told(world.until(186)) == [("stabilize_system", state) for state in LIFE]


def test_waiting_runs_on_log_time() -> None:
    """While subject time stands still, log time lets an action expire."""
    world = World()
    world.set("pain", 0.65)
    world.until(6)
    world.log_now += 59_999
    assert world.tick() == []
    world.log_now += 1
    assert told(world.tick()) == [("emergency_recovery", "expired")]


def test_cooldown_is_the_metrics() -> None:
    """Two actions of one metric are apart by its cool-down; another metric's is not held up."""
    world = World()
    world.set("clarity", 0.55)
    dispatched = world.until(31)[-1]
    world.acknowledge(dispatched.action_id)
    world.set("clarity", 0.92)
    world.set("trust", 0.45)
    heard = world.until(150)
    assert told(heard) == [("activate_anhantra_empathy", state) for state in LIFE] + [("activate_anhantra_empathy", "expired")]
    assert told(world.until(151))[:1] == [("activate_pino_hundun", "requested")]


def test_an_open_action_is_not_asked_for_again() -> None:
    """While an action of the same name is open, its condition asks for no second one, cool-down or not."""
    world = World()
    world.set("clarity", 0.93)
    dispatched = world.until(31)[-1]
    world.acknowledge(dispatched.action_id)
    assert world.until(930) == []
    heard = world.until(931)
    assert told(heard)[0] == ("activate_pino_hundun", "ineffective")
    assert told(heard)[1:] == [("activate_pino_hundun", state) for state in LIFE]


def test_three_an_hour() -> None:
    """The fourth action within an hour of subject time is refused, told once; an hour after the first it passes."""
    world = World()
    world.set("pain", 0.65)
    heard = world.until(3000)
    dispatched = [event for event in heard if event.state == "dispatched"]
    refused = [event for event in heard if event.state == "refused"]
    assert [event.evidence.since for event in dispatched] == [(START + 1) * 1000] * 3
    assert len(refused) == 1
    assert refused[0].review is not None
    assert refused[0].review.reason == "3 actions within 1 h: the limit is 3"
    assert world.until(3605) == []
    assert told(world.until(3606)) == [("emergency_recovery", state) for state in LIFE]
    later = [event.state for event in world.until(4000)]
    assert later.count("dispatched") == 2
    assert later.count("refused") == 1, "told anew after actions that passed"


def test_a_refusal_on_the_same_ground_is_told_once() -> None:
    """While its condition goes on, an action is refused once a ground; when the ground is gone it passes, after the cool-down."""
    world = World()
    world.set("ethical_violation", 1)
    world.set("clarity", 0.55)
    heard = world.until(500)
    assert told(heard) == [("activate_sam_structure", "requested"), ("activate_sam_structure", "refused")]
    world.set("ethical_violation", 0)
    assert world.until(510) == [], "asked every 120 s: at 31, 151, 271, 391, 511"
    assert told(world.until(511)) == [("activate_sam_structure", state) for state in LIFE]


def test_a_refusal_is_told_again_when_its_condition_begins_anew() -> None:
    """A new stretch of the condition is a new question."""
    world = World()
    world.set("ethical_violation", 1)
    world.set("clarity", 0.55)
    world.until(40)
    world.set("clarity", 0.80)
    world.until(50)
    world.set("clarity", 0.55)
    assert told(world.until(151)) == [("activate_sam_structure", "requested"), ("activate_sam_structure", "refused")]


def strong() -> World:
    """Chaos has been low for ten minutes, and the injection is of strength 4: it waits for a person."""
    world = World(section(actions={"stimulate_creative_chaos": {"strength": 4}}))
    world.set("chaos", 0.14)
    heard = world.until(601)
    assert told(heard) == [("stimulate_creative_chaos", "requested"), ("stimulate_creative_chaos", "awaiting_approval")]
    assert heard[-1].until == world.log_now + 3_600_000
    return world


def test_approved_by_a_person() -> None:
    """A person's approval is an event of its own; the gate then looks at everything else, and dispatches."""
    world = strong()
    action_id = world.said[-1].action_id
    [approved] = world.approve(action_id)
    assert approved.review is not None
    assert (approved.state, approved.review.by, approved.review.decision, approved.by) == ("approved", "ann", "approved", "ann")
    [dispatched] = world.until(602)
    assert dispatched.state == "dispatched"
    assert dispatched.strength == 4


def test_approved_too_late() -> None:
    """What has changed since the request counts: pain forbids it now, or its condition is over."""
    for name, value, reason in (
        ("pain", 0.55, "no chaos is injected while pain is above 0.5"),
        ("chaos", 0.40, "its condition no longer holds"),
    ):
        world = strong()
        world.approve(world.said[-1].action_id)
        world.set(name, value)
        [refused] = world.until(602)
        assert refused.review is not None
        assert (refused.state, refused.previous, refused.review.by, refused.review.reason) == ("refused", "approved", "iskriv", reason)


def test_refused_by_a_person() -> None:
    """A person's refusal ends it, and while the condition goes on nobody is asked again."""
    world = strong()
    [refused] = world.refuse(world.said[-1].action_id)
    assert refused.review is not None
    assert (refused.state, refused.review.reason, refused.why) == ("refused", "not today", "not today")
    assert world.until(2000) == []


def test_approval_expires() -> None:
    """An hour of log time without a person's word ends it."""
    world = strong()
    assert world.until(4200) == []
    assert told(world.until(4201)) == [("stimulate_creative_chaos", "expired")]


def test_commands_that_make_no_sense() -> None:
    """Unknown ids and wrong states are refused, and change nothing."""
    world = World()
    world.set("pain", 0.65)
    dispatched = world.until(6)[-1]
    before = world.actions.dump()
    with pytest.raises(BadPoint, match="expected an open action"):
        world.acknowledge("0-0-0-0-none")
    with pytest.raises(BadPoint, match="expected an action that is awaiting_approval"):
        world.approve(dispatched.action_id)
    assert world.actions.dump() == before
    world.acknowledge(dispatched.action_id)
    with pytest.raises(BadPoint, match="is acknowledged"):
        world.acknowledge(dispatched.action_id)


def test_no_injection_in_a_maintenance_window() -> None:
    """The window counts by log time; the injection passes when it is over."""
    world = World(start=SUNDAY_NIGHT)
    world.set("chaos", 0.14)
    heard = world.until(1200)
    assert told(heard) == [("stimulate_creative_chaos", "requested"), ("stimulate_creative_chaos", "refused")]
    assert heard[1].review is not None
    assert heard[1].review.reason == "no injection in a maintenance window"
    assert world.until(7800) == [], "asked every 180 s; the window ends at 7800"
    assert told(world.until(7801)) == [("stimulate_creative_chaos", state) for state in LIFE]


def test_a_configuration_without_the_action_ends_it() -> None:
    """An open action that the new configuration lacks expires at the next judging; others go on, with what they were asked for."""
    world = World()
    world.set("pain", 0.65)
    world.set("trust", 0.45)
    world.until(31)
    assert world.actions.open_actions == ["emergency_recovery", "activate_anhantra_empathy"]
    less = msgspec.structs.replace(section(), actions={k: v for k, v in section().actions.items() if k != "emergency_recovery"})
    spec, book = spec_and_book(less)
    kept = World(less)
    kept.actions, kept.spec, kept.book = world.actions, spec, book
    kept.actions.rebind(spec)
    kept.now, kept.log_now = world.now, world.log_now
    kept.set("trust", 0.45)
    heard = kept.until(32)
    assert told(heard) == [("emergency_recovery", "expired")]
    assert heard[0].why == "the configuration no longer has this action"
    assert kept.actions.open_actions == ["activate_anhantra_empathy"]


def test_an_idle_machine_waits_for_nothing() -> None:
    """In a healthy subject nothing is due."""
    world = World()
    world.until(100)
    assert (world.actions.due, world.actions.log_due) == (NEVER, NEVER)
    assert world.actions.dump() == [[], [], [], [], NEVER]
