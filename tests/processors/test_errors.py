"""§7: what a record makes the engine raise costs one subject, until `dlq redrive` or another configuration releases it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from processors.engine import PartitionEngine
from processors.subject import Subject
from tests.processors.both import ms, plain, reasons, said
from tests.processors.settings import DEFAULT, SMALL, TOPIC
from tests.reference import Out

CURSED = 0.666


class Log:
    """A log with a defect in the engine: it raises when the subject `cursed` gets the value 0.666, or is moved to second 133."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.engine = PartitionEngine(DEFAULT, topic=TOPIC, partition=0, partitions=1)
        self.offset = -1
        self.broken = True
        judge, advance = Subject.judge_point, Subject.advance

        def judge_point(subject: Subject, series: Any, *rest: Any) -> None:
            judge(subject, series, *rest)
            if self.broken and subject.name.startswith("cursed") and CURSED * 10**9 in series.points:
                raise ZeroDivisionError("a defect of ours")

        def advance_(subject: Subject, time: int, *rest: Any) -> None:
            advance(subject, time, *rest)
            if self.broken and subject.name.startswith("cursed") and time == ms(133):
                raise ZeroDivisionError("another defect of ours")

        monkeypatch.setattr(Subject, "judge_point", judge_point)
        monkeypatch.setattr(Subject, "advance", advance_)

    def send(self, *points: tuple[str, float, float], redrive: bool = False, metric: str = "clarity") -> list[Out]:
        """A record of points (subject, value, t)."""
        self.offset += 1
        items = [{"subject": s, "metric": metric, "value": v, "ts": ms(t)} for s, v, t in points]
        value = json.dumps(items if len(items) > 1 else items[0]).encode()
        return [plain(out) for out in self.engine.points(self.offset, ms(points[-1][2]), value, redrive=redrive)]

    def tick(self, t: int) -> list[Out]:
        """A tick."""
        self.offset += 1
        return [plain(out) for out in self.engine.tick(self.offset, ms(t))]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    """A log in which `cursed` and `fine` are OK at second 101."""
    log = Log(monkeypatch)
    for t in (100, 101):
        log.send(("cursed", 0.8, t), ("fine", 0.8, t))
    return log


def test_the_subject_turns_unknown_and_the_record_goes_to_dead_letters(log: Log) -> None:
    """A dead letter with the last line of the traceback; each status of the subject turns UNKNOWN `engine_error`."""
    raw = [plain(out) for out in log.engine.points(9, ms(102), b'{"subject":"cursed","metric":"clarity","value":0.666,"ts":102000}')]
    dead, status = raw
    assert (dead.topic, dead.value["reason"], dead.key, dead.id) == ("dead-letters", "engine_error", b"default/cursed", "0-9-0-0-dead")
    assert (dead.value["subject"], dead.value["metric"]) == ("cursed", "clarity")
    assert (status.value["level"], status.value["reason"], status.value["since"]) == ("UNKNOWN", "engine_error", 102_000)
    assert status.value["previous"]["level"] == "OK"
    assert (status.value["priority"], status.value["side"], status.value["bound"]) == (None, None, None)


def test_the_detail_is_the_last_line_of_the_traceback(log: Log) -> None:
    """So that whoever reads the dead letter can find the defect."""
    outs = log.engine.points(9, ms(102), b'{"subject":"cursed","metric":"clarity","value":0.666,"ts":102000}')
    assert outs[0].value.detail == "ZeroDivisionError: a defect of ours"  # type: ignore[attr-defined]


def test_the_others_go_on(log: Log) -> None:
    """Its neighbours in the same array are judged as if nothing had been."""
    outs = log.send(("fine", 1.0, 102), ("cursed", CURSED, 102), *[("fine", 1.0, 102)] * 7)
    assert [(out.value["subject"], out.topic) for out in outs] == [
        ("cursed", "dead-letters"),
        ("cursed", "slo.status"),
        ("fine", "slo.status"),
    ]
    assert reasons(outs) == ["engine_error"]


def test_nothing_half_said_comes_out(log: Log) -> None:
    """What the record had said of the subject before it raised is withdrawn: windows, statuses."""
    outs = log.send(("cursed", CURSED, 135))
    assert [out.topic for out in outs] == ["dead-letters", "slo.status"]
    assert said(outs) == [(135, "UNKNOWN engine_error")]


