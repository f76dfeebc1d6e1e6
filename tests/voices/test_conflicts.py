"""Opposing voices: each pair's own rule, the order, the queue, and what people's commands do to it."""

from __future__ import annotations

import pytest

from schemas.points import BadPoint
from tests.voices.stage import Stage, VoiceCommand, acknowledge, mute, unmute

STAGNANT: dict[str, float | None] = {"clarity": 0.88, "chaos": 0.3, "trust": 0.7, "pain": 0.35, "stagnation": True, "conflict": False}
"""Pino's rule holds, high, and no vital says how far beyond it is; conflicts are hushed up, so that Anhantra does not mediate."""
FALSE: dict[str, float | None] = {"trust": 0.45, "accuracy": 0.7}
"""Kayn's second rule holds, medium."""
VIOLATED: dict[str, float | None] = {"chaos": 0.75, "truth_violations": 2}
"""Kayn's first rule holds, high."""
ON_TARGET: dict[str, float | None] = {"clarity": 0.8, "chaos": 0.45, "trust": 0.8, "pain": 0.35, "conflict": False}
"""Nobody's rule holds; conflicts are hushed up."""


def reasons(stage: Stage) -> list[str | None]:
    """The reasons of the conflicts' decisions, in order, each once."""
    return [event.reason for _, event in stage.told("queued")]


def test_kayn_and_pino_when_pain_is_great_kayn_speaks() -> None:
    """Pino, though of higher priority, waits until Kayn is silent."""
    stage = Stage()
    told = stage.play({0: {**ON_TARGET, **FALSE, "pain": 0.71}, 5: {"stagnation": True}, 10: {"accuracy": 0.9}}, 700)
    assert [said for said in told if "anhantra" not in said] == [
        "0 kayn activated",
        "5 pino queued against kayn",
        "610 kayn deactivated",
        "610 pino activated against kayn",
    ]
    assert reasons(stage) == ["rule of the pair: kayn, since pain > 0.7"]
    (_, event), *_ = stage.told("queued")
    assert (event.voice, event.against, event.active, event.queued) == ("pino", "kayn", ["kayn", "anhantra"], ["pino"])
    assert [(term.term, term.holds, term.value) for term in event.terms] == [("pain > 0.7", True, 0.71)]
    assert stage.told("activated")[-1][1].reason == "it waited until kayn was silent"


def test_kayn_and_pino_when_pain_is_great_kayn_takes_the_word() -> None:
    """Kayn, though of lower priority, silences Pino, who is queued at once."""
    stage = Stage()
    told = stage.play({0: STAGNANT, 5: {**FALSE, "pain": 0.71}}, 6)
    assert told == [
        "0 pino activated",
        "5 anhantra activated",
        "5 pino pre-empted against kayn",
        "5 pino queued against kayn",
        "5 kayn activated against pino",
    ]
    assert reasons(stage) == ["rule of the pair: kayn, since pain > 0.7"]


def test_kayn_and_pino_undecided_the_higher_priority_speaks() -> None:
    """At a bearable pain the pair's rule is silent: Pino's high rule wins against Kayn's medium one, whoever came first."""
    stage = Stage()
    told = stage.play({0: {**ON_TARGET, **FALSE}, 5: {"stagnation": True}}, 6)
    assert told == ["0 kayn activated", "5 kayn pre-empted against pino", "5 kayn queued against pino", "5 pino activated against kayn"]
    assert reasons(stage) == ["priority: pino high, kayn medium"]
    stage = Stage()
    assert stage.play({0: STAGNANT, 5: FALSE}, 6) == ["0 pino activated", "5 kayn queued against pino"]
    assert reasons(stage) == ["priority: pino high, kayn medium"]


def test_kayn_and_pino_undecided_the_one_further_beyond_speaks() -> None:
    """Both medium: Pino's rule is a tenth of chaos's range beyond its nearest bound, of Kayn's no vital tells (accuracy is published)."""
    stage = Stage()
    told = stage.play({0: {**ON_TARGET, **FALSE}, 5: {"chaos": 0.53, "clarity": 0.85}}, 6)
    assert told == ["0 kayn activated", "5 kayn pre-empted against pino", "5 kayn queued against pino", "5 pino activated against kayn"]
    assert reasons(stage) == ["further beyond its rule: pino 0.100, kayn 0.000"]


