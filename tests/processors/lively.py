"""Logs in which much happens: subjects that drift, jump, fall silent and publish signals, and people who answer."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import yaml

from iskra.config_files import DEFAULT_DIR, load
from iskra.living_files import FILES
from processors.engine import Output, PartitionEngine, Record
from schemas import topics
from schemas.config import Bounds, Config, config_hash
from schemas.durations import Duration, decode_hook
from schemas.living import Living
from tests.processors.settings import TOPIC

START_S = 1_000_000
VITALS = ("clarity", "chaos", "trust", "pain")
PUBLISHED = (
    "truth_violations", "accuracy", "needs_organization", "complexity", "structure_score", "ethical_violation", "ethical_compliance",
    "decision_impact_score", "stagnation", "rigidity", "synthesis_needed", "drift", "synthesis_readiness", "system_chaos",
)  # fmt: skip


def _quick() -> Living:
    """The living part that comes with Iskra, with all times a few seconds."""
    tree: dict[str, Any] = {key: yaml.safe_load((DEFAULT_DIR / name).read_text(encoding="utf-8")) for key, name in FILES.items()}
    signals = tree["signals"]
    signals |= {"ttl": "15s", "volatility_lag": "5s", "trend": "30s", "readiness": "90s", "polyphony": "30s", "sample_every": "20s"}
    signals["stagnation"] |= {"window": "20s", "clarity_above": 0.6, "chaos_below": 0.5, "stddev": 0.2}
    signals["rigidity"] |= {"window": "1m", "clarity_above": 0.5, "stddev": 0.3}
    tree["budget"]["burn"] = [
        {"alert": "page", "rate": 20, "long": "2m", "short": "1m"},
        {"alert": "ticket", "rate": 10, "long": "4m", "short": "2m"},
    ]
    voices = tree["voices"]
    voices["cooldown"] = "6s"
    for voice in voices["voices"].values():
        voice["timeout"] = "5s"
        for activation in voice["activate"]:
            activation["cooldown"] = "8s"
            activation["when"] = activation["when"].replace('"5m"', '"5s"')
    for action in tree["actions"]["actions"].values():
        action |= {"for": "2s", "within": "6s"}
    tree["actions"]["actions"]["stimulate_creative_chaos"]["when"] = "chaos < 0.4"
    tree["actions"] |= {"limit": 8, "per": "1m", "acknowledge_within": "5s", "approve_within": "9s", "free_strength": 2}
    alerts = tree["alerts"]
    alerts |= {"flapping_window": "20s", "unknown_after": "8s"}
    for chain, wait, after in (("P0", "0s", ("0s", "3s", "9s")), ("P1", "2s", ("4s", "8s")), ("P2", "3s", ("6s",))):
        alerts["chains"][chain]["wait"] = wait
        for step, time in zip(alerts["chains"][chain]["steps"], after, strict=True):
            step["after"] = time
    return msgspec.convert(tree, Living, dec_hook=decode_hook)


def _thresholds(config: Config) -> Config:
    judging = msgspec.structs.replace(config.defaults, window=Duration(6000), clear_for=Duration(3000), missing_after=Duration(6000))
    metrics = {name: msgspec.structs.replace(metric, cooldown=Duration(4000)) for name, metric in config.metrics.items()}
    return msgspec.structs.replace(
        config, defaults=judging, metrics=metrics, time=msgspec.structs.replace(config.time, idle_after=3, expire_after=150)
    )


LIVELY = msgspec.structs.replace(_thresholds(load()), living=_quick())
"""Deep states are a few seconds away."""


def _calmer(living: Living) -> Living:
    voices = living.voices
    fewer = {name: voice for name, voice in voices.voices.items() if name != "kayn"}
    synergies = [pair for pair in voices.synergies if "kayn" not in pair]
    symbols = {name: symbol for name, symbol in voices.symbols.items() if symbol.voice != "kayn"}
    modes = {name: mode for name, mode in voices.modes.items() if mode.voice != "kayn"}
    opposing = [pair for pair in voices.opposing if "kayn" not in pair.pair]
    voices = msgspec.structs.replace(voices, voices=fewer, synergies=synergies, symbols=symbols, modes=modes, opposing=opposing)
    return msgspec.structs.replace(living, voices=voices)


OTHER = msgspec.structs.replace(
    LIVELY,
    living=_calmer(_quick()),
    metrics=dict(LIVELY.metrics) | {"pain": msgspec.structs.replace(LIVELY.metrics["pain"], high=Bounds(P2=0.4, P1=0.5))},
)
"""Takes the place of `LIVELY` in the middle of a log: a voice gone, other bounds of pain."""

CONFIGS = {config_hash(config): config for config in (LIVELY, OTHER)}


def body_of(named: str) -> Config:
    """The configuration that a marker names."""
    return CONFIGS[named]


def new_engine(config: Config = LIVELY) -> PartitionEngine:
    """An engine of one partition that is all there is."""
    return PartitionEngine(config, topic=TOPIC, partition=0, partitions=1)


class _Subject:
    """A subject's way: values that drift towards targets that jump now and then, and spells of silence."""

    def __init__(self, name: str, dice: random.Random) -> None:
        self.name = name
        self.values = {"clarity": 0.8, "chaos": 0.45, "trust": 0.8, "pain": 0.3}
        self.targets = dict(self.values)
        self.silent = 0
        self.dice = dice

    def points(self, second: int) -> list[dict[str, Any]]:
        """What it says in a second."""
        dice = self.dice
        if self.silent:
            self.silent -= 1
            return []
        if dice.random() < 0.01:
            self.silent = dice.choice((2, 5, 20, 60))
        if dice.random() < 0.05:
            self.targets = {vital: dice.random() for vital in VITALS}
        said = []
        for vital in VITALS:
            self.values[vital] += (self.targets[vital] - self.values[vital]) * 0.2
            for _ in range(dice.choice((0, 1, 1, 2))):
                value = min(1.0, max(0.0, self.values[vital] + dice.gauss(0, 0.02)))
                said.append((vital, value))
        if dice.random() < 0.15:
            said.append((dice.choice(PUBLISHED), float(dice.choice((0, 0.3, 0.7, 0.95, 1, 3)))))
        times = sorted(dice.randrange(1000) for _ in said)
        if dice.random() < 0.1:
            dice.shuffle(times)
        return [
            {"subject": self.name, "metric": metric, "value": value, "ts": (second - (dice.random() < 0.02) * 3) * 1000 + ms}
            for (metric, value), ms in zip(said, times, strict=True)
        ]


