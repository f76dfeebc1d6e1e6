"""Points of one partition on their way to their subjects: the short path, the full procedure, and refusals."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from typing import Final

from librt.vecs import append

from processors.admission import check, check_value, dead_letter, dead_letter_key, readable
from processors.compiled import Compiled
from processors.emission import Emission
from processors.numbers import to_float, to_int
from processors.population import Population
from processors.series import Series
from processors.subject import Subject
from schemas import topics
from schemas.config import Config
from schemas.partitioning import partition_for, subject_key
from schemas.points import MAX_TS_MS, BadPoint, Point, TimedPoint, raw_items, split

KNOWN_SOURCES: Final = 100_000
"""So many checked sources are remembered."""

_NO_SERIES: dict[str, Series] = {}


class Intake:
    """What stands in a partition, and how a point changes it. `PartitionEngine` adds the records."""

    def __init__(self, config: Config, *, topic: str, partition: int, partitions: int, live: bool) -> None:
        self.topic = topic
        self.partition = partition
        self.partitions = partitions
        self.live = live
        self.position = -1
        self.log_time = 0
        self._compiled = Compiled(config)
        self._emission = Emission(topic, partition)
        self._emission.config = self._compiled.hash
        self._population = Population(self._compiled.expire_after)
        self._sources: set[str] = set()

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
                and ts < subject.quiet_until
                and ts >= earliest
                and (point.source is None or point.source in known_sources)
            ):
                value_int = to_int(x)
                equal = value_int == series.run_value
                if not equal or ts - series.run_ts < series.spec.stuck_ms:
                    if equal:
                        series.run_count += 1
                    else:
                        series.run_value = value_int
                        series.run_count = 1
                        series.run_ts = ts
                    if series.is_new_second():
                        series.current_offset = emission.offset
                    series.points = append(series.points, value_int)
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
                subject.release(self._compiled)
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
            series.mark_late(subject.second)
        else:
            value = to_int(point.value)
            if ts == subject.time:
                series.add_in_order(value, ts, subject.second, emission.offset)
            else:
                series.add_out_of_order(value, ts, subject.second, emission.offset)
            series.extend_run(value, ts)
            if series.signal >= 0 and subject.life is not None:
                subject.life.publish(series.signal, to_float(value), ts)
        series.max_ts = max(series.max_ts, ts)
        subject.judge_point(series, emission)
        population.plan_waiting(subject)

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
            series.mark_refused(subject.second)
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
