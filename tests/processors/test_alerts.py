"""Alerts as timelines: statuses and commands in, what people see out. Each rule of the domain's tables is one of them."""

from __future__ import annotations

import msgspec
import pytest

from iskra.config_files import load
from processors.alert_spec import triggers
from schemas.commands import AcknowledgeAlert, ResolveAlert
from schemas.points import BadPoint
from tests.processors.alerting import MONDAY, SUNDAY, Desk, replaced, spec_of
from tests.processors.living import METRICS

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


# --- UNKNOWN ---


def test_unknown_for_five_minutes_raises_an_alert_of_its_own() -> None:
    """P2, after 5 min of subject time; it ends when the metric is known again, whatever its level."""
    desk = Desk().at(0, chaos="UNKNOWN missing").until(300)
    assert desk.lines() == []
    desk.until(400).at(400, chaos="OK")
    assert desk.lines() == ["300 A pending P2 chaos unknown", "360 A firing P2 chaos unknown", *desk_end(400)]
    opened = desk.events()[0]
    assert (opened.level, opened.threshold, opened.since) == ("UNKNOWN", None, MONDAY * 1000)


def desk_end(second: int) -> list[str]:
    """The lines of the end of a P2 alert that fires and of which nobody was told yet."""
    return [f"{second} A resolved P2 chaos unknown: recovered", f"{second} A PM is not told by email"]


def test_unknown_for_less_raises_nothing() -> None:
    """4 min 59 s are not told."""
    desk = Desk().at(0, chaos="UNKNOWN missing").at(299, chaos="OK").until(1000)
    assert desk.lines() == []


def test_another_reason_is_the_same_unknown() -> None:
    """Missing, then sparse: UNKNOWN since the first, and one alert."""
    desk = Desk().at(0, chaos="UNKNOWN missing").at(200, chaos="UNKNOWN sparse").until(310)
    assert desk.lines() == ["300 A pending P2 chaos unknown"]
    assert desk.events()[0].since == MONDAY * 1000


def test_unknown_keeps_the_last_levels_alerts_open() -> None:
    """A metric that falls silent in a crisis has not recovered: its alert stands, its chain goes on, and its own alert comes beside it."""
    desk = Desk().at(0, chaos="BLOCK P0").at(100, chaos="UNKNOWN missing").until(500)
    assert desk.lines()[2:] == ["300 A SRE is told by pagerduty", "400 B pending P2 chaos unknown", "460 B firing P2 chaos unknown"]
    desk.at(500, chaos="BLOCK P0")
    assert desk.lines() == ["500 B resolved P2 chaos unknown: recovered", "500 B PM is not told by email"]


# --- budget ---


def test_pages_and_tickets_of_the_budget() -> None:
    """A page is P1, a ticket P2; the page absorbs the ticket, and gives way to it; the arithmetic stands in the evidence."""
    desk = Desk().at(0, budget="ticket").at(10, budget="page").at(20, budget="ticket").at(30, budget=None)
    assert desk.lines() == [
        "0 A pending P2 chaos budget",
        "10 B pending P1 chaos budget",
        "10 A resolved P2 chaos budget: absorbed by B",
        "20 C pending P2 chaos budget",
        "20 B resolved P1 chaos budget: eased to P2, C",
        "30 C resolved P2 chaos budget: recovered",
    ]
    ticket, page = desk.events()[:2]
    assert (page.level, page.threshold, page.statistic, page.window_ms, page.side) == ("BLOCK", 14.4, "burn", HOUR * 1000, None)
    assert (ticket.level, ticket.threshold, ticket.window_ms) == ("WARN", 6.0, 6 * HOUR * 1000)
    assert page.value == 519 / 36
    assert page.evidence.burn == {"1h": 519 / 36, "5m": 93.0}
    assert page.evidence.bad == {"1h": 519_000, "5m": 279_000}
    assert page.evidence.id == "0-10-0-0-budget"


def test_an_alert_of_the_budget_stands_beside_that_of_the_level() -> None:
    """They say different things; of one kind there is one."""
    desk = Desk().at(0, chaos="WARN P2", budget="page").at(5, chaos="OK")
    assert desk.lines() == ["0 A pending P2 chaos slo", "0 B pending P1 chaos budget", "5 A resolved P2 chaos slo: recovered"]


# --- flapping ---


def test_five_changes_in_ten_minutes_are_held_as_one_alert() -> None:
    """The fifth change holds it: neither closed nor opened again, until ten minutes pass without a change; then it closes if OK."""
    desk = Desk()
    for n, text in enumerate(["WARN P2", "OK", "WARN P2", "OK", "WARN P2", "OK", "WARN P2", "OK"]):
        desk.at(n * 30, chaos=text)
    desk.until(1000)
    assert desk.lines() == [
        "0 A pending P2 chaos slo",
        "30 A resolved P2 chaos slo: recovered",
        "60 B pending P2 chaos slo",
        "90 B resolved P2 chaos slo: recovered",
        "120 C pending P2 chaos slo flapping",
        "180 C firing P2 chaos slo flapping",
        "810 C resolved P2 chaos slo: recovered",
        "810 C PM is not told by email",
    ]


