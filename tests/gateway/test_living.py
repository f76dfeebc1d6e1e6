"""What a subject's life looks like after its events, without a broker."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.keys import Key, SubjectKey
from gateway.living import CLOSED_KEPT, Life, LifeRead, read_life
from gateway.world import Status, World
from iskra import config_files
from schemas.events import Cause, SignalsSample
from schemas.living import Alerts
from schemas.topics import ACTIONS, ALERTS, BUDGET, DEAD_LETTERS, ESCALATIONS, SIGNALS, VOICES
from tests.gateway.events import action, alert, step, voice

SUBJECT = SubjectKey("space", "default", "alpha")
T = 1_762_435_106_000
MINUTE = 60_000


@cache
def plan(_: str) -> Alerts | None:
    living = config_files.load().living
    assert living is not None
    return living.alerts


def read(short: str, message: msgspec.Struct, offset: int, by: bytes | None = None) -> LifeRead:
    found = read_life("space", short, b"default/alpha", f"0-{offset}-0-0-aa", T + offset, msgspec.json.encode(message), by)
    assert found is not None
    return found


def section(life: Life, name: str) -> Any:
    return json.loads(life.section(name, plan))


def lived(*events: tuple[str, msgspec.Struct]) -> Life:
    life = Life()
    for offset, (short, message) in enumerate(events, 1):
        life.take(read(short, message, offset))
    return life


def test_who_speaks_is_what_the_last_event_says_with_each_voice_s_own_beginning() -> None:
    """A voice stands with the event that made it speak or wait, until an event no longer names it."""
    life = lived(
        (VOICES, voice("alpha", "pino", "activated")),
        (VOICES, voice("alpha", "sam", "queued", leading="pino", active=["pino"], queued=["sam"], against="hundun", reason="less")),
        (VOICES, voice("alpha", "hundun", "activated", leading="pino", active=["pino", "hundun"], queued=["sam"])),
    )
    told = section(life, "voices")
    assert [(each["voice"], each["said"]["ts"]) for each in told["active"]] == [("pino", T + 1), ("hundun", T + 3)]
    assert (told["queued"][0]["said"]["against"], told["leading"], told["leading_since"]) == ("hundun", "pino", T + 1)
    assert not life.is_resting
    life.take(read(VOICES, voice("alpha", "pino", "deactivated", leading=None, active=[], queued=[]), 9))
    assert section(life, "voices")["active"] == section(life, "voices")["queued"] == []
    assert life.is_resting


def test_an_alert_tells_what_is_next() -> None:
    """A firing alert waits for the first step that is not due yet; pending, it waits to fire; with an owner, for nothing."""
    life = lived((ALERTS, alert("alpha", "a", "pending", priority="P1", chain="P1", first=T)))
    (open_,) = section(life, "alerts")["open"]
    assert open_["next"] == {"what": "fires", "due": T + 30_000}
    life = lived(
        (ALERTS, alert("alpha", "a", "firing", first=T, last=T)),
        (ESCALATIONS, step("alpha", "a", 0, "due")),
    )
    (open_,) = section(life, "alerts")["open"]
    assert open_["next"] == {
        "what": "step", "step": 1, "role": "SRE", "who": "sre", "channel": "pagerduty", "due": T + 5 * MINUTE,
    }  # fmt: skip
    life.take(read(ALERTS, alert("alpha", "a", "acknowledged", by="ada"), 9))
    assert section(life, "alerts")["open"][0]["next"] is None


def test_a_silence_puts_the_chain_off() -> None:
    """An alert that fired much later than it would have counts its steps from when it fired."""
    life = lived((ALERTS, alert("alpha", "a", "firing", priority="P1", chain="P1", first=T, last=T + 60 * MINUTE)))
    assert section(life, "alerts")["open"][0]["next"]["due"] == T + 75 * MINUTE


def test_steps_that_are_read_before_their_alert_wait_for_it() -> None:
    """Topics are read side by side: an escalation may come first, and what the notifier did counts whatever its place."""
    life = lived((ESCALATIONS, step("alpha", "a", 0, "due")), (ALERTS, alert("alpha", "a", "firing")))
    assert life.take(read(ESCALATIONS, step("alpha", "a", 0, "sent"), 1, by=b"notify")) == "alerts"
    (open_,) = section(life, "alerts")["open"]
    assert [(each["step"], each["state"]) for each in open_["steps"]] == [(0, "sent")]
    assert open_["next"]["step"] == 1


def test_an_action_keeps_the_states_that_it_went_through() -> None:
    """Its whole life can be shown; when it is over it stands among the closed ones, of which few are kept."""
    states = ("requested", "approved", "dispatched", "acknowledged", "effective")
    life = lived(*((ACTIONS, action("alpha", "x", state)) for state in states))
    told = section(life, "actions")
    assert told["open"] == []
    assert [each["state"] for each in told["closed"][0]["states"]] == list(states)
    for n in range(2 * CLOSED_KEPT):
        life.take(read(ACTIONS, action("alpha", f"y{n}", "refused"), 100 + n))
    assert [each["action_id"] for each in section(life, "actions")["closed"]] == [f"y{2 * CLOSED_KEPT - 1 - n}" for n in range(CLOSED_KEPT)]


def test_a_refused_command_is_told_and_other_dead_letters_are_not() -> None:
    """A command that made no sense becomes a dead letter: its place in the log tells whose it was."""
    letter = {
        "reason": "bad_command", "detail": "alert_id: none such", "tenant": "default", "subject": "alpha", "metric": None,
        "topic": "t", "partition": 2, "offset": 7, "index": 0, "bytes": "",
    }  # fmt: skip
    found = read_life("space", DEAD_LETTERS, b"", "2-7-0-0-aa", T, msgspec.json.encode(letter), None)
    assert found is not None
    life = Life()
    assert life.take(found) == "refusals"
    assert section(life, "refusals") == [{"partition": 2, "offset": 7, "detail": "alert_id: none such", "ts": T}]
    other = msgspec.json.encode({**letter, "reason": "invalid"})
    assert read_life("space", DEAD_LETTERS, b"", "2-8-0-0-aa", T, other, None) is None


def test_only_whom_somebody_knows_has_a_life() -> None:
    """Commands to invented subjects leave nothing; what topics hold of subjects long closed goes when all is read, what is open stays."""
    letter = {
        "reason": "unknown_subject", "detail": "", "tenant": "default", "subject": "alpha", "metric": None,
        "topic": "t", "partition": 2, "offset": 7, "index": 0, "bytes": "",
    }  # fmt: skip
    refusal = read_life("space", DEAD_LETTERS, b"", "2-7-0-0-aa", T, msgspec.json.encode(letter), None)
    assert refusal is not None
    world = World()
    world.tell(refusal)
    assert not world.lives
    world.focus(SUBJECT)
    world.tell(refusal)
    assert list(world.lives) == [SUBJECT]  # who gave it looks at the subject

    world = World()
    world.tell(read(ALERTS, alert("alpha", "a", "firing"), 1))
    world.let_strangers_go()
    assert list(world.lives) == [SUBJECT]
    world.tell(read(ALERTS, alert("alpha", "a", "resolved", resolution="forgotten"), 2))
    world.let_strangers_go()
    assert not world.lives
    assert world.living("space") == []

    key = Key("space", "default", "alpha", "clarity")
    world.tell(read(SIGNALS, SignalsSample("default", "alpha", [], {}, Cause("t", 0, 3), "c"), 3))
    world.remove(key)  # its status was never known here
    assert not world.lives


@given(st.lists(st.integers(0, 6), max_size=30))
def test_what_comes_again_changes_nothing(again: list[int]) -> None:
    """After a crash a worker's last outputs may come twice, in their order, from any place on: the life is the same."""
    script: list[tuple[str, msgspec.Struct]] = [
        (VOICES, voice("alpha", "pino", "activated")),
        (ALERTS, alert("alpha", "a", "firing")),
        (ACTIONS, action("alpha", "x", "requested")),
        (ACTIONS, action("alpha", "x", "approved")),
        (VOICES, voice("alpha", "pino", "deactivated", leading=None, active=[])),
        (ALERTS, alert("alpha", "a", "resolved", resolution="recovered")),
        (ACTIONS, action("alpha", "x", "refused")),
    ]
    expected, life = lived(*script), Life()
    for offset, (short, message) in enumerate(script, 1):
        life.take(read(short, message, offset))
        for back in again:
            if back < offset:
                short, message = script[back]
                assert life.take(read(short, message, back + 1)) is None
    for name in ("voices", "alerts", "actions"):
        assert section(life, name) == section(expected, name)


