"""The engine of one partition: records of its log in, outputs out; a function of the log alone.

It has no clock, no randomness and no I/O, is single-threaded, and evaluates record by record: how records were batched
on their way here changes nothing. What it needs to go on after a crash is `position`, `log_time`, `last_tick`,
`tick_count`, the configuration, and the subjects' states (`snapshot`).
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Sequence

import msgspec

from processors.admission import check, check_value, dead_letter, dead_letter_key, readable
from processors.compiled import Compiled, to_int
from processors.emission import Emission, Output
from processors.population import Population
from processors.record import Record
from processors.series import Series
from processors.state import dump, load
from processors.subject import Subject
from schemas import topics
from schemas.config import Config
from schemas.partitioning import partition_for, subject_key
from schemas.points import MAX_POINTS, MAX_TS_MS, TIMED_POINTS, BadPoint, Point, TimedPoint, raw_items, split

__all__ = ["Output", "PartitionEngine", "Record"]

KNOWN_SOURCES = 100_000
"""So many checked sources are remembered."""

_NO_SERIES: dict[str, Series] = {}


class PartitionEngine:
    """Windows, statuses and dead letters of one partition.

    Args:
        config: the configuration in force at the start.
        topic: full name of the points topic, for evidence.
        partition, partitions: which partition this is, of how many.
        live: refuse points older than `max_age` (replays, experiments and `evaluate` do not).
    """

    def __init__(self, config: Config, *, topic: str, partition: int, partitions: int, live: bool = True) -> None:
        self.topic = topic
        self.partition = partition
        self.partitions = partitions
        self.live = live
        self.position = -1
        self.log_time = 0
        self._compiled = Compiled(config)
        self._configurations: dict[str, Compiled] = {self._compiled.hash: self._compiled}
        self._emission = Emission(topic, partition)
        self._emission.config = self._compiled.hash
        self._population = Population(self._compiled.expire_after)
        self._sources: set[str] = set()

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
            self.log_time = max(self.log_time, timestamp)
        second = timestamp // 1000
        if second > self._population.last_tick:
            for subject in self._population.tick(second):
                self._look_at(subject, second, offset, emission)
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
        self._configurations[compiled.hash] = compiled
        self._compiled = compiled
        emission.config = compiled.hash
        population = self._population
        population.expire_after = compiled.expire_after
        for subject in population.by_key.values():
            if subject.offset >= offset:
                continue
            population.wake_up(subject, self._compiled)
            subject.poisoned = False
            subject.rebind(compiled)
            population.mark(subject)
            population.plan(subject, population.tick_count + 1)
        return emission.outputs

    def _pass(self, offset: int, timestamp: int) -> None:
        self.position = offset
        self.log_time = max(self.log_time, timestamp)

    def _begin(self, offset: int, timestamp: int, origin: str | None) -> Emission:
        self.position = offset
        if timestamp > self.log_time:
            self.log_time = timestamp
        emission = self._emission
        if origin is None:
            emission.begin(self.partition, offset)
        else:
            partition, _, original = origin.partition("-")
            emission.begin(int(partition), int(original))
        return emission

    @staticmethod
    def _ordered(emission: Emission) -> list[Output]:
        """A record's outputs by subject (keys' bytes), each subject's dead letters first (semantics §6)."""
        outputs = emission.outputs
        if len(outputs) > 1:
            outputs.sort(key=lambda output: (output.key, output.topic != topics.DEAD_LETTERS))
        return outputs

    # --- points ---

    def _apply_points(self, points: Sequence[TimedPoint], timestamp: int, offset: int, value: bytes, emission: Emission) -> None:
        """The hot loop. What is not plainly in order goes to `_add`; what raises costs its subject alone."""
        latest = timestamp + self._compiled.max_skew_ms
        earliest = self.log_time - self._compiled.max_age_ms if self.live else 0
        population = self._population
        tick = population.tick_count
        known_sources = self._sources
        tenant = name = ""
        subject: Subject | None = None
        series_of = _NO_SERIES
        raws: list[bytes] = []
        index = -1
        for point in points:
            index += 1
            if point.subject != name or point.tenant != tenant:
                name = point.subject
                tenant = point.tenant
                subject = self._find(tenant, name, offset)
                series_of = subject.series if subject is not None else _NO_SERIES
            series = series_of.get(point.metric)
            ts = point.ts
            x = point.value
            if (
                series is not None
                and series.calm
                and series.x_low <= x <= series.x_high
                and subject is not None
                and subject.time <= ts <= latest
                and ts < subject.second * 1000 + 1000
                and ts >= earliest
                and (point.source is None or point.source in known_sources)
            ):
                value_int = round(x * 1e9)
                equal = value_int == series.run_value
                if not equal or ts - series.run_ts < series.spec.stuck_ms:
                    if equal:
                        series.run_count += 1
                    else:
                        series.run_value = value_int
                        series.run_count = 1
                        series.run_ts = ts
                    current = series.current
                    if not current:
                        series.current_offset = emission.offset
                    current.append(value_int)
                    series.max_ts = subject.time = ts
                    subject.point_tick = tick
                    continue
            emission.index = index
            mark = len(emission.outputs)
            try:
                self._add(subject, series, point, offset, earliest, latest, emission)
            except BadPoint as error:
                raws = raws or raw_items(value)
                self._refuse(error, (tenant, name, point.metric), index, offset, raws[index], emission)
            except Exception as error:  # noqa: BLE001 - a defect of ours must cost one subject, not the partition
                raws = raws or raw_items(value)
                self._fail(error, population.lookup(tenant, name), point.metric, raws[index], mark, emission)
            if subject is None or subject.poisoned:
                subject = self._find(tenant, name, offset)
            series_of = subject.series if subject is not None else _NO_SERIES

    def _find(self, tenant: str, name: str, offset: int) -> Subject | None:
        """The subject, marked as changed; None if unknown (also if its tenant is no longer)."""
        known_tenants = self._compiled.tenants
        if known_tenants is not None and tenant not in known_tenants:
            return None
        subject = self._population.lookup(tenant, name)
        if subject is not None and not subject.changed and offset > subject.offset:
            self._population.mark(subject)
        return subject

    def _apply_items(self, value: bytes, encoding: str | None, redrive: bool, timestamp: int, offset: int, emission: Emission) -> None:
        """The forgiving way: each item is decoded alone."""
        try:
            items = split(value, encoding)
        except BadPoint as error:
            self._refuse(error, (None, None, None), 0, offset, value, emission)
            return
        population = self._population
        latest = timestamp + self._compiled.max_skew_ms
        earliest = self.log_time - self._compiled.max_age_ms if self.live else 0
        for index, (raw, point, item) in enumerate(items):
            emission.index = index
            if isinstance(point, BadPoint):
                self._refuse(point, readable(item), index, offset, raw, emission)
                continue
            subject = self._find(point.tenant, point.subject, offset)
            if redrive and subject is not None and offset > subject.offset:
                subject.poisoned = False
            series = subject.series.get(point.metric) if subject is not None else None
            mark = len(emission.outputs)
            try:
                self._add(subject, series, point, offset, earliest, latest, emission)
            except BadPoint as error:
                self._refuse(error, (point.tenant, point.subject, point.metric), index, offset, raw, emission)
            except Exception as error:  # noqa: BLE001 - a defect of ours must cost one subject, not the partition
                self._fail(error, population.lookup(point.tenant, point.subject), point.metric, raw, mark, emission)

    def _add(
        self,
        subject: Subject | None,
        series: Series | None,
        point: TimedPoint | Point,
        offset: int,
        earliest: int,
        latest: int,
        emission: Emission,
    ) -> None:
        """One point by the full procedure.

        Raises:
            BadPoint: it is refused.
        """
        compiled = self._compiled
        population = self._population
        if subject is not None and offset <= subject.offset:
            return
        if series is None or not isinstance(point.ts, int) or (point.source is not None and point.source not in self._sources):
            ts = check(point, compiled)
            if point.source is not None:
                if len(self._sources) >= KNOWN_SOURCES:
                    self._sources.clear()
                self._sources.add(point.source)
        else:
            ts = point.ts
            if not 0 <= ts <= MAX_TS_MS:
                check(point, compiled)
            check_value(point.value, series.spec.min_value, series.spec.max_value)
        if subject is None:
            self._check_partition(point)
        if ts > latest:
            raise BadPoint("from_the_future", f"ts: {ts} is more than {compiled.max_skew_ms} ms ahead of its record's time")
        if ts < earliest:
            raise BadPoint("too_old", f"ts: {ts} is more than {compiled.max_age_ms} ms behind the log's time")
        if subject is None:
            subject = Subject(point.tenant, point.subject, compiled, ts, population.tick_count)
            population.enter(subject)
            population.mark(subject)
        else:
            population.wake_up(subject, self._compiled)
        subject.point_tick = population.tick_count
        if subject.due > population.idle_tick(subject):
            # it slept until its expiry
            population.plan(subject, population.idle_tick(subject))
        if subject.poisoned:
            return
        # behind what is final only where a configuration has lengthened the lateness
        late = ts < subject.time - compiled.lateness_ms or ts < subject.closed * 1000
        if ts > subject.time:
            if ts // 1000 > subject.second:
                subject.advance(ts, compiled, emission)
            else:
                subject.time = ts
        # only now: before its first point a metric is not judged
        if series is None:
            series = subject.add_series(point.metric, compiled)
        subject.wake(series)
        series.sync(subject.second)
        if late:
            series.late[subject.second] = series.late.get(subject.second, 0) + 1
        else:
            value = to_int(point.value)
            if ts == subject.time:
                series.add_in_order(value, ts, subject.second, emission.offset)
            else:
                series.add_out_of_order(value, ts, subject.second, emission.offset)
            series.extend_run(value, ts)
        series.max_ts = max(series.max_ts, ts)
        subject.judge_point(series, emission)

    def _check_partition(self, point: TimedPoint | Point) -> None:
        right = partition_for(subject_key(point.tenant, point.subject), self.partitions)
        if right != self.partition:
            raise BadPoint("wrong_partition", f"{point.tenant}/{point.subject} belongs to partition {right}, not {self.partition}")

    def _refuse(
        self, error: BadPoint, names: tuple[str | None, str | None, str | None], index: int, offset: int, raw: bytes, emission: Emission
    ) -> None:
        """A dead letter, and a mark in the metric's window if it is known which."""
        tenant, name, metric = names
        population = self._population
        subject = population.lookup(tenant, name)
        if subject is not None and offset <= subject.offset:
            return
        emission.index = index
        letter = dead_letter(error, names, self.topic, emission.partition, emission.offset, index, raw)
        emission.emit(topics.DEAD_LETTERS, dead_letter_key(names), "dead", self.log_time, letter)
        series = subject.series.get(metric) if subject is not None and metric is not None else None
        if subject is not None and series is not None:
            population.mark(subject)
            population.wake_up(subject, self._compiled)
            series.sync(subject.second)
            series.refused[subject.second] = series.refused.get(subject.second, 0) + 1
            series.calm = False
            subject.wake(series)
            if population.is_idle(subject):
                population.plan(subject, population.tick_count + 1)

    def _fail(self, error: Exception, subject: Subject | None, metric: str | None, raw: bytes, mark: int, emission: Emission) -> None:
        """A defect of ours: a dead letter, and the subject is left alone until `dlq redrive` or a new configuration.

        The outputs from `mark` on are the ones of the failed item: it is as if it had said nothing else.
        """
        index = emission.index
        emission.take_back(mark)
        line = traceback.format_exception_only(error)[-1].strip()
        names = (subject.tenant, subject.name, metric) if subject is not None else (None, None, None)
        letter = dead_letter(BadPoint("engine_error", line), names, self.topic, emission.partition, emission.offset, index, raw)
        # several subjects may fail at one tick, which has no index to tell their letters apart
        hashed = "dead" if raw or subject is None else subject.hashed
        emission.emit(topics.DEAD_LETTERS, dead_letter_key(names), hashed, self.log_time, letter)
        if subject is not None:
            subject.poison(emission)
            self._population.mark(subject)

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
            population.forget(subject)
            return
        awake = subject.awake or offset <= subject.offset
        population.plan(subject, population.tick_count + 1 if awake else subject.point_tick + population.expire_after)
