"""Why a voice is silent and an action was not asked for, from the state that the log gives."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import Producer

from iskra import config_files
from iskra.verification.reading import LogReader
from iskra.verification.why_not import NotThere, WhyNot, read
from processors.engine import PartitionEngine, Record
from schemas.commands import Command, MuteVoice, encode_command
from schemas.config import Config, config_hash
from schemas.headers import headers_of
from schemas.partitioning import partition_for, subject_key
from schemas.topics import ACTIONS, ALERTS, BUDGET, ESCALATIONS, HEADER_KIND, POINTS, SIGNALS, STATUS, VOICES, full_name
from tests.streams.helpers import WorkerProcess, cut_log, dump, wait_for

T = 1_762_435_200_000
CONFIG = config_files.load()
HEALTHY = {"clarity": 0.80, "chaos": 0.45, "trust": 0.80, "pain": 0.30}


def rows(second: int, **levels: float) -> list[dict[str, Any]]:
    """One point a vital, at a second from the start."""
    return [{"subject": "alpha", "metric": m, "value": levels.get(m, v), "ts": T + second * 1000} for m, v in (HEALTHY | levels).items()]


class Log:
    """A log that is written by hand and judged by an engine."""

    def __init__(self, config: Config = CONFIG) -> None:
        self.bodies = {config_hash(config): config}
        self.engine = PartitionEngine(config, topic="t.metrics.points", partition=0, partitions=1, live=False)
        self.offset = 0
        self.second = 0

    def live(self, seconds: int, **levels: float) -> None:
        """So many seconds pass."""
        for _ in range(seconds):
            self._apply(json.dumps(rows(self.second, **levels)).encode(), None)
            self.second += 1

    def give(self, command: Command) -> None:
        self._apply(encode_command(command), "command")

    def why_not(self, name: str) -> WhyNot:
        return read(self.engine, b"default/alpha", name, self.bodies)

    def _apply(self, value: bytes, kind: str | None) -> None:
        self.engine.apply(Record(self.offset, T + self.second * 1000, value, kind), self.bodies.__getitem__)
        self.offset += 1


def kinds(found: WhyNot) -> list[str]:
    return [gate.kind for gate in found.gates] + [gate.kind for rule in found.rules for gate in rule.gates]


def test_what_nearly_fired_is_told_with_its_distance() -> None:
    """Chaos at 0.241 is short of 0.2 by 0.041; the other rule knows nothing yet."""
    log = Log()
    log.live(60, chaos=0.241)
    found = log.why_not("hundun")
    assert not found.happens
    assert [rule.rule for rule in found.rules] == ['chaos < 0.2 and stagnation_duration > duration("5m")', "rigidity"]
    near = found.rules[0].nearest
    assert near is not None
    assert (near.term, round(near.short_by, 9)) == ("chaos < 0.2", 0.041)
    assert found.rules[0].terms[0].value == pytest.approx(0.241)
    assert found.verdict == "hundun: no rule of its holds; nearest is `chaos < 0.2`, short by 0.041"


def test_a_voice_that_speaks_is_told_to_speak() -> None:
    """Then nothing stops it."""
    log = Log()
    log.live(40, trust=0.55, pain=0.45)
    found = log.why_not("anhantra")
    assert (found.happens, found.gates) == (True, [])
    assert found.verdict == "anhantra speaks, by trust < 0.6 and pain > 0.4"


def test_a_cool_down_is_told_with_its_end() -> None:
    """A voice that fell silent keeps silent for 300 s, though its rule holds again."""
    log = Log()
    log.live(60, trust=0.55, pain=0.45)
    log.live(400)
    assert not log.why_not("anhantra").happens
    log.live(40, trust=0.55, pain=0.45)
    found = log.why_not("anhantra")
    assert found.rules[0].holds is True
    assert found.gates[0].kind == "cool-down"
    assert found.gates[0].until is not None
    assert found.gates[0].until > found.time
    assert "holds, but it fell silent" in found.verdict


def test_a_muted_voice_and_an_opponent_are_gates() -> None:
    """Mute stops a rule that holds; an active opponent that would win is named with the reason."""
    log = Log()
    log.live(5)
    log.give(MuteVoice(subject="alpha", who="ada", voice="anhantra"))
    log.live(40, trust=0.55, pain=0.45)
    found = log.why_not("anhantra")
    assert (found.happens, kinds(found)) == (False, ["muted"])
    assert found.verdict.endswith("holds, but anhantra is muted; only a command ends that")
    log = Log()
    log.live(40, chaos=0.6, clarity=0.82)
    assert log.why_not("pino").happens
    found = log.why_not("kayn")
    assert "opponent" in kinds(found)
    assert any("pino speaks and would win" in gate.text for rule in found.rules for gate in rule.gates)


def test_an_action_tells_how_long_its_condition_has_held_and_what_the_gate_would_say() -> None:
    """Chaos has to be under 0.15 for ten minutes; the gate would refuse an injection while pain is over 0.5."""
    log = Log()
    log.live(100, chaos=0.12)
    found = log.why_not("stimulate_creative_chaos")
    assert found.kind == "action"
    assert [gate.kind for gate in found.gates] == ["hold"]
    assert "of 10 min" in found.gates[0].text
    log.live(40, chaos=0.12, pain=0.55)
    found = log.why_not("stimulate_creative_chaos")
    assert [gate.kind for gate in found.gates] == ["hold", "refusal"]
    assert found.gates[1].text == "iskriv would refuse it: no chaos is injected while pain is above 0.5"


def test_the_limit_of_actions_is_a_gate() -> None:
    """With one action an hour, the second is refused for the limit."""
    living = CONFIG.living
    assert living is not None
    actions = msgspec.structs.replace(living.actions, limit=1)
    log = Log(msgspec.structs.replace(CONFIG, living=msgspec.structs.replace(living, actions=actions)))
    log.live(60, pain=0.65)
    assert log.why_not("emergency_recovery").happens
    log.live(60, chaos=0.85, pain=0.3)
    found = log.why_not("stabilize_system")
    assert "limit" in kinds(found)
    assert "the limit is 1" in found.verdict


def test_to_ask_changes_nothing() -> None:
    """The state that is read is a copy: the engine says the same afterwards as without the question."""
    asked, other = Log(), Log()
    for log in (asked, other):
        log.live(50, trust=0.55, pain=0.45)
    for name in ("kayn", "iskra", "anhantra", "emergency_recovery"):
        asked.why_not(name)
    for log in (asked, other):
        log.live(300, chaos=0.9)
    assert asked.engine.snapshot(b"default/alpha") == other.engine.snapshot(b"default/alpha")


def test_an_unknown_name_is_told_with_those_that_are_known() -> None:
    """Voices and actions are listed."""
    log = Log()
    log.live(1)
    with pytest.raises(NotThere, match=r"nobody: expected a voice \(kayn, .*iskra\) or an action \(activate_pino_hundun"):
        log.why_not("nobody")


def iskra(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "iskra", *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def lived(kafka: str, namespace: str, tmp_path: Path) -> Iterator[str]:
    """A namespace in which a subject has lived through a crisis, told by a producer that escapes some letters of its name."""
    key = subject_key("default", "alpha")
    partition = partition_for(key, 4)
    producer = Producer({"bootstrap.servers": kafka})

    def send(value: bytes, second: int, kind: str | None = None) -> None:
        headers: list[tuple[str, str | bytes | None]] = [] if kind is None else [(HEADER_KIND, kind.encode())]
        producer.produce(full_name(namespace, POINTS), value, key, partition, timestamp=T + second * 1000, headers=headers)

    with WorkerProcess(kafka, namespace, tmp_path) as worker:
        for second in range(700):
            bad = 40 <= second < 640
            levels = {"trust": 0.45, "pain": 0.75, "chaos": 0.85} if bad else {}
            value = json.dumps(rows(second, **levels)).encode()
            send(value.replace(b'"alpha"', rb'"al\u0070ha"') if second % 3 == 0 else value, second)
            send(b"", second, "tick")
        producer.flush(30)
        worker.wait_said("owns")
        log = LogReader(kafka, namespace)
        wait_for(lambda: _is_judged(log, partition), "everything is judged")
        log.close()
        assert worker.stop() == 0
        yield namespace


def _is_judged(log: LogReader, partition: int) -> bool:
    return log.committed(partition) >= log.ends(POINTS, partition)[1]


@pytest.mark.kafka
def test_every_kind_of_output_is_explained_from_the_log(kafka: str, lived: str) -> None:
    """The last output of each topic, recomputed, is byte for byte what stands there."""
    topics = (STATUS, SIGNALS, VOICES, ALERTS, ESCALATIONS, ACTIONS, BUDGET)
    producer = Producer({"bootstrap.servers": kafka})
    for short in topics:  # whoever else writes there, with whatever for an id
        for number in range(4):
            producer.produce(full_name(lived, short), b"{}", b"?", number, headers=[("id", b"\xff")])
    assert producer.flush(30) == 0
    for short in topics:
        messages = [message for messages in dump(kafka, full_name(lived, short)) for message in messages if message.key() != b"?"]
        assert messages, short
        identity = headers_of(messages[-1])["id"].decode()
        done = iskra("explain", identity, "--kafka", kafka, "--namespace", lived, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        told = json.loads(done.stdout)
        assert (told["topic"], told["match"], told["difference"]) == (short, True, None)


@pytest.mark.kafka
def test_why_not_over_a_real_log(kafka: str, lived: str) -> None:
    """The command tells it in words and as JSON, as of now and as of then; what it cannot know it says with exit code 2."""
    where = ("--kafka", kafka, "--namespace", lived)
    done = iskra("explain", "--why-not", "hundun", "--subject", "alpha", *where)
    assert done.returncode == 0, done.stderr
    assert "nearest: chaos < 0.2, short by 0.25" in done.stdout
    then = str(T + 300_000)
    done = iskra("explain", "--why-not", "anhantra", "--subject", "alpha", "--at", then, "--json", *where)
    told = json.loads(done.stdout)
    assert (told["happens"], told["uncertain"]) == (True, None)
    expected: list[tuple[tuple[str, ...], str]] = [
        (("--why-not", "nobody", "--subject", "alpha"), "nobody: expected a voice"),
        (("--why-not", "hundun", "--subject", "beta"), "default/beta is not known"),
        (("--why-not", "hundun"), "--subject: expected"),
        ((), "expected an ID, or --why-not"),
        (("0-1-0-0-aa-sent",), "the notifier wrote it"),
        (("--why-not", "hundun", "--subject", "alpha", "--at", "yesterday"), "--at:"),
    ]
    for arguments, text in expected:
        done = iskra("explain", *arguments, *where)
        assert (done.returncode, text in done.stderr) == (2, True), (arguments, done.stderr)

    # once retention has cut the log, the answer is that of what is kept, and says so
    points = full_name(lived, POINTS)
    ends = {number: len(messages) for number, messages in enumerate(dump(kafka, points))}
    cut_log(kafka, points, {number: end // 2 for number, end in ends.items()})
    done = iskra("explain", "--why-not", "hundun", "--subject", "alpha", *where)
    assert done.returncode == 0, done.stderr
    assert f"uncertain: the log begins at offset {max(ends.values()) // 2:,}" in done.stdout
