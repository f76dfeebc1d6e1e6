"""Random troubles, people, restarts and configurations: what must hold of alerts and escalation whatever happens."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from processors.calendar import Calendar
from processors.emission import Output
from schemas import topics
from schemas.events import AlertEvent, EscalationEvent
from tests.processors.alerting import SUNDAY, Desk, replaced, spec_of
from tests.processors.profiles import cases

QUICK = replaced(
    chains={
        "P0": {
            "wait": "0s",
            "steps": [
                {"role": "DevOps Lead", "after": "0s", "channel": "slack"},
                {"role": "SRE", "after": "3s", "channel": "pagerduty"},
                {"role": "Tech Lead", "after": "8s", "channel": "email"},
            ],
        },
        "P1": {
            "wait": "2s",
            "steps": [{"role": "SRE", "after": "4s", "channel": "pagerduty"}, {"role": "PM", "after": "9s", "channel": "email"}],
        },
        "P2": {"wait": "4s", "steps": [{"role": "PM", "after": "10s", "channel": "email"}]},
    },
    flapping_changes=3,
    flapping_window="10s",
    unknown_after="6s",
    silences=[{"day": "sunday", "start": "02:00", "end": "02:01"}, {"day": "sunday", "start": "02:02", "end": "02:03"}],
)
"""Everything within seconds; two silences of a minute each."""
SILENCES = Calendar(QUICK.silences)
BOTH = spec_of(QUICK, ["chaos", "pain"])
OTHER = spec_of(replaced(chains={"P0": {"wait": "1s", "steps": []}}, silences=[]), ["pain"])
"""Without chaos, without silences, nearly without chains."""

levels = st.sampled_from(["OK", "OK", "WARN P2", "BLOCK P1", "BLOCK P1 low", "BLOCK P0", "UNKNOWN missing", "UNKNOWN stuck"])
happenings = st.one_of(
    st.fixed_dictionaries({"chaos": levels}),
    st.fixed_dictionaries({"chaos": levels}),
    st.fixed_dictionaries({"pain": levels, "chaos": levels}),
    st.fixed_dictionaries({"budget": st.sampled_from([None, "page", "ticket"])}),
    st.fixed_dictionaries({"ack": st.integers(0, 3)}),
    st.fixed_dictionaries({"resolve": st.integers(0, 3)}),
)
gaps = st.one_of(st.integers(1, 4), st.integers(1, 4), st.integers(1, 15), st.integers(15, 90))
scripts = st.lists(st.tuples(gaps, happenings, st.booleans()), min_size=1, max_size=25)


def play(desk: Desk, second: int, what: dict[str, Any]) -> None:
    """One happening; commands are about one of the alerts that are open, if there is any."""
    what = {name: level for name, level in what.items() if name not in desk.levels or wording(desk, name) != level}
    for name in ("ack", "resolve"):
        if name in what:
            open_ones = [event.alert_id for event in standing(desk) if name == "resolve" or event.state != "acknowledged"]
            number = what.pop(name)
            if number < len(open_ones):
                what[name] = open_ones[number]
    desk.at(second, lenient=True, **what)


def wording(desk: Desk, metric: str) -> str:
    """The last status of a metric, as the script writes it."""
    last = desk.levels[metric]
    low = " low" if last.side == "low" else ""
    return " ".join(filter(None, (last.level, last.priority, last.reason))) + low


def standing(desk: Desk) -> list[AlertEvent]:
    """The last event of each alert that is open, in the order of opening."""
    latest: dict[str, AlertEvent] = {}
    for event in desk.events():
        latest[event.alert_id] = event
    return [event for event in latest.values() if event.state != "resolved"]


def finish(desk: Desk) -> None:
    """The subject is forgotten."""
    desk.alerts.close(desk.instant(50))
    desk.take()


@cases(150)
@given(scripts, st.integers(0, 100))
def test_whatever_happens(script: list[tuple[int, dict[str, Any], bool]], before: int) -> None:
    """Called at every second, or only when due and restored at random points: the same outputs; and of them the invariants hold."""
    full = Desk(BOTH, SUNDAY - before)
    skipping = Desk(BOTH, SUNDAY - before, skip=True)
    resolved_by_person = False
    second = 0
    for gap, what, restore in script:
        second += gap
        play(full, second, what)
        play(skipping, second, what)
        resolved_by_person = resolved_by_person or any(event.by == "bob" for event in full.events())
        if restore:
            skipping.restore()
        check_standing(full, complete=not resolved_by_person)
    finish(full)
    finish(skipping)
    assert [told(out) for out in full.outs] == [told(out) for out in skipping.outs]
    assert full.alerts.dump() == [None, None, []]
    check_lives(full.outs)


@cases(60)
@given(scripts, st.integers(0, 24))
def test_another_configuration_in_the_middle(script: list[tuple[int, dict[str, Any], bool]], change: int) -> None:
    """A metric and its chain are dropped, and come back: each alert still has one end, each step is said once."""
    full, skipping = Desk(BOTH, SUNDAY - 30), Desk(BOTH, SUNDAY - 30, skip=True)
    second = 0
    for number, (gap, what, restore) in enumerate(script):
        second += gap
        for desk in (full, skipping):
            if number in (change, change + 5):
                desk.spec = OTHER if number == change else BOTH
                desk.alerts.rebind(desk.spec)
            play(desk, second, what)
        if restore:
            skipping.restore()
    finish(full)
    finish(skipping)
    assert [told(out) for out in full.outs] == [told(out) for out in skipping.outs]
    check_lives(full.outs, silences=False)


def told(out: Output) -> tuple[object, ...]:
    """All that an output says."""
    return (out.topic, out.key, out.id, out.ts, out.value)


def check_standing(desk: Desk, complete: bool) -> None:
    """One alert at the most of each metric and kind; and, unless a person ended one, one for all that is wrong."""
    open_ones = standing(desk)
    assert len({(event.metric, event.kind) for event in open_ones}) == len(open_ones)
    slo = {event.metric: event for event in open_ones if event.kind == "slo"}
    wrong: dict[str, str | None] = {}
    for metric, status in desk.levels.items():
        known = status if status.level != "UNKNOWN" else last_known(desk, metric)
        wrong[metric] = known.priority if known is not None else None
    for metric, priority in wrong.items():
        if priority is None:
            assert metric not in slo or slo[metric].flapping
        elif complete:
            assert slo[metric].priority == priority or (slo[metric].flapping and slo[metric].priority < priority)


def last_known(desk: Desk, metric: str) -> Any:
    """The last status that was not UNKNOWN."""
    return next((status for status in reversed(desk.history[metric]) if status.level != "UNKNOWN"), None)


def check_lives(outs: list[Output], silences: bool = True) -> None:
    """Each alert has one beginning and one end; each step is said once, none after an acknowledgement or an end or in a silence."""
    states: dict[str, str] = {}
    fired: set[str] = set()
    due: dict[str, list[int]] = {}
    cancelled: set[str] = set()
    ends: dict[str, list[int]] = {}
    for out in outs:
        event = out.value
        if isinstance(event, AlertEvent):
            assert out.topic == topics.ALERTS
            assert event.previous == states.get(event.alert_id)
            assert event.previous != "resolved"
            assert (event.resolution is not None) == (event.state == "resolved")
            assert event.step == len(due.get(event.alert_id, []))
            if event.previous is None:
                assert event.alert_id == out.id
            if event.state == "firing":
                fired.add(event.alert_id)
            states[event.alert_id] = event.state
            continue
        assert isinstance(event, EscalationEvent)
        assert out.topic == topics.ESCALATIONS
        if event.state == "cancelled":
            assert states[event.alert_id] in ("acknowledged", "resolved")
            cancelled.add(event.alert_id)
        elif event.kind == "trigger":
            assert states[event.alert_id] == "firing"
            due.setdefault(event.alert_id, []).append(event.step)
            if silences and event.priority != "P0":
                assert not SILENCES.holds(out.ts)
        else:
            assert states[event.alert_id] == "resolved"
            ends.setdefault(event.alert_id, []).append(event.step)
    assert set(states.values()) <= {"resolved"}
    for steps in due.values():
        assert steps == list(range(len(steps)))
    assert ends == due
    # of each alert that people may have been told about they also heard that no more comes
    assert set(due) <= cancelled <= fired
    if silences:
        assert cancelled == fired