def test_kayn_and_pino_undecided_the_one_silent_for_longer_speaks() -> None:
    """Both high and equally far beyond: Pino has spoken before, so Kayn, who never did, wins; and the other way round."""
    stage = Stage()
    told = stage.play({0: STAGNANT, 1: {"stagnation": False}, 500: STAGNANT, 505: VIOLATED}, 505)
    assert told[2:] == [
        "500 pino activated",
        "505 pino pre-empted against kayn",
        "505 pino queued against kayn",
        "505 kayn activated against pino",
    ]
    assert reasons(stage) == ["kayn had been silent for longer"]
    stage = Stage()
    assert stage.play({0: STAGNANT, 5: VIOLATED}, 5)[1] == "5 pino pre-empted against kayn"
    assert reasons(stage) == ["kayn stands first in the table"]


def test_sam_and_hundun_in_chaos_sam_speaks() -> None:
    """Chaos above 0.6: Sam takes the word from Hundun."""
    stage = Stage()
    unordered: dict[str, float | None] = {"clarity": 0.65, "complexity": 0.9}
    told = stage.play({0: {**ON_TARGET, "rigidity": True}, 5: {**unordered, "chaos": 0.61}}, 5)
    assert told == [
        "0 hundun activated",
        "5 hundun pre-empted against sam",
        "5 hundun queued against sam",
        "5 sam activated against hundun",
    ]
    assert reasons(stage) == ["rule of the pair: sam, since chaos > 0.6"]


def test_sam_and_hundun_without_chaos_hundun_speaks() -> None:
    """At a chaos of just 0.6, or an unknown one, Hundun takes the word from Sam, though Sam's rule is of higher priority."""
    for chaos in (0.6, None):
        stage = Stage()
        unordered: dict[str, float | None] = {"clarity": 0.65, "complexity": 0.9, "chaos": chaos}
        told = stage.play({0: {**ON_TARGET, **unordered}, 5: {"rigidity": True}}, 5)
        assert told == [
            "0 sam activated",
            "5 sam pre-empted against hundun",
            "5 sam queued against hundun",
            "5 hundun activated against sam",
        ]
        assert reasons(stage) == ["rule of the pair: hundun, unless chaos > 0.6"]


def test_anhantra_and_iskriv_in_a_violation_iskriv_speaks() -> None:
    """At critical priority Iskriv wins every conflict."""
    stage = Stage()
    hurt: dict[str, float | None] = {**ON_TARGET, "trust": 0.55, "pain": 0.45}
    told = stage.play({0: hurt, 5: {"ethical_violation": True}}, 5)
    assert told == [
        "0 anhantra activated",
        "5 anhantra pre-empted against iskriv",
        "5 anhantra queued against iskriv",
        "5 iskriv activated against anhantra",
    ]
    assert reasons(stage) == ["iskriv at critical priority wins every conflict"]


def test_anhantra_and_iskriv_without_a_violation_anhantra_speaks() -> None:
    """A grave decision alone does not silence empathy; and what Iskriv lost then does not stop him when ethics are violated."""
    stage = Stage()
    hurt: dict[str, float | None] = {**ON_TARGET, "trust": 0.55, "pain": 0.45}
    told = stage.play({0: hurt, 5: {"decision_impact_score": 0.9}, 20: {"ethical_violation": True}}, 20)
    assert told == [
        "0 anhantra activated",
        "5 iskriv queued against anhantra",
        "20 anhantra pre-empted against iskriv",
        "20 anhantra queued against iskriv",
        "20 iskriv activated against anhantra",
    ]
    assert reasons(stage) == ["rule of the pair: anhantra, unless ethical_violation", "iskriv at critical priority wins every conflict"]


