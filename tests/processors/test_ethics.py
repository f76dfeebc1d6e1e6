"""The gate: each ground on which it refuses, and what it lets pass."""

from __future__ import annotations

from typing import Any

import pytest

from processors.ethics import Verdict, expected
from schemas import living
from tests.processors.acting import HEALTHY, START, World, section, spec_and_book

SUNDAY = 1_762_653_600_000
"""Epoch ms: 2025-11-09 02:00 UTC."""


def review(
    action: str,
    facts: dict[str, float | None] | None = None,
    *,
    lately: int = 0,
    approved: bool = False,
    log_now: int = START * 1000,
    changes: Any = None,
) -> Verdict:
    """The gate's word on `action` for a healthy subject with these facts."""
    world = World(section(actions={action: changes or {}}))
    for name, value in (facts or {}).items():
        world.set(name, value)
    world.facts.settle()
    return world.spec.by_name[action].gate.review(world.facts, log_now, lately, approved)


def test_an_approval_tells_what_is_expected() -> None:
    """The reason carries the model's expectation and the place within the limit."""
    verdict = review("stimulate_creative_chaos", {"chaos": 0.13, "clarity": 0.88}, lately=1)
    assert verdict.decision == "approved"
    assert verdict.reason == "expected chaos 0.130 → 0.430, clarity 0.880 → 0.760, inside the critical bounds; action 2 of 3 within 1 h"


@pytest.mark.parametrize(
    ("action", "facts", "reason"),
    [
        ("stimulate_creative_chaos", {"pain": 0.51}, "no chaos is injected while pain is above 0.5"),
        ("stimulate_creative_chaos", {"trust": 0.54}, "no chaos is injected while trust is below 0.55"),
        ("stimulate_creative_chaos", {"ethical_violation": 1}, "an ethical violation holds: only recovery may act"),
        ("activate_pino_hundun", {"ethical_violation": 1}, "an ethical violation holds: only recovery may act"),
        ("activate_sam_structure", {"ethical_violation": 1}, "an ethical violation holds: only recovery may act"),
        ("stimulate_creative_chaos", {"clarity": 0.60}, "clarity would go from 0.600 to 0.480, past its critical bound 0.5"),
        ("stimulate_creative_chaos", {"chaos": 0.51}, "chaos would go from 0.510 to 0.810, past its critical bound 0.8"),
        ("activate_pino_hundun", {"chaos": 0.75}, "chaos would go from 0.750 to 0.850, past its critical bound 0.8"),
        ("stabilize_system", {"chaos": 0.45}, "chaos would go from 0.450 to 0.050, past its critical bound 0.1"),
        ("stimulate_creative_chaos", {"clarity": None}, "clarity is unknown: nothing is injected unseen"),
    ],
)
def test_refused(action: str, facts: dict[str, float | None], reason: str) -> None:
    """Each ground, with its reason in words and numbers."""
    verdict = review(action, facts)
    assert (verdict.decision, verdict.reason) == ("refused", reason)


@pytest.mark.parametrize(
    ("action", "facts"),
    [
        ("stimulate_creative_chaos", {"pain": 0.50}),
        ("stimulate_creative_chaos", {"trust": 0.55}),
        ("stimulate_creative_chaos", {"pain": None, "trust": None, "ethical_violation": None}),
        ("stabilize_system", {"ethical_violation": 1, "chaos": 0.85}),
        ("activate_anhantra_empathy", {"ethical_violation": 1, "trust": 0.45}),
        ("emergency_recovery", {"ethical_violation": 1, "pain": 0.65}),
        ("activate_sam_structure", {"clarity": 0.55, "chaos": None}),
        ("activate_pino_hundun", {"clarity": 0.97, "chaos": 0.05}),
    ],
)
def test_passed(action: str, facts: dict[str, float | None]) -> None:
    """Exactly on a bound is inside; recovery acts under a violation; unknown does not fire; a way back is no push past a bound."""
    assert review(action, facts).decision == "approved"


def test_still_beyond_a_bound_but_nearer() -> None:
    """An action that brings a metric nearer, if not yet inside, is not refused for where it stands."""
    assert review("activate_anhantra_empathy", {"trust": 0.15}).decision == "approved"
    assert expected(0.15, 0.04, 5, 0.0, 1.0) == pytest.approx(0.35)


def test_values_have_an_end() -> None:
    """What is expected stays within the values that the metric can have."""
    assert expected(0.9, 0.1, 3, 0.0, 1.0) == 1.0
    assert expected(0.1, -0.1, 3, 0.0, 1.0) == 0.0


def test_maintenance_concerns_injections_alone() -> None:
    """In a window nothing is injected; other actions pass."""
    assert review("stimulate_creative_chaos", log_now=SUNDAY).reason == "no injection in a maintenance window"
    assert review("stimulate_creative_chaos", log_now=SUNDAY - 1).decision == "approved"
    assert review("activate_pino_hundun", {"clarity": 0.92}, log_now=SUNDAY).decision == "approved"


def test_strength_needs_a_person() -> None:
    """Above strength 3 an injection waits for a person; approved, it passes; other kinds do not wait."""
    strong = {"strength": 4}
    verdict = review("stimulate_creative_chaos", {"chaos": 0.13}, changes=strong)
    assert (verdict.decision, verdict.reason) == ("needs_approval", "an injection of strength 4 needs a person's approval")
    assert review("stimulate_creative_chaos", {"chaos": 0.13}, changes=strong, approved=True).decision == "approved"
    assert review("stimulate_creative_chaos", {"chaos": 0.13, "pain": 0.6}, changes=strong, approved=True).decision == "refused"
    assert review("activate_sam_structure", {"clarity": 0.55}).decision == "approved"


def test_the_limit_concerns_recovery_too() -> None:
    """The fourth within the hour is refused, whatever its kind."""
    verdict = review("emergency_recovery", {"pain": 0.65}, lately=3)
    assert (verdict.decision, verdict.code) == ("refused", "limit")
    assert review("emergency_recovery", {"pain": 0.65}, lately=2).decision == "approved"


def test_configurations_that_do_not_fit() -> None:
    """An action of a metric without a range, or with an effect on an unknown metric, is refused with its place."""

    def with_change(**change: Any) -> living.Actions:
        return section(actions={"emergency_recovery": change})

    with pytest.raises(ValueError, match=r"actions\.emergency_recovery\.metric: expected a metric that has a range, got 'mood'"):
        spec_and_book(with_change(metric="mood"))
    with pytest.raises(ValueError, match=r"actions\.emergency_recovery\.effects\.mood: expected a metric with bounds"):
        spec_and_book(with_change(effects={"mood": 0.1}))


def test_healthy_subjects_are_asked_nothing() -> None:
    """No condition of the six holds for targets."""
    world = World()
    world.facts.settle()
    assert {name: world.facts.value(name) for name in HEALTHY} == HEALTHY
    assert [world.facts.holds(spec.rule) for spec in world.spec.actions] == [False] * 6