def test_a_recovery_that_is_the_fifth_change_is_held() -> None:
    """Flapping begins at an end: the alert stays, and says so."""
    desk = Desk().at(0, chaos="WARN P2")
    for second, text in ((10, "BLOCK P1"), (20, "WARN P2"), (30, "BLOCK P1"), (40, "OK")):
        desk.at(second, chaos=text)
    assert desk.lines()[-2:] == ["30 C resolved P2 chaos slo: absorbed by D", "40 D pending P1 chaos slo flapping"]


def test_flapping_hides_no_crisis() -> None:
    """While it is held something worse still opens, and absorbs it; easing waits for calm, and then gets its lower alert."""
    desk = Desk()
    for n, text in enumerate(["WARN P2", "OK", "WARN P2", "OK", "WARN P2", "BLOCK P0", "WARN P2"]):
        desk.at(n * 10, chaos=text)
    assert desk.lines()[-4:] == [
        "40 C pending P2 chaos slo flapping",
        "50 D firing P0 chaos slo flapping",
        "50 D DevOps Lead is told by slack",
        "50 C resolved P2 chaos slo flapping: absorbed by D",
    ]
    desk.at(60, ack="D").until(700)
    assert desk.lines()[-3:] == [
        "660 E acknowledged P2 chaos slo",
        "660 D resolved P0 chaos slo: eased to P2, E",
        "660 D DevOps Lead is told the end by slack",
    ]


def test_calm_with_the_trouble_still_there() -> None:
    """Ten minutes at one level: no longer flapping, the alert stands on and says so."""
    desk = Desk()
    for n, text in enumerate(["WARN P2", "OK", "WARN P2", "OK", "WARN P2"]):
        desk.at(n * 10, chaos=text)
    desk.at(100, ack="C").until(1000).at(1000, chaos="OK")
    assert desk.lines()[-3:] == [
        "100 C acknowledged P2 chaos slo flapping",
        "640 C acknowledged P2 chaos slo",
        "1000 C resolved P2 chaos slo: recovered",
    ]


def test_four_changes_or_five_in_a_longer_time_are_no_flapping() -> None:
    """The fifth change must come within ten minutes of the first."""
    desk = Desk()
    for n, text in enumerate(["WARN P2", "OK", "WARN P2", "OK", "WARN P2"]):
        desk.at(n * 150, chaos=text)
    assert not any(event.flapping for event in desk.events())
    desk = Desk()
    for n, text in enumerate(["WARN P2", "OK", "WARN P2", "OK", "WARN P2"]):
        desk.at(n * 149, chaos=text)
    assert desk.events()[-1].flapping
    desk = Desk()
    for second, text in zip((0, 590, 1180, 1190, 1200, 1210, 1220), ["WARN P2", "OK"] * 4, strict=False):
        desk.at(second, chaos=text)
    assert [event.flapping for event in desk.events()[-2:]] == [False, True]


def test_a_person_may_end_a_flapping_alert() -> None:
    """It is gone at once; when it recovers and fails again it is one alert again."""
    desk = Desk()
    for n, text in enumerate(["WARN P2", "OK", "WARN P2", "OK", "WARN P2"]):
        desk.at(n * 10, chaos=text)
    desk.at(45, resolve="C").at(50, chaos="OK").at(60, chaos="WARN P2").at(70, chaos="OK")
    assert desk.lines()[-2:] == ["45 C resolved P2 chaos slo flapping: resolved by bob", "60 D pending P2 chaos slo flapping"]


# --- ends of another kind ---


def test_a_forgotten_subject_closes_its_alerts() -> None:
    """Every open gets its close, with the chain cancelled and the end told."""
    desk = Desk().at(0, chaos="BLOCK P0", pain="WARN P2").at(10)
    instant = desk.instant(50)
    desk.alerts.close(instant)
    desk.take()
    assert desk.lines()[3:] == [
        "10 A resolved P0 chaos slo: the subject is forgotten",
        "10 A SRE is not told by pagerduty",
        "10 A Tech Lead is not told by email",
        "10 A DevOps Lead is told the end by slack",
        "10 B resolved P2 pain slo: the subject is forgotten",
    ]
    assert desk.alerts.dump() == [None, None, []]