def test_anhantra_takes_the_word_from_iskriv_when_nothing_is_violated() -> None:
    """Iskriv, active by a grave decision, gives way to Anhantra; in a violation he would not."""
    grave: dict[str, float | None] = {**ON_TARGET, "decision_impact_score": 0.9}
    stage = Stage()
    told = stage.play({0: grave, 5: {"trust": 0.55, "pain": 0.45}}, 5)
    assert told[1:] == ["5 iskriv pre-empted against anhantra", "5 iskriv queued against anhantra", "5 anhantra activated against iskriv"]
    stage = Stage()
    assert stage.play({0: grave, 5: {"trust": 0.55, "pain": 0.45, "ethical_violation": True}}, 5)[1:] == [
        "5 anhantra queued against iskriv"
    ]
    assert reasons(stage) == ["rule of the pair: iskriv, since ethical_violation"]


def test_a_conflict_is_decided_once() -> None:
    """What would decide it otherwise afterwards changes nothing while the loser waits; the loser does not come back after its cool-down."""
    stage = Stage()
    told = stage.play({0: {**STAGNANT, "pain": 0.35}, 5: FALSE, 50: {"pain": 0.75, "trust": 0.45}, 400: {"pain": 0.35}}, 800)
    assert [said for said in told if "kayn" in said or "pino" in said] == ["0 pino activated", "5 kayn queued against pino"]


def test_a_preempted_voice_returns_after_its_cooldown_once_its_opponent_is_silent() -> None:
    """Pre-empted at 5, Hundun's cool-down is over at 305, but Sam speaks until 430."""
    stage = Stage()
    unordered: dict[str, float | None] = {"clarity": 0.65, "complexity": 0.9, "chaos": 0.61}
    told = stage.play({0: {**ON_TARGET, "rigidity": True}, 5: unordered, 250: {**ON_TARGET, "complexity": 0.1}}, 900)
    assert "430 hundun activated against sam" in told
    assert "430 sam deactivated" in told
    stage = Stage()
    told = stage.play({0: {**ON_TARGET, "rigidity": True}, 5: unordered, 10: {**ON_TARGET, "complexity": 0.1}}, 900)
    assert told[-2:] == ["190 sam deactivated", "305 hundun activated against sam"]


def test_a_loser_whose_rules_no_longer_hold_is_dropped() -> None:
    """With the rule for which it waited, its terms as they are now, and against whom it lost."""
    stage = Stage()
    told = stage.play({0: STAGNANT, 5: FALSE, 20: {"trust": 0.7}}, 30)
    assert told == ["0 pino activated", "5 kayn queued against pino", "20 kayn dropped against pino"]
    ((_, event),) = stage.told("dropped")
    assert event.reason == "no rule of its holds any more"
    assert event.rule == "trust < 0.5 and accuracy < 0.8"
    assert [(term.holds, term.value) for term in event.terms] == [(False, 0.7), (True, 0.7)]
    assert event.queued == []


def test_a_preempted_voice_without_a_rule_is_dropped_at_once() -> None:
    """Pino, who speaks on only because his time-out is not over, does not wait for the word when he loses it."""
    told = Stage().play({0: STAGNANT, 5: {"stagnation": False}, 10: VIOLATED}, 10)
    assert told == [
        "0 pino activated",
        "10 pino pre-empted against kayn",
        "10 pino queued against kayn",
        "10 kayn activated against pino",
        "10 pino dropped against kayn",
    ]


def test_two_opponents_that_become_eligible_at_once_meet_in_order() -> None:
    """Pino, high, is first in order and speaks; Kayn, medium, meets him at the same judging, and the pair's rule decides."""
    told = Stage().play({0: {**STAGNANT, **FALSE, "trust": 0.45}}, 1)
    assert told == ["0 pino activated", "0 kayn queued against pino"]


def test_a_muted_voice_is_silent_until_it_is_unmuted() -> None:
    """Muting silences it at once, whatever holds; unmuted it waits for its cool-down, which counts from there."""
    stage = Stage()
    told = stage.play({0: STAGNANT, 5: [mute("pino")], 400: [unmute("pino")]}, 401)
    assert told == ["0 pino activated", "5 pino muted", "400 pino unmuted", "400 pino activated"]
    (_, event), *_ = stage.told("muted")
    assert (event.by, event.why, event.active, event.leading) == ("ada", "too loud", [], None)
    assert stage.voices.muted == []


