"""The engine of one partition: records of its log in, outputs out; a function of the log alone.

It has no clock, no randomness and no I/O, is single-threaded, and evaluates record by record: how records were batched
on their way here changes nothing. What it needs to go on after a crash is `position`, `log_time`, `last_tick`,
`tick_count`, the configuration, and the subjects' states (`snapshot`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from processors.admission import readable
from processors.compiled import Compiled
from processors.emission import Emission, Output
from processors.intake import Intake
from processors.record import Record
from processors.state import dump, load
from processors.subject import Subject
from schemas import topics
from schemas.commands import decode_command
from schemas.config import Config
from schemas.partitioning import partition_for, subject_key
from schemas.points import MAX_POINTS, TIMED_POINTS, BadPoint, split

__all__ = ["Output", "PartitionEngine", "Record"]

_POSITION: Final = re.compile(r"([0-9]{1,9})-([0-9]{1,18})")


class PartitionEngine(Intake):
    """Everything that one partition's log makes true: windows, statuses, signals, voices, alerts, actions, dead letters.

    Args:
        config: the configuration in force at the start.
        topic: full name of the points topic, for evidence.
        partition, partitions: which partition this is, of how many.
        live: refuse points older than `max_age` (replays, experiments and `evaluate` do not).
    """

    def __init__(self, config: Config, *, topic: str, partition: int, partitions: int, live: bool = True) -> None:
        super().__init__(config, topic=topic, partition=partition, partitions=partitions, live=live)
        self._configurations: dict[str, Compiled] = {self._compiled.hash: self._compiled}

    # --- what stands ---

    @property
    def config_hash(self) -> str:
        """Hash of the configuration in force."""
        return self._compiled.hash

    @property
    def last_tick(self) -> int:
        """Second of the last tick, -1: there was none. A caller that makes the ticks sets it before the first."""
        return self._population.last_tick

    @last_tick.setter
    def last_tick(self, second: int) -> None:
        self._population.last_tick = second

    @property
    def tick_count(self) -> int:
        """Number of ticks so far."""
        return self._population.tick_count

    def subject_keys(self) -> Iterable[bytes]:
        """Keys of the subjects that are known."""
        return self._population.by_key.keys()

    def take_changed(self) -> list[bytes]:
        """Keys of the subjects that changed since the last call (and are still known)."""
        return self._population.take_changed()

    def forgotten(self) -> list[bytes]:
        """Keys of the subjects closed since the last call; each owes a tombstone."""
        return self._population.take_forgotten()

    def snapshot(self, key: bytes) -> bytes:
        """The state of the subject, standing at `position`.

        Raises:
            KeyError: no such subject.
        """
        return dump(self._population.by_key[key], self.position, self._compiled.hash)

    def restore(
        self,
        states: Iterable[bytes],
        *,
        position: int,
        log_time: int,
        last_tick: int,
        tick_count: int,
        configurations: Callable[[str], Config],
    ) -> None:
        """Takes up a partition where a checkpoint left it; the engine must be new.

        Args:
            states: one state of each subject, the one with the greatest input offset.
            position: offset of the last record that the cut contains; log_time (ms), last_tick (s) and tick_count as of it.
            configurations: gives the configuration of a hash that a state names.
        """
        population = self._population
        self.position, self.log_time = position, log_time
        self._emission.log_time = log_time
        population.last_tick, population.tick_count = last_tick, tick_count

        def compiled(named: str) -> Compiled:
            if named not in self._configurations:
                self._configurations[named] = Compiled(configurations(named))
            return self._configurations[named]

        for raw in states:
            population.enter(load(raw, compiled))

    # --- records ---

    def apply(self, record: Record, configurations: Callable[[str], Config]) -> list[Output]:
        """Applies a record of any kind; `configurations` gives the body that a configuration marker names."""
        offset, timestamp, value, kind, encoding, origin, redrive = record
        if kind is None:
            return self.points(offset, timestamp, value, encoding, origin, redrive)
        if kind == "tick":
            return self.tick(offset, timestamp, origin)
        if kind == "config":
            return self.configure(offset, timestamp, configurations(value.decode("ascii")))
        if kind == "command":
            return self.command(offset, timestamp, value, origin)
        if kind == "unreadable":
            emission = self._begin(offset, timestamp, None)
            error = BadPoint("undecodable", "headers: expected names in UTF-8")
            self._refuse(error, (None, None, None), 0, offset, value, emission)
            return emission.outputs
        self._pass(offset, timestamp)
        return []

    def points(
        self, offset: int, timestamp: int, value: bytes, encoding: str | None = None, origin: str | None = None, redrive: bool = False
    ) -> list[Output]:
        """Applies a record of points.

        Args:
            offset, timestamp: the record's place in the partition and its time (ms).
            value: one point or an array. encoding, origin, redrive: as in `Record`.
        """
        emission = self._begin(offset, timestamp, origin)
        if encoding is None and not redrive:
            try:
                decoded = TIMED_POINTS.decode(value)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                pass
            else:
                if not isinstance(decoded, list):
                    self._apply_points((decoded,), timestamp, offset, value, emission)
                    return emission.outputs
                if len(decoded) <= MAX_POINTS:
                    self._apply_points(decoded, timestamp, offset, value, emission)
                    return self._ordered(emission)
        self._apply_items(value, encoding, redrive, timestamp, offset, emission)
        return self._ordered(emission)

    def refuse(self, offset: int, timestamp: int, value: bytes, error: BadPoint) -> list[Output]:
        """A record that the caller refuses for a reason of its own (`evaluate`: `--max-jump`); told as any other refusal."""
        emission = self._begin(offset, timestamp, None)
        _, _, item = split(value)[0]
        self._refuse(error, readable(item), 0, offset, value, emission)
        return emission.outputs

    def tick(self, offset: int, timestamp: int, origin: str | None = None, label: str | None = None) -> list[Output]:
        """Applies a tick: it stands for the whole second at or before its record time.

        Args:
            label: what ids tell in place of the offset (`evaluate`: `T<second>`); the evidence keeps the last record's offset.
        """
        if label is None:
            emission = self._begin(offset, timestamp, origin)
        else:
            emission = self._emission
            emission.begin(self.partition, self.position, label)
            self.log_time = emission.log_time = max(self.log_time, timestamp)
        second = timestamp // 1000
        population = self._population
        if second > population.last_tick:
            waiting = population.waited(second * 1000)
            concerned = population.tick(second)
            if not waiting:
                for subject in concerned:
                    self._look_at(subject, second, offset, emission)
                return emission.outputs
            silent = {subject.key for subject in concerned}
            for key in sorted(silent.union(waiting)):
                subject = population.by_key[key]
                if key in silent or population.is_idle(subject):
                    self._look_at(subject, second, offset, emission)
                if key in waiting and population.by_key.get(key) is subject:
                    self._waited_for(subject, second * 1000, offset, emission)
        return emission.outputs

    def command(self, offset: int, timestamp: int, value: bytes, origin: str | None = None) -> list[Output]:
        """Applies a command; what makes no sense becomes a dead letter (`bad_command`, `unknown_subject`)."""
        emission = self._begin(offset, timestamp, origin)
        tenant = name = None
        subject: Subject | None = None
        try:
            command = decode_command(value)
            tenant, name = command.tenant, command.subject
            subject = self._find(tenant, name, offset)
            if subject is None:
                right = partition_for(subject_key(tenant, name), self.partitions)
                if right != self.partition:
                    raise BadPoint("wrong_partition", f"{tenant}/{name} belongs to partition {right}, not {self.partition}")
                raise BadPoint("unknown_subject", f"{tenant}/{name}: no point of it has come")
            if offset <= subject.offset:
                return emission.outputs
            if subject.life is None:
                raise BadPoint("bad_command", f"{tenant}/{name} is left alone, or its configuration has no living part")
            self._population.wake_up(subject, self._compiled)
            subject.life.command(command, subject.time, self.log_time, emission)
            self._plan_life(subject)
        except BadPoint as error:
            emission.take_back(0)
            self._refuse(error, (tenant, name, None), 0, offset, value, emission)
        except Exception as error:  # noqa: BLE001 - a defect of ours must cost one subject, not the partition
            self._fail(error, subject, None, value, 0, emission)
        return emission.outputs

    def skip_ticks(self, last: int) -> int:
        """Passes the ticks up to the second `last` that change nothing; for a caller that makes the ticks itself.

        Returns:
            The second of the next tick that has to be applied; greater than `last` if none of them.
        """
        return self._population.skip_ticks(last)

    def configure(self, offset: int, timestamp: int, config: Config) -> list[Output]:
        """Applies a configuration marker whose body is `config`: what follows is judged by it."""
        emission = self._begin(offset, timestamp, None)
        compiled = Compiled(config)
        if compiled.hash == self._compiled.hash:
            return emission.outputs
        before = self._compiled
        self._configurations[compiled.hash] = compiled
        self._compiled = compiled
        emission.config = compiled.hash
        population = self._population
        population.expire_after = compiled.expire_after
        for subject in population.by_key.values():
            if subject.offset >= offset:
                continue
            population.wake_up(subject, before)  # what it slept through was final by the old lateness
            subject.poisoned = False
            subject.rebind(compiled)
            self._plan_life(subject)
            population.mark(subject)
            population.plan(subject, population.tick_count + 1)
        return emission.outputs

    def _pass(self, offset: int, timestamp: int) -> None:
        self.position = offset
        self.log_time = max(self.log_time, timestamp)

    def _begin(self, offset: int, timestamp: int, origin: str | None) -> Emission:
        self.position = offset
        emission = self._emission
        if timestamp > self.log_time:
            self.log_time = emission.log_time = timestamp
        # any producer may write the header: what is no position is none
        place = None if origin is None else _POSITION.fullmatch(origin)
        if place is None:
            emission.begin(self.partition, offset)
        else:
            emission.begin(int(place[1]), int(place[2]))
        return emission

    @staticmethod
    def _ordered(emission: Emission) -> list[Output]:
        """A record's outputs by subject (keys' bytes), each subject's dead letters first (semantics §6)."""
        outputs = emission.outputs
        if len(outputs) > 1:
            outputs.sort(key=lambda output: (output.key, output.topic != topics.DEAD_LETTERS))
        return outputs

    # --- silence ---

    def _look_at(self, subject: Subject, second: int, offset: int, emission: Emission) -> None:
        """A subject at the tick for which it was planned: it may have become idle, go on being so, or be forgotten."""
        population = self._population
        silent = population.silence(subject)
        if not population.is_idle(subject) and silent < population.expire_after:
            population.plan(subject, population.idle_tick(subject))
            return
        if population.is_idle(subject) and offset > subject.offset:
            population.mark(subject)
            if second > subject.second and not subject.poisoned:
                mark = len(emission.outputs)
                try:
                    subject.advance(second * 1000, self._compiled, emission)
                except Exception as error:  # noqa: BLE001 - a defect of ours must cost one subject, not the partition
                    self._fail(error, subject, None, b"", mark, emission)
        if silent >= population.expire_after:
            # the last tick has moved its time as those before
            if subject.life is not None and offset > subject.offset:
                subject.life.end(subject.time, self.log_time, emission, "the subject is forgotten")
            population.forget(subject)
            return
        awake = subject.is_awake() or offset <= subject.offset
        population.plan(subject, population.tick_count + 1 if awake else subject.point_tick + population.expire_after)
        population.plan_waiting(subject)

    def _waited_for(self, subject: Subject, log_now: int, offset: int, emission: Emission) -> None:
        """A subject in which somebody has been waited for until this tick, as it seems."""
        life = subject.life
        if life is not None and life.log_due <= log_now and offset > subject.offset:
            self._population.mark(subject)
            self._population.wake_up(subject, self._compiled)
            mark = len(emission.outputs)
            try:
                life.tick(subject.time, log_now, emission)
            except Exception as error:  # noqa: BLE001 - a defect of ours must cost one subject, not the partition
                self._fail(error, subject, None, b"", mark, emission)
        self._plan_life(subject)

    def _plan_life(self, subject: Subject) -> None:
        """Plans a subject whose living part was moved by something else than a judging."""
        subject.set_quiet()
        self._population.plan_waiting(subject)
