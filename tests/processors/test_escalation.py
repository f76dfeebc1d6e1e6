"""Escalation: who is told, when, by which key, what an acknowledgement stops, and what an end tells."""

from __future__ import annotations

import msgspec
import pytest

from schemas.outputs import SloStatus
from tests.processors.alerting import MONDAY, SUNDAY, Desk, replaced, spec_of

MINUTE = 60


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (
            "BLOCK P0",
            ["0 A DevOps Lead is told by slack", "300 A SRE is told by pagerduty", "900 A Tech Lead is told by email"],
        ),
        # 30 s and 60 s of waiting come before the minutes of the chain
        ("BLOCK P1", ["930 A SRE is told by pagerduty", "3630 A PM is told by email"]),
        ("WARN P2", ["14460 A PM is told by email"]),
    ],
)
def test_the_three_chains(status: str, expected: list[str]) -> None:
    """Nobody reacts: each role of the priority's row is told once, at its minute after firing."""
    desk = Desk(skip=True).at(0, chaos=status).until(10 * 3600)
    assert [line for line in desk.lines() if "told" in line] == expected


def test_without_traffic_ticks_drive_the_chain() -> None:
    """No judging comes after the first; the ticks of log time alone make each step due."""
    desk = Desk().at(0, chaos="BLOCK P0")
    for second in range(1, 1000):
        desk.now = second
        desk.alerts.tick(desk.instant(99))
        desk.take()
    assert [(e.step, e.due // 1000 - MONDAY) for e in desk.escalations()] == [(0, 0), (1, 300), (2, 900)]


@pytest.mark.parametrize("acknowledged", range(-1, 1200, 100))
def test_no_step_after_an_acknowledgement(acknowledged: int) -> None:
    """Whenever it comes, what was due is due once, what is left is cancelled, and at least one record says so."""
    desk = Desk(skip=True).at(0, chaos="BLOCK P0")
    if acknowledged > 0:
        desk.at(acknowledged, ack="A")
    desk.until(2 * 3600)
    states = [(e.step, e.state) for e in desk.escalations()]
    due = [step for step, after in enumerate((0, 300, 900)) if acknowledged < 0 or after < acknowledged]
    cancelled = [] if acknowledged < 0 else [step for step in range(3) if step not in due] or [2]
    assert states == [(step, "due") for step in due] + [(step, "cancelled") for step in cancelled]
    assert all(e.reason == "acknowledged by ann" for e in desk.escalations() if e.state == "cancelled")


def test_after_the_last_step_an_end_still_says_cancelled() -> None:
    """A notifier that is still trying to deliver the last step learns that it may stop."""
    desk = Desk(skip=True).at(0, chaos="BLOCK P0").at(1000, chaos="OK")
    assert desk.lines()[-5:] == [
        "1000 A resolved P0 chaos slo: recovered",
        "1000 A Tech Lead is not told by email",
        "1000 A DevOps Lead is told the end by slack",
        "1000 A SRE is told the end by pagerduty",
        "1000 A Tech Lead is told the end by email",
    ]


def test_trigger_and_end_of_a_step_have_one_key_and_steps_have_different_ones() -> None:
    """PagerDuty closes by the key that opened it, and takes two triggers of one key for one page."""
    desk = Desk(skip=True).at(0, chaos="BLOCK P0").at(1000, chaos="OK")
    keys = {(e.kind, e.step): e.dedup_key for e in desk.escalations() if e.state == "due"}
    assert [keys["trigger", step] for step in range(3)] == [keys["resolve", step] for step in range(3)]
    assert [keys["trigger", step] for step in range(3)] == [f"{desk.named('A')}/{step}" for step in range(3)]
    assert all(len(key) <= 255 for key in keys.values())


def test_a_step_tells_all_that_a_notifier_needs() -> None:
    """Who, how, about what, in one line; `ts` is log time."""
    desk = Desk().at(0, chaos="BLOCK P0")
    (event,) = desk.escalations()
    assert msgspec.to_builtins(event) == {
        "alert_id": desk.named("A"),
        "tenant": "default",
        "subject": "alpha",
        "metric": "chaos",
        "priority": "P0",
        "level": "BLOCK",
        "kind": "trigger",
        "step": 0,
        "role": "DevOps Lead",
        "who": "devops-lead",
        "channel": "slack",
        "state": "due",
        "reason": None,
        "due": MONDAY * 1000,
        "dedup_key": f"{desk.named('A')}/0",
        "summary": "P0 BLOCK default/alpha chaos 0.81 above 0.8, since 2026-11-23 12:00:00 UTC",
        "value": 0.81,
        "threshold": 0.8,
        "config": "c0ffee",
    }
    assert desk.outs[-1].ts == MONDAY * 1000


def test_escalations_carry_log_time_though_subject_time_stands_elsewhere() -> None:
    """Points of last year are judged now: people wait by the log's clock."""
    desk = Desk().at(0, chaos="BLOCK P1")
    instant = desk.instant(99)
    instant.now, instant.log_now = 1_700_000_000_000, (MONDAY + 930) * 1000
    desk.alerts.tick(instant)
    desk.take()
    firing, told = desk.outs[1:]
    assert (firing.topic, firing.ts) == ("alerts.events", 1_700_000_000_000)
    assert (told.topic, told.ts) == ("escalations.events", (MONDAY + 930) * 1000)


def test_summaries() -> None:
    """UNKNOWN, a burn rate, a low bound, flapping: each as a line that a person understands at night."""
    desk = Desk(spec_of(replaced(chains={"P1": chain_at_once(), "P2": chain_at_once()})))
    desk.at(0, chaos="WARN P2 low", pain="UNKNOWN missing").at(1, budget="page").until(302)
    rates = "14.4167 times as fast as allowed over 1h, limit 14.4"
    burning = f"P1 BLOCK default/alpha chaos spends its error budget {rates}, since 2026-11-23 12:00:01 UTC"
    assert [e.summary for e in desk.escalations()] == [
        "P2 WARN default/alpha chaos 0.61 below 0.6, since 2026-11-23 12:00:00 UTC",
        burning,
        "P2 UNKNOWN default/alpha pain is not known (missing), since 2026-11-23 12:00:00 UTC",
    ]
    desk.at(400, pain="OK")
    assert [e.summary for e in desk.escalations() if e.kind == "resolve"] == [
        "over (recovered): P2 UNKNOWN default/alpha pain is not known (missing), since 2026-11-23 12:00:00 UTC"
    ]


def chain_at_once() -> dict[str, object]:
    """A chain that tells SRE without waiting."""
    return {"wait": "0s", "steps": [{"role": "SRE", "after": "0m", "channel": "log"}]}


def test_a_crisis_that_only_the_short_mean_sees_is_told_by_it() -> None:
    """The 30 s mean is still inside the bound: the line tells the value that is beyond, and the other one."""
    desk = Desk().at(0, chaos="OK")
    calm = desk.levels["chaos"]
    crisis: SloStatus = msgspec.structs.replace(
        calm, level="BLOCK", priority="P0", value=0.495, fast_value=0.9, bound=0.8, side="high", since=(MONDAY + 5) * 1000
    )
    desk.now = 5
    desk.alerts.step(desk.instant(0), [("0-5-0-0-status", crisis)], [])
    desk.take()
    (event,) = desk.escalations()
    assert event.summary == (
        "P0 BLOCK default/alpha chaos 0.9 above 0.8 in the last seconds (mean of the window 0.495), since 2026-11-23 12:00:05 UTC"
    )
    assert (event.value, desk.events()[0].value) == (0.9, 0.495)
    desk.alerts.close(desk.instant(1))
    desk.alerts.step(desk.instant(2), [("0-5-0-0-status", msgspec.structs.replace(crisis, value=0.85))], [])
    desk.take()
    assert (desk.escalations()[-1].value, desk.escalations()[-1].summary[:44]) == (0.85, "P0 BLOCK default/alpha chaos 0.85 above 0.8,")


def test_an_outage_of_ours_delays_and_loses_nothing() -> None:
    """No ticks for an hour: the first one after it makes everything due that was owed, once, in order."""
    desk = Desk().at(0, chaos="BLOCK P1")
    desk.now = 4000
    desk.restore()
    for _ in range(2):
        desk.alerts.tick(desk.instant(99))
        desk.take()
    assert desk.lines() == [
        "0 A pending P1 chaos slo",
        "4000 A firing P1 chaos slo",
        "4000 A SRE is told by pagerduty",
        "4000 A PM is told by email",
    ]
    assert [e.due // 1000 - MONDAY for e in desk.escalations()] == [930, 3630]


@pytest.mark.parametrize("restart", [1, 299, 300, 301, 899, 900, 901])
def test_a_restart_repeats_and_skips_no_step(restart: int) -> None:
    """Whenever a worker takes over, each step is said once, at its time."""
    desk = Desk(skip=True).at(0, chaos="BLOCK P0").until(restart)
    desk.restore()
    desk.until(3600)
    assert [(e.step, e.state, e.due // 1000 - MONDAY) for e in desk.escalations()] == [(0, "due", 0), (1, "due", 300), (2, "due", 900)]


def test_an_end_within_a_silence_is_told() -> None:
    """Who was called on Saturday night hears on Sunday at three that it is over: an end wakes nobody up."""
    desk = Desk(start=SUNDAY - 3600, skip=True).at(0, chaos="BLOCK P1").at(2 * 3600, chaos="OK")
    assert desk.lines()[-3:] == [
        "7200 A resolved P1 chaos slo: recovered",
        "7200 A PM is not told by email",
        "7200 A SRE is told the end by pagerduty",
    ]


def test_another_configuration_keeps_what_was_told() -> None:
    """A chain that got shorter tells nobody twice, and the end reaches those who were told under the old one."""
    desk = Desk(skip=True).at(0, chaos="BLOCK P0").until(400)
    desk.spec = spec_of(replaced(chains={"P0": chain_at_once()}))
    desk.alerts.rebind(desk.spec)
    desk.until(3600).at(3600, chaos="OK")
    assert desk.lines()[3:] == [
        "3600 A resolved P0 chaos slo: recovered",
        "3600 A SRE is not told by pagerduty",
        "3600 A DevOps Lead is told the end by slack",
        "3600 A SRE is told the end by pagerduty",
    ]


def test_a_priority_without_a_chain_fires_and_tells_nobody() -> None:
    """An installation may leave P2 to the page alone."""
    desk = Desk(spec_of(replaced(chains={}))).at(0, chaos="WARN P2").at(5, chaos="OK")
    assert desk.lines() == ["0 A firing P2 chaos slo", "5 A resolved P2 chaos slo: recovered"]
