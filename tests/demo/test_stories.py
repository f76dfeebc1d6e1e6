"""Simulated subjects, and the stories that the demonstration tells of them, judged by the engine alone."""

from __future__ import annotations

import statistics
from typing import Any

import msgspec
import pytest

from experiments.driver import Record, schedule
from experiments.simulator import VITALS, Drift, Population, Subject
from iskra import config_files
from iskra.demo import CALM_S, LEVELS, STORIES, SUBJECTS, Story, Watch
from processors.engine import PartitionEngine
from schemas.outputs import Evidence, SloStatus

START = 1_767_225_600


def statuses(population: Population, seconds: int) -> list[SloStatus]:
    """What the engine says of a run, by subject time."""
    engine = PartitionEngine(config_files.load(), topic="demo.metrics.points", partition=0, partitions=1, live=False)
    found: list[SloStatus] = []
    offset = 0
    for step in schedule(population.second, start=START, seconds=seconds, partitions=1):
        if isinstance(step, Record):
            if step.points is None:
                outs = engine.tick(offset, step.time)
            else:
                outs = engine.points(offset, step.time, msgspec.json.encode(step.points))
            offset += 1
            found += [out.value for out in outs if isinstance(out.value, SloStatus)]
    return found


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.metric)
def test_every_story_is_told_as_announced_whatever_the_seed(story: Story) -> None:
    """WARN, then BLOCK, then OK within the story's length; nobody else's verdict changes; eight seeds."""
    for seed in range(8):
        population = Population([story.subject, "other"], seed=seed)
        population.subjects[story.subject].drift(story.drift(START + CALM_S))
        watch = Watch([story.subject, "other"], [vital.metric for vital in VITALS])
        begun = False
        for status in statuses(population, CALM_S + story.length):
            if not begun and status.since >= (START + CALM_S) * 1000:
                assert watch.calm
                watch.begin(story)
                begun = True
            watch.feed(status)
        report = watch.end()
        assert report.happened, (seed, report)


def test_healthy_subjects_stay_in_order_for_twenty_minutes() -> None:
    """A dozen subjects without a drift: nothing but the first points' UNKNOWN and the OK behind it."""
    found = statuses(Population(SUBJECTS, seed=7, per_second=1), 1200)
    assert [s.level for s in found if s.since > (START + 5) * 1000] == []
    assert {s.level for s in found} == {"UNKNOWN", "OK"}


def test_values_follow_from_seed_and_name_alone_and_are_never_constant() -> None:
    """Same seed, same points; another seed or name, others; they wander around the target."""

    def points(seed: int, name: str) -> list[Any]:
        subject = Subject(name, seed=seed)
        return [timed.point for second in range(START, START + 300) for timed in subject.second(second)]

    assert points(1, "a") == points(1, "a")
    assert points(1, "a") != points(2, "a")
    assert points(1, "a") != [msgspec.structs.replace(point, subject="a") for point in points(1, "b")]
    for vital in VITALS:
        values = [point.value for point in points(1, "a") if point.metric == vital.metric]
        assert len(values) == 600
        assert statistics.mean(values) == pytest.approx(vital.target, abs=0.03)
        assert max(values) - min(values) > 2 * vital.sigma
        assert all(0 <= value <= 1 for value in values)


def test_a_drift_goes_through_its_frames_and_returns() -> None:
    """Linear in between, the target before and after, whatever the first and the last frame say."""
    drift = Drift("clarity", ((10, 0), (20, 0.9), (30, 0.9), (40, 0)))
    assert [drift.level(at, 0.8) for at in (5, 10, 15, 20, 25, 35, 40, 45)] == pytest.approx([0.8, 0.8, 0.85, 0.9, 0.9, 0.85, 0.8, 0.8])
    assert Drift("clarity", ()).level(3, 0.8) == 0.8


def status(subject: str, level: Any, since: int = 1) -> SloStatus:
    evidence = Evidence(count=1, late=0, topic="t", partition=0, first_offset=0, last_offset=0, rungs=[])
    return SloStatus(
        tenant="default",
        subject=subject,
        metric="clarity",
        level=level,
        priority=None,
        reason=None,
        previous=None,
        value=0.9,
        fast_value=None,
        statistic="mean",
        window_ms=30_000,
        bound=None,
        side=None,
        since=since,
        evidence=evidence,
        config="c",
    )


@pytest.mark.parametrize(
    ("levels", "happened"),
    [
        (["WARN", "BLOCK", "WARN", "OK"], True),
        (["WARN", "BLOCK", "OK"], True),
        (["BLOCK", "WARN", "OK"], False),
        (["WARN", "BLOCK", "WARN"], False),
        (["WARN", "BLOCK", "OK", "WARN"], False),
        (["WARN", "OK"], False),
        ([], False),
    ],
)
def test_a_story_happened_only_if_its_levels_came_in_order_and_ended_well(levels: list[str], happened: bool) -> None:
    """What was announced is looked for in what was read, nothing else."""
    watch = Watch(["a"], ["clarity"])
    watch.feed(status("a", "OK"))
    watch.begin(Story("a", "clarity", 0.9, "why"))
    for level in levels:
        watch.feed(status("a", level))
    report = watch.end()
    assert report.happened is happened
    assert report.announced == list(LEVELS)
    assert [change.level for change in report.seen] == levels


def test_a_stray_verdict_spoils_the_story() -> None:
    """It was announced that the others stay in order."""
    watch = Watch(["a", "b"], ["clarity"])
    assert not watch.calm
    for name in ("a", "b"):
        watch.feed(status(name, "OK"))
    assert watch.calm
    assert watch.levels == {"OK": 2, "WARN": 0, "BLOCK": 0, "UNKNOWN": 0}
    watch.begin(Story("a", "clarity", 0.9, "why"))
    for name, level in (("a", "WARN"), ("a", "BLOCK"), ("b", "WARN"), ("b", "OK"), ("a", "OK")):
        watch.feed(status(name, level))
    report = watch.end()
    assert not report.happened
    assert [change.subject for change in report.strays] == ["b", "b"]
