"""Events of the living part as the engine would say them, with what a test cares about filled in."""

from __future__ import annotations

from typing import Any

import msgspec

from schemas.events import (
    ActionEvent,
    ActionEvidence,
    AlertEvent,
    AlertEvidence,
    Cause,
    Effect,
    EscalationEvent,
    Review,
    TermValue,
    VoiceEvent,
)

CAUSE = Cause("t.metrics.points", 0, 1)


def voice(subject: str, name: str, event: Any, **more: Any) -> VoiceEvent:
    """A voice's event; `active` is the voice alone unless told."""
    told = VoiceEvent(
        tenant="default",
        subject=subject,
        voice=name,
        event=event,
        priority="high",
        rule="stagnation",
        terms=[TermValue("stagnation", True, 1.0)],
        against=None,
        reason=None,
        leading=name,
        symbol="observation",
        mode=None,
        active=[name],
        queued=[],
        actions=[],
        dropped={},
        by=None,
        why=None,
        evidence=CAUSE,
        config="c0ffee",
    )
    return msgspec.structs.replace(told, **more)


def alert(subject: str, named: str, state: Any, **more: Any) -> AlertEvent:
    """A state of an alert of chaos, P0."""
    told = AlertEvent(
        alert_id=named,
        tenant="default",
        subject=subject,
        metric="chaos",
        kind="slo",
        level="BLOCK",
        priority="P0",
        state=state,
        previous=None,
        threshold=0.8,
        side="high",
        value=0.85,
        statistic="mean",
        window_ms=30_000,
        since=1_762_435_106_000,
        first=1_762_435_106_000,
        last=1_762_435_106_000,
        group="default/chaos/P0",
        auto_actions=["stabilize_system"],
        voice_triggers=[],
        chain="P0",
        step=0,
        flapping=False,
        resolution=None,
        by=None,
        why=None,
        evidence=AlertEvidence("0-1-0-0-aa", 30, 0, "t.metrics.points", 0, 0, 1),
        config="c0ffee",
    )
    return msgspec.structs.replace(told, **more)


def step(subject: str, named: str, number: int, state: Any, **more: Any) -> EscalationEvent:
    """A step of an alert's chain."""
    told = EscalationEvent(
        alert_id=named,
        tenant="default",
        subject=subject,
        metric="chaos",
        priority="P0",
        level="BLOCK",
        kind="trigger",
        step=number,
        role="DevOps Lead",
        who="devops-lead",
        channel="slack",
        state=state,
        reason=None,
        due=1_762_435_106_000,
        dedup_key=f"{named}/{number}",
        summary="chaos 0.85 above 0.8",
        value=0.85,
        threshold=0.8,
        config="c0ffee",
    )
    return msgspec.structs.replace(told, **more)


def action(subject: str, named: str, state: Any, **more: Any) -> ActionEvent:
    """A state of an action."""
    told = ActionEvent(
        action_id=named,
        tenant="default",
        subject=subject,
        action="stabilize_system",
        metric="chaos",
        level="P0",
        state=state,
        previous=None,
        strength=5,
        review=None if state == "requested" else Review("iskriv", "approved", "no bound would be crossed"),
        effect=Effect("chaos", 0.3, 0.6, 60_000, 0.85, None, None),
        until=None,
        by=None,
        why=None,
        evidence=ActionEvidence("chaos > 0.8", [TermValue("chaos > 0.8", True, 0.85)], 1_762_435_106_000, "t.metrics.points", 0, 1),
        config="c0ffee",
    )
    return msgspec.structs.replace(told, **more)