def test_a_muted_loser_is_dropped_and_a_muted_winner_makes_room() -> None:
    """A voice that waits is dropped when it is muted; when the one that speaks is muted, the one that waits is next."""
    told = Stage().play({0: STAGNANT, 5: FALSE, 10: [mute("kayn")], 400: [unmute("kayn")]}, 401)
    assert told == [
        "0 pino activated",
        "5 kayn queued against pino",
        "10 kayn muted",
        "10 kayn dropped against pino",
        "400 kayn unmuted",
        "400 kayn queued against pino",
    ]
    told = Stage().play({0: STAGNANT, 5: FALSE, 10: [mute("pino")]}, 11)
    assert told[2:] == ["10 pino muted", "10 kayn activated against pino"]


def test_a_voice_that_is_muted_first_does_not_speak() -> None:
    """Nor does it wait, nor ask for judgings."""
    stage = Stage()
    assert stage.play({0: [mute("pino")], 1: STAGNANT}, 50) == ["0 pino muted"]
    assert stage.voices.muted == ["pino"]


def test_a_conflict_calls_anhantra() -> None:
    """While one of a pair speaks and the other waits she mediates, from the next judging on, for 300 s longer than it lasts."""
    stage = Stage()
    base = {name: value for name, value in STAGNANT.items() if name != "conflict"}
    told = stage.play({0: {**base, **FALSE}, 20: {"trust": 0.7}}, 330)
    assert told == [
        "0 pino activated",
        "0 kayn queued against pino",
        "1 anhantra activated",
        "20 kayn dropped against pino",
        "321 anhantra deactivated",
    ]
    assert stage.told("activated")[1][1].rule == "conflict"


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (mute("nobody"), "nobody: no such voice"),
        (unmute("pino"), "pino is not muted"),
        (acknowledge("sam"), "sam has suggested nothing lately"),
    ],
)
def test_a_command_that_makes_no_sense_is_refused(command: VoiceCommand, text: str) -> None:
    """With a reason; nothing is said or changed."""
    stage = Stage()
    stage.play({0: ON_TARGET}, 3)
    with pytest.raises(BadPoint, match=text) as caught:
        stage.play({4: [command]}, 4)
    assert caught.value.reason == "bad_command"
    assert stage.said == []


def test_a_subject_that_is_forgotten_leaves_nobody_speaking_or_waiting() -> None:
    """Who waits is dropped, who speaks is deactivated, each with the reason; the figures end there."""
    stage = Stage()
    stage.play({0: STAGNANT, 5: FALSE, 6: {"rigidity": True}}, 9)
    assert stage.close("the subject is forgotten") == ["10 kayn dropped against pino", "10 pino deactivated", "10 hundun deactivated"]
    assert {event.reason for _, event in stage.said[-3:]} == {"the subject is forgotten"}
    assert (stage.voices.active, stage.voices.queued, stage.voices.leading) == ([], [], None)


def test_a_voice_is_muted_and_acknowledged_once() -> None:
    """A second time is refused; a new activation is to be acknowledged anew; 90 minutes after its silence it is too late."""
    stage = Stage()
    stage.play({0: STAGNANT, 1: [acknowledge("pino")], 5: [mute("pino")]}, 6)
    with pytest.raises(BadPoint, match="muted already"):
        stage.command(mute("pino"))
    with pytest.raises(BadPoint, match="acknowledged already"):
        stage.command(acknowledge("pino"))
    told = stage.play({10: [unmute("pino")], 310: [acknowledge("pino")]}, 310)
    assert told == ["10 pino unmuted", "305 pino activated", "310 pino acknowledged"]
    stage = Stage()
    stage.play({0: STAGNANT, 5: [mute("pino")]}, 5 + 90 * 60 - 1)
    with pytest.raises(BadPoint, match="has suggested nothing lately"):
        stage.command(acknowledge("pino"))
