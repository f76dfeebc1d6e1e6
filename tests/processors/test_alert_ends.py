"""Alerts that end another way than by a recovery, and what the configuration has to do with them."""

from __future__ import annotations

import pytest

from iskra.config_files import load
from processors.alert_spec import triggers
from tests.processors.alerting import SUNDAY, Desk, replaced, spec_of
from tests.processors.living import METRICS

MINUTE = 60
HOUR = 3600


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