def _answer(out: Output, dice: random.Random) -> dict[str, Any] | None:
    """What a person or the subject's side answers to an output, now and then; sometimes nonsense."""
    value: Any = out.value
    subject = out.key.decode().partition("/")[2]
    chance = dice.random()
    common = {"subject": subject, "who": "somebody", "why": "so"}
    if out.topic == topics.ALERTS and value.state in ("pending", "firing") and chance < 0.2:
        return {"command": dice.choice(("acknowledge_alert", "resolve_alert")), "alert_id": value.alert_id, **common}
    if out.topic == topics.ACTIONS and value.state == "dispatched" and chance < 0.7:
        return {"command": "acknowledge_action", "action_id": value.action_id, **common}
    if out.topic == topics.ACTIONS and value.state == "awaiting_approval" and chance < 0.7:
        return {"command": dice.choice(("approve_action", "refuse_action")), "action_id": value.action_id, **common}
    if out.topic == topics.VOICES and value.event == "activated" and chance < 0.5:
        return {"command": dice.choice(("acknowledge_voice", "mute_voice", "unmute_voice")), "voice": value.voice, **common}
    if chance > 0.995:
        return {"command": "unmute_voice", "voice": dice.choice(("sam", "nobody")), **common}
    return None


def lively_log(seed: int, seconds: int, *, markers: bool = False) -> list[Record]:
    """A log of so many seconds, written in closed loop: commands answer what the engine said."""
    dice = random.Random(seed)
    subjects = [_Subject(name, dice) for name in ("alpha", "beta")]
    engine = new_engine()
    log: list[Record] = []
    answers: list[dict[str, Any]] = []

    def write(timestamp: int, value: bytes = b"", kind: str | None = None) -> None:
        record = Record(len(log), timestamp, value, kind)
        log.append(record)
        for out in engine.apply(record, body_of):
            answer = _answer(out, dice)
            if answer is not None:
                answers.append(answer)

    for second in range(START_S, START_S + seconds):
        said = [point for subject in subjects for point in subject.points(second)]
        dice.shuffle(subjects)
        while said:
            number = dice.choice((1, 1, 3, 8))
            part, said = said[:number], said[number:]
            write(second * 1000 + 999, json.dumps(part if number > 1 else part[0]).encode())
        if answers and dice.random() < 0.5:
            write(second * 1000 + 999, json.dumps(answers.pop(0)).encode(), "command")
        if markers and dice.random() < 0.01:
            write(second * 1000 + 999, dice.choice(sorted(CONFIGS)).encode(), "config")
        if dice.random() > 0.01:  # now and then a tick is lost
            write(second * 1000 + 999, kind="tick")
    return log