def test_the_subject_is_left_alone(log: Log) -> None:
    """Its points and its silence say nothing more, though the defect does not show again."""
    log.send(("cursed", CURSED, 102))
    outs = log.send(("cursed", 0.99, 103)) + [out for t in range(103, 240) for out in log.tick(t)]
    assert {out.value["subject"] for out in outs} == {"fine"}


def test_a_defect_at_a_tick_costs_one_subject_too(log: Log) -> None:
    """The tick goes on to the other subjects, before and after it in order."""
    log.send(("alpha", 0.8, 101), ("alpha", 0.8, 101))
    outs = [out for t in range(102, 150) for out in log.tick(t)]
    assert reasons(outs) == ["engine_error"]
    assert [(out.value["subject"], *told) for out in outs for told in said([out])] == [
        ("alpha", 131, "UNKNOWN missing"),
        ("cursed", 131, "UNKNOWN missing"),
        ("fine", 131, "UNKNOWN missing"),
        ("cursed", 133, "UNKNOWN engine_error"),
    ]


def test_ids_stay_unique_when_several_subjects_fail_at_one_tick(log: Log) -> None:
    """Each has a dead letter of its own; as it has no index, the key tells them apart."""
    log.send(("cursed2", 0.8, 101), ("cursed3", 0.8, 101))
    outs = [out for t in range(102, 150) for out in log.tick(t)]
    ids = [out.id for out in outs if out.topic == "dead-letters"]
    assert len(ids) == len(set(ids)) == 3


def test_redrive_releases_the_subject(log: Log) -> None:
    """The point published again by `dlq redrive` is its first one; its last status is remembered as the previous one."""
    log.send(("cursed", CURSED, 102))
    log.broken = False
    outs = log.send(("cursed", CURSED, 102), redrive=True)
    assert [(out.value["level"], out.value["reason"], out.value["previous"]) for out in outs] == [
        ("UNKNOWN", "sparse", {"level": "UNKNOWN", "priority": None, "since": 102_000})
    ]
    assert said(log.send(("cursed", 0.8, 103))) == [(103, "OK")]


def test_redrive_with_the_defect_still_there_fails_again(log: Log) -> None:
    """Another dead letter; the status is UNKNOWN `engine_error` as it was, so nothing is said of it."""
    log.send(("cursed", CURSED, 102))
    assert reasons(log.send(("cursed", CURSED, 102), redrive=True)) == ["engine_error"]
    assert log.send(("cursed", 0.8, 103)) == []


def test_another_configuration_releases_the_subject(log: Log) -> None:
    """A new version of the engine is another configuration, too."""
    log.send(("cursed", CURSED, 102))
    log.broken = False
    log.offset += 1
    assert log.engine.configure(log.offset, ms(103), DEFAULT) == []
    assert log.send(("cursed", 0.8, 103)) == []
    log.offset += 1
    assert log.engine.configure(log.offset, ms(103), SMALL) == []
    assert said(log.send(("cursed", 0.8, 103))) == [(103, "UNKNOWN sparse")]


def test_a_defect_at_a_first_point_leaves_the_partition_alive(log: Log) -> None:
    """A subject that fails at its very first point is a dead letter, and so are not its neighbours."""
    outs = log.send(("cursed9", CURSED, 102), ("fine9", 0.8, 102))
    assert reasons(outs) == ["engine_error"]
    assert said(outs)[-1:] == [(102, "UNKNOWN sparse")]
    assert log.send(("cursed9", 0.8, 103)) == []


def test_being_left_alone_outlives_a_restart(log: Log) -> None:
    """The state says so; a restored engine leaves the subject alone, too, and redrive releases it."""
    log.send(("cursed", CURSED, 102))
    states = [log.engine.snapshot(key) for key in log.engine.subject_keys()]
    engine = PartitionEngine(DEFAULT, topic=TOPIC, partition=0, partitions=1)
    engine.restore(
        states,
        position=log.engine.position,
        log_time=log.engine.log_time,
        last_tick=log.engine.last_tick,
        tick_count=log.engine.tick_count,
        configurations=lambda _: DEFAULT,
    )
    log.engine, log.broken = engine, False
    assert log.send(("cursed", 0.8, 103)) == []
    (status,) = log.send(("cursed", 0.8, 103), redrive=True)
    assert status.value["previous"] == {"level": "UNKNOWN", "priority": None, "since": 102_000}
