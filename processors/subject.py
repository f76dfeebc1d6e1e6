"""One subject: its time, and what happens at each whole second and at each point (semantics §3–5, §8)."""

from __future__ import annotations

from bisect import insort
from contextlib import suppress
from operator import attrgetter

from mypy_extensions import mypyc_attr
from xxhash import xxh3_64_hexdigest

from processors.compiled import Compiled, SubjectTiming
from processors.emission import Emission
from processors.instant import NEVER
from processors.ladder import RungMemory
from processors.life import Life
from processors.numbers import PRIORITIES, divide, to_float
from processors.series import Series, Status
from schemas import topics
from schemas.outputs import Evidence, Level, PreviousStatus, SloStatus, UnknownReason, WindowStats
from schemas.partitioning import subject_key
from schemas.points import VALUE_SCALE

_IN_ORDER = attrgetter("spec.order", "name")


@mypyc_attr(acyclic=True)
class Subject:
    """State of one subject. `time` is its subject time in ms, `second` the whole second it stands in.

    Before `quiet_until` (ms) no time of it is due: until then a point that changes nothing may be only added.
    """

    __slots__ = (
        "awake",
        "carried",
        "changed",
        "closed",
        "due",
        "hashed",
        "key",
        "ladders",
        "life",
        "log_planned",
        "name",
        "offset",
        "point_tick",
        "poisoned",
        "quiet_until",
        "second",
        "series",
        "sizes",
        "tenant",
        "time",
        "timing",
    )

    def __init__(self, tenant: str, name: str, compiled: Compiled, time: int, tick: int) -> None:
        self.tenant = tenant
        self.name = name
        self.key = subject_key(tenant, name)
        self.hashed = xxh3_64_hexdigest(self.key)
        self.timing: SubjectTiming = compiled.timing(f"{tenant}/{name}")
        self.time = time
        self.second = time // 1000
        self.closed = self.second - compiled.lateness  # windows that end at this second or before are final
        self.series: dict[str, Series] = {}
        self.sizes = compiled.sizes
        self.awake: list[Series] = []
        self.point_tick = tick  # number of the partition's tick that came last before the last accepted point
        self.due = 0  # number of the tick at which it is to be looked at again
        self.offset = -1  # of a restored state: records up to here stand in it already
        self.changed = False
        self.poisoned = False  # it made the engine raise and is left alone
        self.carried: dict[str, Status] = {}  # last statuses of metrics whose other state was dropped then
        self.life: Life | None = None
        self.ladders: list[Series | None] = []  # those with a ladder, in the order of the configuration
        self.log_planned = NEVER  # log time (ms) for which it stands in the population's plan
        self.quiet_until = self.second * 1000 + 1000
        self.begin_life(compiled)

    def add_series(self, metric: str, compiled: Compiled) -> Series:
        """A new series for `metric`."""
        series = self.series[metric] = Series(compiled.metric(metric), self.timing, len(compiled.sizes))
        series.status = self.carried.get(metric)
        if self.life is not None:
            place = self.life.spec.places.get(metric)
            if place is not None:
                self.ladders[place] = series
                self.life.facts.moved = True
            series.signal = self.life.spec.published.get(metric, -1)
        return series

    def begin_life(self, compiled: Compiled) -> None:
        """A new living part, where the configuration has one."""
        spec = compiled.life
        if spec is not None:
            self.life = Life(spec, self.tenant, self.name, self.key, self.hashed)
            self.ladders = [None] * spec.catalogue.vitals

    def is_awake(self) -> bool:
        """Whether each whole second has to be judged; else nothing happens before the living part's `due`."""
        return bool(self.awake) or (self.life is not None and self.life.restless)

    def set_quiet(self) -> None:
        """Notes until when no time is due; to be called when its second or a due time has moved."""
        end = self.second * 1000 + 1000
        self.quiet_until = end if self.life is None else min(end, self.life.due)

    def wake(self, series: Series) -> None:
        """Has `series` looked at every second again."""
        if not series.awake:
            series.awake = True
            insort(self.awake, series, key=_IN_ORDER)

    def catch_up(self, second: int, compiled: Compiled) -> None:
        """Moves the time of a settled subject to the second of a tick that it slept through."""
        if second > self.second:
            self.second = second
            self.time = second * 1000
            self.closed = max(self.closed, second - compiled.lateness)
            self.set_quiet()

    def advance(self, time: int, compiled: Compiled, emission: Emission) -> None:
        """Moves subject time to `time` (ms, later than now): every whole second on the way is judged, in order."""
        last = time // 1000
        second = self.second
        while second < last:
            second = self._next_second(second)
            if second > last:
                break
            self._judge_second(second, compiled, emission)
        self.second = last
        self.time = time
        self.closed = max(self.closed, last - compiled.lateness)
        self.set_quiet()

    def _next_second(self, second: int) -> int:
        """The next whole second whose judging can change anything."""
        life = self.life
        if self.is_awake():
            return second + 1
        return NEVER if life is None else max(second + 1, -(-life.due // 1000))

    def _judge_second(self, second: int, compiled: Compiled, emission: Emission) -> None:
        now = second * 1000
        before = second - 1
        self.second = second
        self.time = now
        end = second - compiled.lateness
        closing = end // compiled.base > self.closed // compiled.base
        asleep = False
        awake = self.awake
        life = self.life
        for series in awake:
            if len(series.points) != series.summed:
                series.sync(before)
        if closing:
            if not compiled.lateness:
                # the second that ends now is the last of the closing windows
                for series in awake:
                    series.file_current(before)
            closed: list[tuple[int, WindowStats]] = []
            for boundary in range((self.closed // compiled.base + 1) * compiled.base, end + 1, compiled.base):
                self._close_windows(boundary, compiled, closed)
            if end - self.closed > 1:
                # several ends at once only where a configuration has shortened the lateness: by size, metric, start
                order = {series.name: number for number, series in enumerate(awake)}
                closed.sort(key=lambda item: (item[0], order[item[1].metric], item[1].start))
            for _, stats in closed:
                emission.emit(topics.WINDOWS, self.key, self.hashed, stats.start + stats.size_ms, stats)
                if life is not None:
                    life.window(stats)
        self.closed = max(self.closed, end)
        for series in awake:
            if series.ladder is None:
                series.roll(second)
                series.calm = series.signal < 0
            else:
                # since it was calm it has had only points that keep it so; what time alone changes is looked at here
                calm = series.calm and now - series.max_ts < series.missing_ms and now - series.run_ts < series.spec.stuck_ms
                if not calm and not series.is_steady(now):
                    self._judge(series, now, before, False, emission)
                if series.count >= series.spec.min_points:
                    series.judged_count, series.judged_total = series.count, series.total
        if life is not None:
            life.second(second, self.closed, self.ladders, emission)
        for series in awake:
            if series.ladder is not None:
                series.roll(second)
                series.calm = series.is_steady(now)
            if closing and series.is_settled():
                series.awake = series.calm = False
                asleep = True
        if asleep:
            self.awake = [series for series in awake if series.awake]

    def _close_windows(self, end: int, compiled: Compiled, closed: list[tuple[int, WindowStats]]) -> None:
        """Adds the windows that end at `end` to `closed`, each with the place of its size."""
        awake = self.awake
        fresh = [series.take_part(end) for series in awake]
        for place, size in enumerate(compiled.sizes):
            number = 0
            for series in awake:
                part = fresh[number]
                number += 1
                if end % size:
                    series.gather(place, part)
                    continue
                gathered = series.parts[place]
                if gathered is not None:
                    gathered.merge(part)
                    series.parts[place] = None
                    part = gathered
                if part.count:
                    late = series.late_within(end - size, end - 1) if series.late else 0
                    closed.append((place, part.stats(self.tenant, self.name, series.name, end - size, size, late)))
        oldest = end - compiled.sizes[-1]
        for series in self.awake:
            if series.late or series.refused:
                series.forget_marks(min(oldest, self.second - series.spec.window))

    def judge_point(self, series: Series, emission: Emission) -> None:
        """Judges `series` at a point of its own that has been added (or was late); sums must be up to date."""
        now = self.time
        life = self.life
        if series.ladder is not None:
            series.judged_count, series.judged_total = series.count, series.total
            series.calm = series.is_steady(now)
            if not series.calm:
                self._judge(series, now, self.second, True, emission)
            concerned = not series.calm and life is not None and life.concerns(series)
        else:
            series.calm = series.signal < 0
            concerned = not series.calm
        if life is not None and (concerned or now >= self.quiet_until):
            life.point(now, self.second, self.ladders, emission)
            self.set_quiet()

    def _judge(self, series: Series, now: int, last: int, at_point: bool, emission: Emission) -> None:
        """The full procedure for one metric; `last` is the last second of the judged window."""
        spec = series.spec
        ladder = series.ladder
        status = series.status
        assert ladder is not None
        before: list[RungMemory] = ladder.memory()
        reason = series.unknown_reason(now, last - spec.window + 1, last)
        if reason is None and series.count < spec.min_points:
            if not at_point:
                return  # sparse begins at points only; the last status, rungs and running timers stand
            reason = "sparse"
        if reason is not None:
            ladder.freeze()
            if status is None or status.reason != reason:
                self._emit_status(series, Status("UNKNOWN", None, None, reason, now), before, None, last, emission)
            return
        looked_at = series.fast_count >= spec.fast_min_points
        ladder.judge(now, series.count, series.total, series.fast_count if looked_at else 0, series.fast_total)
        series.set_short_path()
        rung = ladder.highest()
        if rung is None:
            fresh = Status("OK", None, None, None, now)
            bound = None
        else:
            level: Level = "WARN" if rung.priority == 2 else "BLOCK"
            fresh = Status(level, PRIORITIES[rung.priority], rung.side, None, now)
            bound = to_float(rung.bound)
        if (
            status is None
            or status.level != fresh.level
            or status.priority != fresh.priority
            or status.side != fresh.side
            or status.reason is not None
        ):
            self._emit_status(series, fresh, before, bound, last, emission)

    def _emit_status(
        self, series: Series, status: Status, before: list[RungMemory], bound: float | None, last: int, emission: Emission
    ) -> None:
        spec = series.spec
        ladder = series.ladder
        assert ladder is not None
        old = series.status
        first = last - spec.window + 1
        looked_at = series.fast_count >= spec.fast_min_points
        message = SloStatus(
            tenant=self.tenant,
            subject=self.name,
            metric=series.name,
            level=status.level,
            priority=status.priority,
            reason=status.reason,
            previous=None if old is None else PreviousStatus(old.level, old.priority, old.since),
            value=divide(series.total, series.count * VALUE_SCALE) if series.count else None,
            fast_value=divide(series.fast_total, series.fast_count * VALUE_SCALE) if looked_at else None,
            statistic=spec.statistic,
            window_ms=spec.window * 1000,
            bound=bound,
            side=status.side,
            since=status.since,
            evidence=Evidence(
                count=series.count,
                late=series.late_within(first, last) if series.late else 0,
                topic=emission.topic,
                partition=emission.partition,
                first_offset=series.first_offset(last),
                last_offset=emission.offset,
                rungs=ladder.told(before),
            ),
            config=emission.config,
        )
        series.status = status
        id_ = emission.emit(topics.STATUS, self.key, self.hashed, status.since, message)
        if self.life is not None:
            self.life.changed(id_, message)

    def poison(self, emission: Emission) -> None:
        """Turns every judged metric UNKNOWN `engine_error` and drops the rest of the state: it cannot be trusted."""
        reason: UnknownReason = "engine_error"
        for series in sorted(self.series.values(), key=_IN_ORDER):
            if series.ladder is None or series.status is None:
                continue
            before = series.ladder.memory()
            fresh = Series(series.spec, self.timing, 0)
            fresh.status = series.status
            if series.status.reason != reason:
                self._emit_status(fresh, Status("UNKNOWN", None, None, reason, self.time), before, None, self.second, emission)
            assert fresh.status is not None
            self.carried[series.name] = fresh.status
        if self.life is not None:
            # what made the engine raise may stand in the alerts themselves; the dead letter tells of it
            with suppress(Exception):
                self.life.end(self.time, emission.log_time, emission, reason)
        self.poisoned = True
        self.series = {}
        self.awake = []
        self.life = None
        self.ladders = []
        self.set_quiet()

    def release(self, compiled: Compiled) -> None:
        """Ends its being left alone: it begins anew."""
        if self.poisoned:
            self.poisoned = False
            self.begin_life(compiled)

    def rebind(self, compiled: Compiled) -> None:
        """Judges by another configuration from now on: rungs of the same side and priority keep their state."""
        self.timing = compiled.timing(f"{self.tenant}/{self.name}")
        settled = (self.second - compiled.lateness) // compiled.base * compiled.base
        # but not beyond the first end that is still to be told: a shorter lateness may make several windows final at once
        settled = min(settled, (self.closed // compiled.base + 1) * compiled.base)
        for old in list(self.series.values()):
            old.sync(self.second)
            # what lies before the new sizes' first part belongs to the open windows of the sizes that stay
            part = old.take_part(settled)
            for place in range(len(old.parts)):
                old.gather(place, part)
            parts = dict(zip(self.sizes, old.parts, strict=True))
            new = _rebound(old, compiled, self.timing, self.second)
            new.parts = [parts.get(size) for size in compiled.sizes]
            self.series[old.name] = new
        self.sizes = compiled.sizes
        self._rebind_life(compiled)
        self.awake = sorted((series for series in self.series.values() if series.awake), key=_IN_ORDER)

    def _rebind_life(self, compiled: Compiled) -> None:
        spec = compiled.life
        if spec is None or self.life is None:
            self.life = None
            self.ladders = []
            self.begin_life(compiled)
        if spec is not None and self.life is not None:
            self.ladders = [self.series.get(name) for name in spec.places]
            for series in self.series.values():
                series.signal = spec.published.get(series.name, -1)
            self.life.rebind(spec, self.ladders)
        self.set_quiet()


def _rebound(old: Series, compiled: Compiled, timing: SubjectTiming, second: int) -> Series:
    spec = compiled.metric(old.name)
    new = Series(spec, timing, len(compiled.sizes))
    new.awake = old.awake or new.ladder is not None
    new.status = old.status
    new.points, new.begun, new.summed = old.points, old.begun, old.summed
    new.current_offset, new.past, new.folded, new.is_folded = old.current_offset, old.past, old.folded, old.is_folded
    new.max_ts, new.run_value, new.run_count, new.run_ts = old.max_ts, old.run_value, old.run_count, old.run_ts
    new.late, new.refused = old.late, old.refused
    new.judged_count, new.judged_total = old.judged_count, old.judged_total
    if new.ladder is not None and old.ladder is None:
        new.begin_judging()
    elif new.ladder is not None and old.ladder is not None:
        new.ladder.inherit(old.ladder)
        seconds = old.window_before(second, min(spec.window, old.spec.window))
        new.take_window(seconds, old.current_count, old.current_total, second)
    return new