def test_a_metric_that_the_configuration_drops_closes_its_alert() -> None:
    """At the next step; alerts of metrics that stay go on."""
    desk = Desk(skip=True).at(0, chaos="BLOCK P0", pain="WARN P2")
    desk.spec = spec_of(metrics=["clarity", "pain"])
    desk.alerts.rebind(desk.spec)
    assert desk.alerts.due == desk.alerts.log_due == 0
    desk.until(100)
    assert desk.lines()[3:] == [
        "1 A resolved P0 chaos slo: the metric is not judged any more",
        "1 A SRE is not told by pagerduty",
        "1 A Tech Lead is not told by email",
        "1 A DevOps Lead is told the end by slack",
        "60 B firing P2 pain slo",
    ]


def test_a_silence_that_the_configuration_drops_ends_at_once() -> None:
    """No alert stays silent for ever after a maintenance window that is no more."""
    desk = Desk(start=SUNDAY).at(0, chaos="BLOCK P1").until(600)
    assert desk.lines()[-1] == "30 A silenced P1 chaos slo"
    desk.spec = spec_of(replaced(silences=[]))
    desk.alerts.rebind(desk.spec)
    desk.until(620)
    assert desk.lines() == ["600 A firing P1 chaos slo"]


def test_another_configuration_is_seen_by_ticks_alone() -> None:
    """No point comes after the change: silences that are gone end, and alerts of a metric that is gone do, too."""
    desk = Desk(start=SUNDAY, skip=True).at(0, chaos="BLOCK P1", pain="BLOCK P1").until(600)
    desk.lines()
    desk.spec = spec_of(replaced(silences=[]), ["chaos"])
    desk.alerts.rebind(desk.spec)
    for second in (600, 601):
        desk.now = second
        assert desk.alerts.log_due <= (SUNDAY + second) * 1000
        desk.alerts.tick(desk.instant(99))
        desk.take()
    assert desk.lines() == ["600 B resolved P1 pain slo: the metric is not judged any more", "601 A firing P1 chaos slo"]


def test_alerts_stand_in_the_order_of_the_configuration() -> None:
    """Those that fire at one tick do so in the order of the table, also of a new one."""
    desk = Desk().at(0, chaos="BLOCK P1", pain="BLOCK P1").until(31)
    assert [line[:5] for line in desk.lines()] == ["0 A p", "0 B p", "30 A ", "30 B "]
    desk = Desk().at(0, chaos="BLOCK P1", pain="BLOCK P1")
    desk.spec = spec_of(metrics=["pain", "chaos"])
    desk.alerts.rebind(desk.spec)
    desk.until(31)
    assert [line[:5] for line in desk.lines()] == ["0 A p", "0 B p", "30 B ", "30 A "]


def test_an_alert_of_a_subject_without_trouble_costs_nothing() -> None:
    """OK says, keeps and asks for nothing; after a trouble everything is forgotten ten minutes later."""
    desk = Desk().at(0, clarity="OK", chaos="OK", trust="OK", pain="OK")
    assert desk.alerts.dump() == [None, None, []]
    desk.at(10, chaos="WARN P2").at(20, chaos="OK").until(700)
    assert desk.alerts.dump() == [None, None, []]


def test_what_a_metric_may_set_off_comes_from_the_configuration() -> None:
    """The automatic actions that belong to it, and the voices whose activation rules name it, in the order of their tables."""
    section = load().living
    assert section is not None
    actions, voices = triggers(section, METRICS)
    assert actions == {
        "clarity": ["activate_pino_hundun", "activate_sam_structure"],
        "chaos": ["stimulate_creative_chaos", "stabilize_system"],
        "trust": ["activate_anhantra_empathy"],
        "pain": ["emergency_recovery"],
    }
    assert voices == {
        "clarity": ["pino", "sam"],
        "chaos": ["kayn", "pino", "sam", "hundun"],
        "trust": ["kayn", "anhantra"],
        "pain": ["anhantra"],
    }


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"flapping_changes": 1}, "flapping_changes: expected 2 or more"),
        ({"people": {"SRE": "sre"}}, "people: expected who is DevOps Lead"),
        ({"silences": [{"day": "sunday", "start": "2:00", "end": "04:00"}]}, "expected a time HH:MM"),
        (
            {
                "chains": {
                    "P0": {
                        "wait": "0s",
                        "steps": [{"role": "SRE", "after": "5m", "channel": "x"}, {"role": "PM", "after": "0m", "channel": "x"}],
                    }
                }
            },
            "expected steps in the order of their times",
        ),
    ],
)
def test_chains_that_would_tell_nobody_are_refused(changes: dict[str, object], text: str) -> None:
    """A role without a person, steps out of order, a time that is none: flagged when it is loaded, not at night."""
    with pytest.raises(ValueError, match=text):
        spec_of(replaced(**changes))
