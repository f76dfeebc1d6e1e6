"""Alerts as timelines: statuses and commands in, what people see out. Each rule of the domain's tables is one of them."""

from __future__ import annotations

import msgspec
import pytest

from schemas.commands import AcknowledgeAlert, ResolveAlert
from schemas.points import BadPoint
from tests.processors.alerting import MONDAY, SUNDAY, Desk, replaced, spec_of

MINUTE = 60
HOUR = 3600


# --- pending, firing, resolved ---


def test_p0_fires_in_the_same_instant() -> None:
    """A crisis waits for nothing: alert and first step are said by the judging that finds it."""
    desk = Desk().at(10, chaos="BLOCK P0")
    assert desk.lines() == ["10 A firing P0 chaos slo", "10 A DevOps Lead is told by slack"]


def test_p1_and_p2_are_pending_first() -> None:
    """P1 fires after 30 s of log time, P2 after 60 s."""
    desk = Desk().at(10, clarity="WARN P2", chaos="BLOCK P1").until(100)
    assert desk.lines() == [
        "10 A pending P2 clarity slo",
        "10 B pending P1 chaos slo",
        "40 B firing P1 chaos slo",
        "70 A firing P2 clarity slo",
    ]


def test_a_short_trouble_tells_nobody() -> None:
    """What recovers while pending is resolved without a word to anybody."""
    desk = Desk().at(0, chaos="WARN P2").at(59, chaos="OK").until(6 * HOUR)
    assert desk.lines() == ["0 A pending P2 chaos slo", "59 A resolved P2 chaos slo: recovered"]


def test_an_alert_tells_what_it_is_about() -> None:
    """All that a person or a page needs stands on each event."""
    desk = Desk().at(10, chaos="BLOCK P1").until(50)
    pending, firing = desk.events()
    assert pending.alert_id == f"0-{(MONDAY + 10) * 100}-0-0-0123456789abcdef" == desk.outs[0].id
    assert (pending.tenant, pending.subject, pending.metric, pending.kind, pending.level, pending.priority) == (
        "default",
        "alpha",
        "chaos",
        "slo",
        "BLOCK",
        "P1",
    )
    assert (pending.threshold, pending.side, pending.value, pending.statistic, pending.window_ms) == (0.7, "high", 0.71, "mean", 30_000)
    assert pending.since == pending.first == pending.last == (MONDAY + 10) * 1000
    assert (pending.state, pending.previous, pending.chain, pending.step, pending.resolution) == ("pending", None, "P1", 0, None)
    assert pending.auto_actions == ["stimulate_creative_chaos", "stabilize_system"]
    assert pending.voice_triggers == ["kayn", "pino", "sam", "hundun"]
    offset = (MONDAY + 10) * 100
    assert msgspec.to_builtins(pending.evidence) == {
        "id": f"0-{offset}-0-0-status",
        "count": 30,
        "late": 0,
        "topic": "iskra.metrics.points",
        "partition": 0,
        "first_offset": offset - 29,
        "last_offset": offset,
        "burn": None,
        "bad": None,
    }
    assert (firing.alert_id, firing.previous, firing.first, firing.last) == (
        pending.alert_id,
        "pending",
        pending.first,
        pending.first + 30_000,
    )
    assert firing.evidence == pending.evidence


def test_the_end_tells_value_and_evidence_of_the_recovery() -> None:
    """A resolved event names the status that ended it, with the bound that had been crossed."""
    desk = Desk().at(10, chaos="BLOCK P1").at(20, chaos="OK")
    end = desk.events()[-1]
    assert (end.state, end.value, end.threshold, end.evidence.id) == ("resolved", 0.45, 0.7, f"0-{(MONDAY + 20) * 100}-0-0-status")


# --- higher and lower ---


def test_a_higher_alert_absorbs_the_lower() -> None:
    """WARN becomes BLOCK: one alert takes the place of the other, which ends by its name."""
    desk = Desk().at(0, chaos="WARN P2").at(10, chaos="BLOCK P1").at(20, chaos="BLOCK P0")
    assert desk.lines() == [
        "0 A pending P2 chaos slo",
        "10 B pending P1 chaos slo",
        "10 A resolved P2 chaos slo: absorbed by B",
        "20 C firing P0 chaos slo",
        "20 C DevOps Lead is told by slack",
        "20 B resolved P1 chaos slo: absorbed by C",
    ]


def test_a_lower_alert_opens_when_the_higher_ends() -> None:
    """BLOCK eases to WARN: a new lower alert, with a wait and a chain of its own; those who were told hear of the end."""
    desk = Desk().at(0, chaos="BLOCK P0").at(10, chaos="WARN P2").until(100)
    assert desk.lines() == [
        "0 A firing P0 chaos slo",
        "0 A DevOps Lead is told by slack",
        "10 B pending P2 chaos slo",
        "10 A resolved P0 chaos slo: eased to P2, B",
        "10 A SRE is not told by pagerduty",
        "10 A Tech Lead is not told by email",
        "10 A DevOps Lead is told the end by slack",
        "70 B firing P2 chaos slo",
    ]


