"""Why a voice is silent or an action was not asked for: its rules with their values, what is near, and which gate stops it.

The subject's state comes from the log alone, as the engine has it: recomputed from the partition's first record to the end
(or to a time), then read. Nothing is guessed from outputs.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from iskra.verification.explain import only
from iskra.verification.reading import LogReader
from iskra.verification.recompute import Recomputation
from processors.compiled import Compiled
from processors.conflicts import Candidate, decide
from processors.engine import PartitionEngine, Record
from processors.ensemble import Ensemble
from processors.facts import Facts
from processors.life import Life
from processors.state import load
from processors.subject import Subject
from processors.voice_spec import PRIORITIES, ActivationSpec, VoiceSpec
from schemas.config import Config
from schemas.events import TermValue
from schemas.partitioning import partition_for, subject_key
from schemas.topics import POINTS


class Near(msgspec.Struct, frozen=True):
    """The term that is nearest to its limit, and how far it is from it."""

    term: str
    short_by: float


class Gate(msgspec.Struct, frozen=True):
    """What stops it although a rule holds, or would: `kind` is muted, cool-down, opponent, queue, limit, refusal, approval, open or hold.

    `until` is the time (ms) at which it ends by itself, null: it does not, or nobody can tell. It is subject time, log
    time for `approval`.
    """

    kind: str
    text: str
    until: int | None = None


class RuleState(msgspec.Struct, frozen=True):
    """A rule as it stands: its text, whether it holds (null: unknown), its terms, what is near, and the gates of its own."""

    rule: str
    priority: str | None
    holds: bool | None
    terms: list[TermValue]
    nearest: Near | None
    gates: list[Gate]


class WhyNot(msgspec.Struct, frozen=True):
    """The answer; `time` is the subject's time and `log_time` that of the log (ms). `verdict` is one sentence for people.

    `uncertain`: that the log is cut, so that the subject may have a past which nobody can recompute; null: all is kept.
    """

    name: str
    kind: str
    tenant: str
    subject: str
    time: int
    log_time: int
    happens: bool
    verdict: str
    rules: list[RuleState]
    gates: list[Gate]
    config: str
    uncertain: str | None = None


class NotThere(LookupError):
    """The subject, or the voice or action, is not known; the text says which and what is."""


def why_not(log: LogReader, name: str, tenant: str, subject: str, at: int | None = None) -> WhyNot:
    """Why the voice or action `name` of a subject does not act, at the end of the log or at its time `at` (ms).

    Raises:
        NotThere: no such voice or action, or no such subject.
        UnknownConfiguration: the log names a configuration that is not published.
    """
    key = subject_key(tenant, subject)
    partition = partition_for(key, log.partitions)
    bodies = log.configurations()
    recomputation = Recomputation(log.namespace, partition, log.partitions, bodies, log.start(partition))
    first, end = log.ends(POINTS, partition)
    records = only(log.records(partition, first, end), subject.encode() if subject.isascii() else b"", -1)
    for _ in recomputation.outputs(_until(records, at)):
        continue
    engine = recomputation.engine
    if engine is None or key not in engine.subject_keys():
        raise NotThere(f"subject: {tenant}/{subject} is not known to the log of {log.namespace}")
    answer = read(engine, key, name, bodies)
    cut = recomputation.cut
    return answer if cut.sure_of(key) else msgspec.structs.replace(answer, uncertain=cut.told())


def _until(records: Iterator[Record], at: int | None) -> Iterator[Record]:
    for record in records:
        if at is not None and record.timestamp > at:
            return
        yield record


def read(engine: PartitionEngine, key: bytes, name: str, bodies: dict[str, Config]) -> WhyNot:
    """The answer from the state of a subject in an engine.

    Raises:
        NotThere: no such voice or action.
    """
    subject = load(engine.snapshot(key), lambda named: Compiled(bodies[named]))
    life = subject.life
    if life is None:
        raise NotThere(f"{subject.tenant}/{subject.name}: its configuration has no living part")
    voices, actions = life.spec.voices, life.spec.actions
    if name in voices.places:
        return _voice(engine, subject, life, voices.voices[voices.places[name]])
    if name in actions.by_name:
        return _action(engine, subject, life, name)
    raise NotThere(f"{name}: expected a voice ({', '.join(voices.places)}) or an action ({', '.join(actions.by_name)})")


# --- voices ---


def _ensemble(life: Life) -> Ensemble:
    """The voices as they stand; the machine tells its state as plain values."""
    ensemble = Ensemble(life.spec.voices)
    state = life.voices.dump()
    if state:
        ensemble.load(state[0])
    return ensemble


def _voice(engine: PartitionEngine, subject: Subject, life: Life, voice: VoiceSpec) -> WhyNot:
    facts, ensemble, now = life.facts, _ensemble(life), subject.time
    speaker = ensemble.speaker(voice.place)
    active = speaker is not None and speaker.rule >= 0
    waiting = ensemble.waiting(voice.place)
    gates: list[Gate] = []
    if voice.place in ensemble.muted:
        gates.append(Gate("muted", f"{voice.name} is muted; only a command ends that"))
    if speaker is not None and not active and speaker.silent_at >= 0 and now - speaker.silent_at < life.spec.voices.cooldown:
        until = speaker.silent_at + life.spec.voices.cooldown
        since = _span(now - speaker.silent_at)
        gates.append(Gate("cool-down", f"it fell silent {since} ago: {_span(until - now)} of its cool-down left", until))
    if waiting is not None:
        gates.append(Gate("queue", f"it waits for {ensemble.name(waiting.against) or 'a voice that is gone'} to fall silent"))
    rules = []
    for place, activation in enumerate(voice.activations):
        own: list[Gate] = []
        if not active and speaker is not None and speaker.activated[place] >= 0:
            until = speaker.activated[place] + activation.cooldown
            if now < until:
                spoke = _span(now - speaker.activated[place])
                text = f"this rule made it speak {spoke} ago: {_span(until - now)} of the rule's cool-down left"
                own.append(Gate("cool-down", text, until))
        if not active:
            own += _opponents(life, ensemble, voice, place, activation)
        rules.append(_rule(facts, activation.rule, activation.text, PRIORITIES[activation.rank], own))
    told = f"{voice.name} speaks, by {voice.activations[speaker.rule].text}" if active and speaker else ""
    verdict = told or _verdict(voice.name, rules, gates)
    return _answer(engine, subject, voice.name, "voice", active, verdict, rules, gates)


def _opponents(life: Life, ensemble: Ensemble, voice: VoiceSpec, place: int, activation: ActivationSpec) -> list[Gate]:
    """Active opponents that would win against the voice if it came by this rule."""
    facts, spec = life.facts, life.spec.voices
    found = []
    speaker = ensemble.speaker(voice.place)
    me = Candidate(voice, place, facts.excess(activation.rule), -1 if speaker is None else speaker.silent_at)
    for pair in voice.pairs:
        other = pair.other(voice.place)
        if not ensemble.is_active(other):
            continue
        against = ensemble.made_speaker(other)
        rival = spec.voices[other]
        side = Candidate(rival, against.rule, facts.excess(rival.activations[against.rule].rule), against.silent_at)
        verdict = decide(spec, pair, me, side, facts)
        if not verdict.wins:
            found.append(Gate("opponent", f"{rival.name} speaks and would win: {verdict.reason}"))
    return found


# --- actions ---


def _action(engine: PartitionEngine, subject: Subject, life: Life, name: str) -> WhyNot:
    facts, now, log_now = life.facts, subject.time, engine.log_time
    spec = life.spec.actions.by_name[name]
    running, free, dispatched, opened, _ = life.actions.dump()
    under_way = next((state for state in opened if state[1] == name), None)
    gates: list[Gate] = []
    if under_way is not None:
        entered, until = under_way[15], under_way[17]
        kind = "approval" if entered == "awaiting_approval" else "open"
        gates.append(Gate(kind, f"it is under way already ({entered}), as {under_way[0]}", until))
    since = next((entry[1] for entry in running if entry[0] == name), None)
    holds = facts.holds(spec.rule)
    if holds is True and since is not None and now < since + spec.for_ms:
        gates.append(Gate("hold", f"its condition has held for {_span(now - since)} of {_span(spec.for_ms)}", since + spec.for_ms))
    lately = sum(at > now - life.spec.actions.per for at in dispatched)
    verdict = spec.gate.review(facts, log_now, lately, approved=False)
    if verdict.decision == "refused":
        gates.append(Gate("limit" if verdict.code == "limit" else "refusal", f"iskriv would refuse it: {verdict.reason}"))
    elif verdict.decision == "needs_approval" and under_way is None:
        gates.append(Gate("approval", f"iskriv would hold it: {verdict.reason}"))
    rests = dict(free).get(spec.metric, 0)
    if now < rests:
        gates.append(Gate("cool-down", f"an action on {spec.metric} was decided lately: {_span(rests - now)} of its cool-down left", rests))
    retry = next((entry[2] for entry in running if entry[0] == name), 0)
    if now < retry and retry > rests:
        gates.append(Gate("limit", f"the gate is asked again in {_span(retry - now)}", retry))
    rules = [_rule(facts, spec.rule, spec.condition, spec.level, [])]
    told = f"{name} is under way" if under_way is not None else _verdict(name, rules, gates)
    return _answer(engine, subject, name, "action", under_way is not None, told, rules, gates)


# --- both ---


def _rule(facts: Facts, rule: int, text: str, priority: str | None, gates: list[Gate]) -> RuleState:
    holds = facts.holds(rule)
    short = None if holds is True else facts.shortfall(rule)
    return RuleState(text, priority, holds, facts.terms(rule), None if short is None else Near(short[0], short[1]), gates)


def _answer(
    engine: PartitionEngine, subject: Subject, name: str, kind: str, happens: bool, verdict: str, rules: list[RuleState], gates: list[Gate]
) -> WhyNot:
    return WhyNot(
        name, kind, subject.tenant, subject.name, subject.time, engine.log_time, happens, verdict, rules, gates, engine.config_hash
    )  # fmt: skip


def _verdict(name: str, rules: list[RuleState], gates: list[Gate]) -> str:
    """The one sentence: the gate that stops a rule that holds; else what is missing."""
    ready = [rule for rule in rules if rule.holds is True]
    if ready:
        open_rule = next((rule for rule in ready if not rule.gates), None)
        stops = [*gates, *(ready[0].gates if open_rule is None else [])]
        if stops:
            return f"{name}: its rule `{ready[0].rule}` holds, but {stops[0].text}"
        return f"{name}: its rule `{ready[0].rule}` holds, and nothing stops it: it follows at the next judging"
    near = min((rule.nearest for rule in rules if rule.nearest is not None), key=lambda each: each.short_by, default=None)
    if near is not None:
        return f"{name}: no rule of its holds; nearest is `{near.term}`, short by {near.short_by:g}"
    missing = [term.term for rule in rules for term in rule.terms if term.holds is None]
    if missing:
        return f"{name}: no rule of its is known to hold; unknown: {', '.join(f'`{term}`' for term in missing)}"
    return f"{name}: no rule of its holds"


def _span(ms: int) -> str:
    seconds = ms // 1000
    if seconds < 60:
        return f"{ms / 1000:g} s" if ms < 10_000 else f"{seconds} s"
    minutes, rest = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
