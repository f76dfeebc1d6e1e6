"""Alerts of other kinds as timelines: UNKNOWN that lasts, the error budget, a level that flaps."""

from __future__ import annotations

from tests.processors.alerting import MONDAY, Desk, replaced, spec_of

MINUTE = 60
HOUR = 3600


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


def test_what_ended_a_held_unknown_is_told_though_another_has_begun() -> None:
    """The calm is over while the metric is UNKNOWN anew, but not for long enough: what ended it is its evidence."""
    spec = spec_of(replaced(unknown_after="10s", flapping_changes=2, flapping_window="1m"))
    desk = (
        Desk(spec).at(0, chaos="UNKNOWN missing").at(20, chaos="OK").at(75, chaos="UNKNOWN late").at(82, chaos="UNKNOWN stuck").until(100)
    )
    assert desk.lines()[-3:] == [
        "80 A resolved P2 chaos unknown: recovered",
        "80 A PM is not told by email",
        "85 B pending P2 chaos unknown",
    ]
    events = desk.events()
    ended, opened = (next(event for event in events[::-1] if event.state == state) for state in ("resolved", "pending"))
    (_, recovered, late, stuck) = desk.history["chaos"]
    assert (ended.value, ended.evidence.last_offset) == (recovered.value, recovered.evidence.last_offset)
    assert (opened.since, opened.evidence.last_offset) == (late.since, stuck.evidence.last_offset)


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