def test_alerts_of_other_metrics_are_other_alerts() -> None:
    """Only the same metric's alert is absorbed."""
    desk = Desk().at(0, chaos="WARN P2").at(5, pain="BLOCK P1")
    assert desk.lines() == ["0 A pending P2 chaos slo", "5 B pending P1 pain slo"]


def test_the_other_side_at_the_same_priority_is_the_same_alert() -> None:
    """From too much to too little without a pause between: one trouble, one alert."""
    desk = Desk().at(0, chaos="BLOCK P1 high").at(5, chaos="BLOCK P1 low").at(20, chaos="OK")
    assert desk.lines() == ["0 A pending P1 chaos slo", "20 A resolved P1 chaos slo: recovered"]


# --- people ---


def test_an_acknowledgement_stops_the_chain() -> None:
    """Who takes an alert is the last to be told, until it is over."""
    desk = Desk().at(0, chaos="BLOCK P0").at(60, ack="A").until(HOUR)
    assert desk.lines()[2:] == [
        "60 A acknowledged P0 chaos slo",
        "60 A SRE is not told by pagerduty",
        "60 A Tech Lead is not told by email",
    ]
    assert [(e.by, e.why) for e in desk.events()] == [(None, None), ("ann", "on it")]
    desk.at(HOUR, chaos="OK")
    assert desk.lines() == [f"{HOUR} A resolved P0 chaos slo: recovered", f"{HOUR} A DevOps Lead is told the end by slack"]


def test_an_alert_may_be_taken_while_it_is_pending() -> None:
    """Who sees it on the page before anybody is told may spare the others."""
    desk = Desk().at(0, chaos="WARN P2").at(10, ack="A").until(6 * HOUR)
    assert desk.lines() == ["0 A pending P2 chaos slo", "10 A acknowledged P2 chaos slo"]


def test_the_acknowledgement_of_a_higher_alert_holds_for_the_lower() -> None:
    """Who has the crisis has what is left of it: nobody is called again while it gets better. What gets worse is news."""
    desk = Desk().at(0, chaos="BLOCK P0").at(30, ack="A").at(60, chaos="BLOCK P1").until(2 * HOUR)
    assert desk.lines()[-3:] == [
        "60 B acknowledged P1 chaos slo",
        "60 A resolved P0 chaos slo: eased to P1, B",
        "60 A DevOps Lead is told the end by slack",
    ]
    assert (desk.events()[-2].by, desk.events()[-2].why) == ("ann", f"has acknowledged {desk.named('A')}")
    desk.at(2 * HOUR, chaos="BLOCK P0")
    assert desk.lines()[:2] == [f"{2 * HOUR} C firing P0 chaos slo", f"{2 * HOUR} C DevOps Lead is told by slack"]


def test_a_person_ends_an_alert() -> None:
    """A resolve cancels the rest of the chain, and tells those who were told; it opens again only if it worsens."""
    desk = Desk().at(0, chaos="BLOCK P1").at(16 * MINUTE, resolve="A")
    assert desk.lines()[2:] == [
        "930 A SRE is told by pagerduty",
        "960 A resolved P1 chaos slo: resolved by bob",
        "960 A PM is not told by email",
        "960 A SRE is told the end by pagerduty",
    ]
    assert (desk.events()[-1].by, desk.events()[-1].why) == ("bob", "mended")
    desk.at(1000, chaos="UNKNOWN missing").at(1010, chaos="BLOCK P1").at(1020, chaos="WARN P2").until(3000)
    assert desk.lines() == []
    desk.at(3000, chaos="BLOCK P1")
    assert desk.lines() == ["3000 B pending P1 chaos slo"]


def test_after_a_resolve_a_recovery_and_a_new_failure_open_again() -> None:
    """Recovered and failed again: a new alert with a new id."""
    desk = Desk().at(0, chaos="WARN P2").at(10, resolve="A").at(20, chaos="OK").at(30, chaos="WARN P2")
    assert desk.lines() == ["0 A pending P2 chaos slo", "10 A resolved P2 chaos slo: resolved by bob", "30 B pending P2 chaos slo"]


