"""The probes of `iskra bench detect` cause what it waits for, at the point of which it says so and not before."""

from __future__ import annotations

from itertools import islice

import msgspec
import pytest

from benchmarks.detect import JUDGED, PROBES, PUBLISHED, STATUSES, Step, cause_of, schedule
from iskra import config_files
from processors.engine import PartitionEngine
from schemas.topics import STATUS, VOICES

START_MS = 1_762_000_000_000


def caused(probe: tuple[Step, ...]) -> list[set[tuple[str, str]]]:
    """Of each point of a fresh subject, what the engine says on the two topics, as the benchmark reads it."""
    engine = PartitionEngine(config_files.load(), topic="iskra.metrics.points", partition=0, partitions=1, live=False)
    found = []
    for number, step in enumerate(probe):
        ts = START_MS + number * 15
        point = {"subject": "alpha", "metric": step.metric, "value": step.value, "ts": ts}
        causes = [
            cause_of(out.topic, msgspec.json.encode(out.value))
            for out in engine.points(number, ts, msgspec.json.encode(point))
            if out.topic in (STATUS, VOICES)
        ]
        assert {subject for _, subject, _ in causes} <= {"alpha"}
        found.append({(topic, told) for topic, _, told in causes if told})
    return found


@pytest.mark.parametrize("probe", [STATUSES, PUBLISHED, JUDGED], ids=["statuses", "published", "judged"])
def test_each_point_causes_what_is_waited_for(probe: tuple[Step, ...]) -> None:
    """And nothing of the kind was there before: else the time would be that of another point."""
    before: set[tuple[str, str]] = set()
    for step, causes in zip(probe, caused(probe), strict=True):
        if step.topic:
            assert (step.topic, step.told) in causes - before
        before |= causes


def test_other_events_of_a_voice_are_no_activation() -> None:
    """The symbol and the mode that come with it name the same voice."""
    symbol = b'{"subject":"alpha","voice":"iskriv","event":"symbol"}'
    assert cause_of(VOICES, symbol) == (VOICES, "alpha", "")
    assert cause_of(VOICES, symbol.replace(b"symbol", b"activated")) == (VOICES, "alpha", "iskriv")


def test_every_probe_is_a_fresh_subject_s_and_complete() -> None:
    """Two rounds of the probes: each subject's points stand together, in order."""
    number = sum(map(len, PROBES))
    points = list(islice(schedule(PROBES * 2), 2 * number))
    assert [step for _, step in points] == [step for probe in PROBES * 2 for step in probe]
    assert len({subject for subject, _ in points}) == 2 * len(PROBES)
