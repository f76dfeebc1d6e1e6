"""The artefacts of a run: execution log (Markdown), plot (SVG) and ∆DΩΛ snapshot (JSON), named by the time of T0."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import orjson

from experiments.expectations import Outcome, clock
from experiments.journal import Entry, Journal
from experiments.plot import Mark, Panel, svg
from experiments.scenario import Scenario
from experiments.snapshot import Run, lessons, snapshot
from schemas import topics
from schemas.config import Config
from schemas.events import ActionEvent, AlertEvent, BudgetState, SignalsSample, VoiceEvent
from schemas.outputs import SloStatus

_TOLD = ("activated", "deactivated", "pre-empted", "queued", "dropped", "synthesized", "acknowledged")


def write(directory: Path, run: Run, scenario: Scenario, config: Config, journal: Journal, outcomes: list[Outcome]) -> list[Path]:
    """Writes the three files into `directory` (made if need be); returns them: snapshot, log, plot."""
    directory.mkdir(parents=True, exist_ok=True)
    stem = f"dry_run_{run.stamp}"
    files = [directory / f"{stem}_{end}" for end in ("delta_omega_lambda.json", "log.md", "plot.svg")]
    found = snapshot(run, scenario, journal, outcomes)
    files[0].write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2) + b"\n")
    files[1].write_text(log(run, scenario, journal, outcomes, plot=files[2].name), encoding="utf-8")
    files[2].write_text(plot(run, scenario, config, journal), encoding="utf-8")
    return files


def plot(run: Run, scenario: Scenario, config: Config, journal: Journal) -> str:
    """Vitals over time, with phases, voices and actions."""
    panels = [
        Panel(_named(vital, subject), [((end - 30_000) / 60_000, mean) for end, mean in one.minutes(vital)], config.metrics[vital].range)
        for subject, one in journal.subjects()
        for vital in scenario.of(subject).start
        if vital in config.metrics
    ]
    marks = []
    for _, entry in _all(journal):
        value = entry.value
        minute = (entry.ts - journal.start) / 60_000
        if isinstance(value, VoiceEvent) and value.event in ("activated", "synthesized"):
            marks.append(Mark(minute, f"{value.voice}{'' if value.event == 'activated' else ' joins'}"))
        elif isinstance(value, ActionEvent) and value.state in ("dispatched", "effective"):
            marks.append(Mark(minute, "action" if value.state == "dispatched" else "effect"))
    phases = [(phase.name, phase.start / 60_000) for phase in scenario.phases]
    return svg(f"{scenario.title}, seed {run.seed}", panels, phases, marks, scenario.length / 60_000)


def log(run: Run, scenario: Scenario, journal: Journal, outcomes: list[Outcome], *, plot: str) -> str:
    """The execution log; `plot` is the file name of the drawing beside it."""
    met = sum(outcome.met for outcome in outcomes)
    verdict = "passed" if met == len(outcomes) else "failed"
    begin = dt.datetime.fromtimestamp(run.start, dt.UTC)
    lines = [
        f"# {scenario.title}: execution log",
        "",
        scenario.about.strip(),
        "",
        f"**{verdict}**: {met} of {len(outcomes)} expectations met.",
        "",
        "| | |",
        "| --- | --- |",
        f"| experiment | `{run.id}` |",
        f"| T0 | {begin:%Y-%m-%d %H:%M} UTC, {scenario.length / 60_000:g} minutes |",
        f"| run by | {run.by}, configuration `{run.config}` |",
        "",
        f"![vitals over time]({plot})",
        "",
        *_phases(scenario, journal),
        "## Expectations",
        "",
        "| expected | when or how much | found | |",
        "| --- | --- | --- | --- |",
        *(f"| {o.name} | {o.expected} | {o.found} | {'met' if o.met else '**not met**'} |" for o in outcomes),
        "",
        "## Timeline",
        "",
        "| time | what | why | id |",
        "| --- | --- | --- | --- |",
        *(line for subject, entry in _all(journal) if (line := _line(subject, entry, scenario, journal)) is not None),
        "",
        "## Lessons",
        "",
        *([f"- {lesson}" for lesson in lessons(scenario, journal, outcomes)] or ["Nothing deviated."]),
        "",
    ]
    return "\n".join(lines)


def _phases(scenario: Scenario, journal: Journal) -> list[str]:
    if not scenario.phases:
        return []
    vitals = list(scenario.start)
    lines = [
        "## Phases",
        "",
        f"| phase | minutes | {' | '.join(vitals)} | state at its end |",
        f"| --- | --- |{' --- |' * (len(vitals) + 1)}",
    ]
    states = journal.states()
    for phase in scenario.phases:
        cells = []
        for vital in vitals:
            means = [mean for end, mean in journal.minutes(vital) if phase.start < end <= phase.end]
            cells.append(f"{means[0]:.2f} → {means[-1]:.2f}" if means else "–")
        state = next((state for at, state in reversed(states) if at <= phase.end), "–")
        lines.append(f"| {phase.name} | {phase.start / 60_000:g}–{phase.end / 60_000:g} | {' | '.join(cells)} | {state} |")
    return [*lines, ""]


def _all(journal: Journal) -> list[tuple[str | None, Entry]]:
    """The outputs of all subjects, by time; those of one time subject by subject."""
    found = [(subject, entry) for subject, one in journal.subjects() for entry in one.entries]
    return sorted(found, key=lambda pair: pair[1].ts) if journal.beside else found


def _named(what: str, subject: str | None) -> str:
    """Something of a subject; that of the first needs no name."""
    return what if subject is None else f"{subject}: {what}"


def _line(subject: str | None, entry: Entry, scenario: Scenario, journal: Journal) -> str | None:
    at = entry.ts - journal.start
    if at > scenario.length:
        return None
    told = _tell(entry)
    if told is None:
        return None
    what, why = told
    return f"| {clock(at)} | {_named(what, subject)} | {why.replace('|', '/')} | `{entry.id}` |"


def _tell(entry: Entry) -> tuple[str, str] | None:
    """One output in words, or None where it is not worth a line."""
    value = entry.value
    if isinstance(value, SloStatus):
        mean = "no mean" if value.value is None else f"mean {value.value:.3f}"
        bound = "" if value.bound is None else f", bound {value.bound:g}"
        return f"{value.metric} {value.level}{f' {value.priority}' if value.priority else ''}", value.reason or f"{mean}{bound}"
    if isinstance(value, VoiceEvent) and value.event in _TOLD:
        return f"voice {value.voice} {value.event}", value.reason or value.rule or ""
    if isinstance(value, ActionEvent):
        reason = value.review.reason if value.review is not None and value.state in ("approved", "refused", "awaiting_approval") else ""
        after = "" if value.effect.after is None else f"{value.metric} {value.effect.after:.3f}"
        return f"action {value.action} {value.state}", reason or after or value.evidence.condition
    if isinstance(value, BudgetState):
        return f"budget of {value.metric}: {value.alert or 'no alert'}", f"{value.bad_ms / 1000:g} s outside OK"
    if isinstance(value, AlertEvent) and value.state in ("firing", "resolved"):
        return f"alert {value.priority} of {value.metric} ({value.kind}) {value.state}", value.resolution or ""
    if isinstance(value, SignalsSample) and value.changed and entry.topic == topics.SIGNALS:
        return "signals", ", ".join(f"{name} {'yes' if value.values.get(name) else 'no'}" for name in value.changed)
    return None