def test_commands_that_make_no_sense_are_refused() -> None:
    """An alert that is not open, and an acknowledgement that stands already; the message says which."""
    desk = Desk().at(0, chaos="BLOCK P0").at(5, ack="A")
    named = desk.named("A")
    with pytest.raises(BadPoint, match="acknowledged already, by ann") as refused:
        desk.send(AcknowledgeAlert(subject="alpha", who="bob", alert_id=named))
    assert refused.value.reason == "bad_command"
    desk.at(6, resolve="A")
    for command in (AcknowledgeAlert, ResolveAlert):
        for wrong in (named, "0-1-0-0-0123456789abcdef"):
            with pytest.raises(BadPoint, match="expected that of an open alert"):
                desk.send(command(subject="alpha", who="bob", alert_id=wrong))


# --- silences ---


def test_p2_and_p1_tell_nobody_within_a_silence() -> None:
    """On a Sunday at three: silenced instead of firing, and the chain starts at four, when the silence ends and it still stands."""
    desk = Desk(start=SUNDAY, skip=True).at(HOUR, chaos="BLOCK P1", pain="WARN P2").at(HOUR + 300, pain="OK").until(5 * HOUR)
    assert desk.lines() == [
        "3600 A pending P1 chaos slo",
        "3600 B pending P2 pain slo",
        "3630 A silenced P1 chaos slo",
        "3660 B silenced P2 pain slo",
        "3900 B resolved P2 pain slo: recovered",
        "7200 A firing P1 chaos slo",
        "8100 A SRE is told by pagerduty",
        "10800 A PM is told by email",
    ]


def test_p0_is_never_silenced() -> None:
    """A crisis on a Sunday at three is told at once, and its chain goes on."""
    desk = Desk(start=SUNDAY).at(HOUR, chaos="BLOCK P0").until(HOUR + 301)
    assert desk.lines() == ["3600 A firing P0 chaos slo", "3600 A DevOps Lead is told by slack", "3900 A SRE is told by pagerduty"]


def test_a_step_that_falls_into_a_silence_waits_for_its_end() -> None:
    """Firing since 01:50, the step of 02:05 becomes due at 04:00, once."""
    desk = Desk(start=SUNDAY - HOUR, skip=True).at(3000 - 30, chaos="BLOCK P1").until(6 * HOUR)
    assert desk.lines() == [
        "2970 A pending P1 chaos slo",
        "3000 A firing P1 chaos slo",
        "10800 A SRE is told by pagerduty",
        "10800 A PM is told by email",
    ]
    assert [e.due for e in desk.escalations()] == [(SUNDAY + 2 * HOUR) * 1000] * 2


def test_pending_over_the_end_of_a_silence() -> None:
    """Opened ten seconds before the silence ends: it fires after its wait, as always."""
    desk = Desk(start=SUNDAY).at(2 * HOUR - 10, chaos="BLOCK P1").until(2 * HOUR + 60)
    assert desk.lines() == ["7190 A pending P1 chaos slo", "7220 A firing P1 chaos slo"]


def test_an_outage_over_the_end_of_a_silence() -> None:
    """Nothing ticked from three to ten past four: the alert fires at the first tick, its chain counts from four."""
    desk = Desk(start=SUNDAY).at(HOUR, chaos="BLOCK P1")
    desk.now = 2 * HOUR + 600
    desk.until(4 * HOUR)
    assert desk.lines()[1:3] == ["7801 A firing P1 chaos slo", "8100 A SRE is told by pagerduty"]


def test_an_outage_into_a_silence() -> None:
    """A step was due at 01:55, the first tick comes at 02:30: it waits for four."""
    desk = Desk(start=SUNDAY - HOUR).at(HOUR - 1200, chaos="BLOCK P1").until(HOUR - 600)
    desk.now = HOUR + 1800
    desk.until(3 * HOUR + 1)
    assert desk.lines()[1:] == [
        "2430 A firing P1 chaos slo",
        "10800 A SRE is told by pagerduty",
        "10800 A PM is told by email",
    ]


def test_from_one_silence_into_the_next() -> None:
    """Where the end of a silence was slept through and another has begun, it stays silenced, and says it once."""
    times = [("02:00", "04:00"), ("04:05", "04:30")]
    silences = [{"day": "sunday", "start": start, "end": end} for start, end in times]
    desk = Desk(spec_of(replaced(silences=silences)), SUNDAY).at(HOUR, chaos="BLOCK P1").until(HOUR + 60)
    desk.now = 2 * HOUR + 600
    desk.until(2 * HOUR + 1801)
    assert desk.lines()[1:] == ["3630 A silenced P1 chaos slo", "9000 A firing P1 chaos slo"]


def test_a_silenced_alert_may_be_acknowledged() -> None:
    """Then nothing is owed when the silence ends."""
    desk = Desk(start=SUNDAY, skip=True).at(HOUR, chaos="BLOCK P1").at(HOUR + 60, ack="A").until(24 * HOUR)
    assert desk.lines()[2:] == ["3660 A acknowledged P1 chaos slo"]
