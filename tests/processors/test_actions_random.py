"""What never happens in the life of any automatic action, on random histories."""

from __future__ import annotations

from dataclasses import dataclass, field

import hypothesis.strategies as st
from hypothesis import given

from schemas.commands import AcknowledgeAction
from schemas.events import ActionEvent
from schemas.points import BadPoint
from tests.processors.acting import World, section
from tests.processors.profiles import cases

SUNDAY_NIGHT = 1_762_653_000
"""Epoch s: 2025-11-09 01:50 UTC; the window of maintenance begins ten minutes later."""
LIFE = ["requested", "approved", "dispatched"]


@dataclass
class Turn:
    """Some seconds with other facts, and what people and the subject's side do at their end."""

    seconds: int
    facts: dict[str, float | None]
    answers: list[str] = field(default_factory=list)
    pause: int = 0


VALUES: dict[str, list[float | None]] = {
    "clarity": [0.55, 0.68, 0.80, 0.92, 0.97, None],
    "chaos": [0.05, 0.14, 0.45, 0.75, 0.85, None],
    "trust": [0.35, 0.48, 0.54, 0.80, None],
    "pain": [0.30, 0.45, 0.55, 0.65, 0.90, None],
    "ethical_violation": [0, 1, None],
}

TURNS = st.lists(
    st.builds(
        Turn,
        seconds=st.sampled_from([1, 2, 6, 31, 70, 240, 700, 2000]),
        facts=st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in VALUES.items()}),
        answers=st.lists(st.sampled_from(["acknowledge", "approve", "refuse", "nonsense"]), max_size=3),
        pause=st.sampled_from([0, 0, 0, 30_000, 4_000_000]),
    ),
    min_size=1,
    max_size=8,
)
STRENGTHS = st.sampled_from([3, 4])


def play(turns: list[Turn], strength: int, *, skipping: bool = False, crashing: bool = False) -> World:
    """A whole history."""
    world = World(section(actions={"stimulate_creative_chaos": {"strength": strength, "for": "60s"}}))
    second = 0
    for turn in turns:
        for name, value in turn.facts.items():
            world.set(name, value)
        second += turn.seconds
        world.until(second, skipping=skipping)
        if crashing:
            world.reload()
        for answer in turn.answers:
            try:
                _answer(world, answer)
            except BadPoint:
                assert answer == "nonsense"
            if crashing:
                world.reload()
        world.log_now += turn.pause
        world.tick()
    return world


def _answer(world: World, answer: str) -> None:
    state = {event.action_id: event.state for event in world.said}
    wanted = "dispatched" if answer == "acknowledge" else "awaiting_approval"
    if answer == "nonsense":
        world.command(AcknowledgeAction(subject="alpha", who="x", action_id="no"))
    for action_id, stands in state.items():
        if stands == wanted:
            {"acknowledge": world.acknowledge, "approve": world.approve, "refuse": world.refuse}[answer](action_id)


_NEXT = {
    None: {"requested"},
    "requested": {"approved", "refused", "awaiting_approval"},
    "awaiting_approval": {"approved", "refused", "expired"},
    "approved": {"dispatched", "refused"},
    "dispatched": {"acknowledged", "expired"},
    "acknowledged": {"effective", "ineffective"},
}


@cases(60)
@given(TURNS, STRENGTHS)
def test_every_life_is_lawful(turns: list[Turn], strength: int) -> None:
    """Each state follows one that may precede it; nothing is dispatched without an approving review, nor past limit or cool-down."""
    world = play(turns, strength)
    state: dict[str, str] = {}
    approved: set[str] = set()
    dispatches: list[tuple[int, ActionEvent]] = []
    names: dict[str, str] = {}
    for event, named in zip(world.said, world.ids, strict=True):
        before = state.get(event.action_id)
        assert event.previous == before
        assert event.state in _NEXT[before]
        if before is None:
            assert event.action_id == named
            assert event.action not in names.values(), "an open one of the same name"
        state[event.action_id] = event.state
        names[event.action_id] = event.action
        if event.state in ("refused", "expired", "effective", "ineffective"):
            del names[event.action_id]
        if event.state == "approved":
            assert event.review is not None
            assert event.review.decision == "approved"
            approved.add(event.action_id)
        if event.state == "dispatched":
            assert event.action_id in approved
            assert event.until is not None
            dispatches.append((world.times[named], event))
    for at, event in dispatches:
        assert sum(at - 3_600_000 < other <= at for other, _ in dispatches) <= 3
        cooldown = {"clarity": 120, "chaos": 180, "trust": 240, "pain": 60}[event.metric] * 1000
        assert sum(at - cooldown < other <= at for other, dispatched in dispatches if dispatched.metric == event.metric) == 1


@cases(60)
@given(TURNS, STRENGTHS)
def test_skipping_equals_the_full_procedure(turns: list[Turn], strength: int) -> None:
    """Leaving out the judgings at which no rule changed and nothing is due changes no event (numbers of records apart)."""
    full, skipped = play(turns, strength), play(turns, strength, skipping=True)
    assert skipped.said == full.said
    assert skipped.ids == full.ids


@cases(60)
@given(TURNS, STRENGTHS)
def test_a_restored_machine_goes_on(turns: list[Turn], strength: int) -> None:
    """A crash between any two records changes no event."""
    assert play(turns, strength, crashing=True).said == play(turns, strength).said
