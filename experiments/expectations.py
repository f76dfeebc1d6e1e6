"""What must come of a run, and whether it did."""

from __future__ import annotations

from typing import Any

import msgspec

from experiments.journal import MINUTE_MS, Entry, Journal
from experiments.scenario import Expectation, Scenario
from schemas import topics
from schemas.events import VoiceEvent
from schemas.outputs import SloStatus

ABORT = "never beyond the abort bounds"
"""Name of the outcome that tells whether a run had to be aborted."""


class Outcome(msgspec.Struct, frozen=True):
    """One expectation and what was found. `at` is when (ms from the start), `expected` and `found` are words and numbers."""

    name: str
    met: bool
    expected: str
    found: str
    at: int | None
    lesson: str
    ids: list[str]


def judge(scenario: Scenario, journal: Journal) -> list[Outcome]:
    """Each expectation of the scenario, in its order; then the abort bounds, if there are any."""
    outcomes = [_judge(expectation, scenario, journal) for expectation in scenario.expect]
    for subject in (None, *scenario.beside) if scenario.abort else ():
        name = ABORT if subject is None else f"{ABORT} ({subject})"
        bounds = Expectation(name=name, subject=subject, values=scenario.abort, end=scenario.length)
        outcomes.append(_judge(bounds, scenario, journal))
    return outcomes


def clock(ms: int) -> str:
    """A time from the start as T0+minutes."""
    return f"T0+{ms / 60_000:.1f}"


def _judge(expectation: Expectation, scenario: Scenario, journal: Journal) -> Outcome:
    journal = journal.of_subject(expectation.subject)
    if expectation.polyphony is not None:
        return _polyphony(expectation, scenario, journal)
    if expectation.values is not None:
        return _values(expectation, scenario, journal)
    if expectation.states is not None:
        return _states(expectation, journal)
    if expectation.levels is not None:
        return _levels(expectation, scenario, journal)
    if expectation.voices is not None:
        return _voices(expectation, journal)
    return _count(expectation, scenario, journal) if expectation.count is not None else _first(expectation, journal)


def _outcome(
    expectation: Expectation, met: bool, expected: str, found: str, at: int | None = None, entries: list[Entry] | None = None
) -> Outcome:
    return Outcome(expectation.name, met, expected, found, at, expectation.lesson, [entry.id for entry in entries or []][:3])


def _matching(expectation: Expectation, journal: Journal) -> list[tuple[int, Entry]]:
    found = []
    for entry in journal.entries:
        at = entry.ts - journal.start
        if entry.topic == expectation.event and at >= expectation.since and fits(entry.value, expectation.where):
            found.append((at, entry))
    return found


def fits(value: Any, where: dict[str, Any]) -> bool:
    """Whether a message's fields are `where`; dots go into objects, of a list one must be it."""
    for path, wanted in where.items():
        found = value
        for step in path.split("."):
            found = found.get(step) if isinstance(found, dict) else getattr(found, step, None)
        if found not in wanted if isinstance(wanted, list) else found != wanted:
            return False
    return True


def _first(expectation: Expectation, journal: Journal) -> Outcome:
    assert expectation.at is not None
    expected = f"{clock(expectation.at)} ± {expectation.within / 60_000:g} min"
    matching = _matching(expectation, journal)
    if not matching:
        return _outcome(expectation, False, expected, "never")
    at, entry = matching[0]
    return _outcome(expectation, abs(at - expectation.at) <= expectation.within, expected, clock(at), at, [entry])


def _count(expectation: Expectation, scenario: Scenario, journal: Journal) -> Outcome:
    assert expectation.count is not None
    least, most = expectation.count
    end = scenario.length if expectation.end is None else expectation.end
    matching = [(at, entry) for at, entry in _matching(expectation, journal) if expectation.start <= at <= end]
    number = "none" if most == 0 else f"{least} or more" if most is None else f"{least}" if least == most else f"{least} to {most}"
    found = f"{len(matching)}" + (f", the first at {clock(matching[0][0])}" if matching else "")
    met = len(matching) >= least and (most is None or len(matching) <= most)
    expected = f"{number} from {clock(expectation.start)} to {clock(end)}"
    return _outcome(expectation, met, expected, found, matching[0][0] if matching else None, [entry for _, entry in matching])


