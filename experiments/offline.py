"""A run with the engine alone, in memory: the log is built record by record, and the loop closes through its outputs.

The log is the one that the driver writes to Kafka for the same scenario, seed and start (`experiments.driver.schedule`,
one partition), and outputs are heard at the same barriers, so the verdicts are those of the whole stack.
"""

from __future__ import annotations

import msgspec

from experiments.cast import Cast
from experiments.driver import Barrier, schedule
from experiments.journal import Entry, Journal
from experiments.scenario import Scenario, SubjectModel
from processors.engine import Output, PartitionEngine, Record
from schemas.commands import encode_command
from schemas.config import Config
from schemas.topics import KIND_COMMAND, LIVE_NAMESPACE, POINTS, full_name

DRAIN_S = 66
"""Ticks that a run goes on after its end: every window of 1 min closes (5 s of lateness)."""


def run(
    scenario: Scenario, model: SubjectModel, config: Config, states: dict[str, str | None], *, seed: int, start: int, name: str = "subject"
) -> Journal:
    """Runs a scenario; `start` is epoch s. What it said is in the journal; nothing of it is judged here."""
    cast = Cast(scenario, model, config, seed=seed, start=start, name=name)
    journal = Journal(start * 1000, config, states)
    engine = PartitionEngine(config, topic=full_name(LIVE_NAMESPACE, POINTS), partition=0, partitions=1, live=False)
    encode = msgspec.json.Encoder().encode
    offset = -1
    entries: list[Entry] = []
    heard = 0

    def take(outputs: list[Output]) -> None:
        entries.extend(Entry(output.topic, output.id, output.ts, output.value) for output in outputs)

    for step in schedule(cast.second, start=start, seconds=scenario.length // 1000 + DRAIN_S, partitions=1, commands=cast.commands):
        if isinstance(step, Barrier):
            for entry in entries[heard:]:
                cast.hear(entry.value, entry.ts)
            heard = len(entries)
            continue
        offset += 1
        if step.points is not None:
            value = encode(step.points if len(step.points) > 1 else step.points[0])
            take(engine.points(offset, step.time, value))
        elif step.command is not None:
            take(engine.apply(Record(offset, step.time, encode_command(step.command), KIND_COMMAND.decode()), lambda _hash: config))
        else:
            take(engine.tick(offset, step.time))
    cast.journals(journal, entries)
    return journal