def test_a_sample_of_signals_is_passed_on_as_it_came() -> None:
    """The latest counts; the overview does not hear of it."""
    world = World()
    overview = world.overview("space", None)
    for offset, beats in ((1, 61.5), (2, 72.0)):
        world.tell(read(SIGNALS, SignalsSample("default", "alpha", [], {"heartbeat": beats}, Cause("t", 0, offset), "c"), offset))
    life = json.loads(world.life(SUBJECT) or b"{}")
    assert life["signals"]["values"] == {"heartbeat": 72}
    assert not overview.lives


@pytest.mark.parametrize("short", [SIGNALS, VOICES, ALERTS, ESCALATIONS, ACTIONS, BUDGET])
@pytest.mark.parametrize("value", [b"null", b"[]", b"{}", b"1", b'"{}"', b"", b"{", b"\xff"])
def test_what_is_no_event_is_not_passed_on(short: str, value: bytes) -> None:
    """It would stand in the middle of a message to the browsers, and break it."""
    with pytest.raises(ValueError, match=r"\w"):
        read_life("space", short, b"default/alpha", "0-1-0-0-aa", T, value, None)


def test_a_silent_subject_whose_alert_fires_is_among_those_that_are_listed() -> None:
    """Where not all can be listed an alert that fires counts as a BLOCK: UNKNOWN hides the level, not the crisis."""
    world = World()
    for n, (subject, level) in enumerate((("aa", "WARN"), ("alpha", "UNKNOWN"), ("beta", "UNKNOWN")), 1):
        key = Key("space", "default", subject, "clarity")
        world.put(key, Status(str(n), (n, 0, 0), level, n, "c", b"{}", b'{"subject":"%b"}' % subject.encode()))
    world.tell(read(ALERTS, alert("alpha", "a", "firing"), 1))
    _, body = world.snapshot(world.overview("space", None), 2)
    assert [each["subject"] for each in json.loads(b"{%b}" % body)["subjects"]] == ["alpha", "aa"]


def test_only_what_changed_goes_out_and_an_overview_hears_of_counts() -> None:
    """A delta holds the sections that changed since; the line of the overview changes only when it says something else."""
    world = World()
    overview, focus = world.overview("space", None), world.focus(SUBJECT)
    world.tell(read(VOICES, voice("alpha", "pino", "activated"), 1))
    world.tell(read(ALERTS, alert("alpha", "a", "firing"), 2))
    seen = world.number
    world.tell(read(ALERTS, alert("alpha", "a", "firing", flapping=True), 3))
    delta = json.loads(world.delta(overview, focus, points=False, since=0, upto=world.number, now_ms=T) or b"{}")
    assert sorted(delta["life"]) == ["alerts", "voices"]
    (line,) = delta["lives"]
    assert (line["subject"], line["leading"], line["firing"], line["worst"]) == ("alpha", "pino", 1, "P0")
    delta = json.loads(world.delta(overview, focus, points=False, since=seen, upto=world.number, now_ms=T) or b"{}")
    assert sorted(delta["life"]) == ["alerts"]
    assert "lives" not in delta