def _values(expectation: Expectation, scenario: Scenario, journal: Journal) -> Outcome:
    assert expectation.values is not None
    start: int = expectation.start
    end: int = scenario.length if expectation.end is None else expectation.end
    when = f"from {clock(start)} to {clock(end)}"
    if expectation.at is not None:
        when = f"at {clock(expectation.at)}"
    expected, found, met = [], [], True
    for vital, (low, high) in expectation.values.items():
        if expectation.at is None:
            # the minutes that lie wholly inside
            means = [mean for ends, mean in journal.minutes(vital) if start <= ends - MINUTE_MS and ends <= end]
        else:
            means = [mean for ends, mean in journal.minutes(vital) if ends - MINUTE_MS <= expectation.at < ends]
        expected.append(f"{vital} {low:g}–{high:g}")
        met = met and bool(means) and low <= min(means) and max(means) <= high
        found.append(f"{vital} {min(means):.3f}–{max(means):.3f}" if means else f"{vital} unknown")
    return _outcome(expectation, met, f"{', '.join(expected)} {when}", ", ".join(found))


def _polyphony(expectation: Expectation, scenario: Scenario, journal: Journal) -> Outcome:
    assert expectation.polyphony is not None
    end = scenario.length if expectation.end is None else expectation.end
    times = range(-(-expectation.start // MINUTE_MS) * MINUTE_MS, end + 1, MINUTE_MS) if expectation.at is None else [expectation.at]
    when = f"from {clock(expectation.start)} to {clock(end)}" if expectation.at is None else f"at {clock(expectation.at)}"
    figures = journal.polyphony(times)
    known = [one.shares | {"balance": one.balance, "harmony": one.harmony, "dissonance": one.dissonance} for one in figures]
    expected, found, met = [], [], bool(figures)
    for name, (low, high) in expectation.polyphony.items():
        values = [one[name] for one in known if name in one]
        expected.append(f"{name} {low:g}–{high:g}")
        found.append(f"{name} {min(values):.3f}–{max(values):.3f}" if values else f"{name} unknown")
        met = met and bool(values) and low <= min(values) and max(values) <= high
    return _outcome(expectation, met, f"{', '.join(expected)} {when}", ", ".join(found))


def _states(expectation: Expectation, journal: Journal) -> Outcome:
    assert expectation.states is not None
    passed = journal.states()
    walk = iter(passed)
    met = all(any(state == wanted for _, state in walk) for wanted in expectation.states)
    found = " → ".join(f"{state} ({clock(at)})" for at, state in passed)
    return _outcome(expectation, met, " → ".join(expectation.states), found)


def _voices(expectation: Expectation, journal: Journal) -> Outcome:
    assert expectation.voices is not None
    first: dict[str, Entry] = {}
    for entry in journal.of(topics.VOICES):
        if isinstance(entry.value, VoiceEvent) and entry.value.event == "activated":
            first.setdefault(entry.value.voice, entry)
    spoke = [voice for voice in first if voice in expectation.voices]
    found = ", then ".join(f"{voice} ({clock(first[voice].ts - journal.start)})" for voice in spoke)
    return _outcome(
        expectation, spoke == expectation.voices, ", then ".join(expectation.voices), found or "nobody", None, [first[v] for v in spoke]
    )


def _levels(expectation: Expectation, scenario: Scenario, journal: Journal) -> Outcome:
    assert expectation.levels is not None
    end = scenario.length if expectation.end is None else expectation.end
    others = [
        entry
        for entry in journal.of(topics.STATUS)
        if isinstance(entry.value, SloStatus)
        and expectation.start <= entry.ts - journal.start <= end
        and entry.value.level not in expectation.levels
        and fits(entry.value, expectation.where)
    ]
    told = ", ".join(
        f"{e.value.metric} {e.value.level} at {clock(e.ts - journal.start)}" for e in others[:3] if isinstance(e.value, SloStatus)
    )
    expected = f"only {', '.join(expectation.levels)} from {clock(expectation.start)} to {clock(end)}"
    return _outcome(expectation, not others, expected, told or "nothing else", None, others)
