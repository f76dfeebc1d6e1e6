"""Alerts of one subject: pending, firing, acknowledged, silenced, resolved; each that opens is closed once.

Of a metric there is one alert at the most of each kind: its level (slo), its being UNKNOWN for long, its error budget.
A worse state opens a higher alert, which absorbs the lower; what flaps is held as one.
"""

from __future__ import annotations

from typing import Any

from mypy_extensions import mypyc_attr

from processors.alert import NO_ALERT, Alert, Occasion, occasion_of_status
from processors.alert_spec import AlertsSpec
from processors.instant import NEVER, Instant
from processors.numbers import PRIORITIES
from processors.track import KINDS, Track, load_track
from schemas import topics
from schemas.commands import AcknowledgeAlert, ResolveAlert
from schemas.events import AlertEvent, AlertKind, AlertState, BudgetState
from schemas.outputs import SloStatus
from schemas.points import BadPoint

__all__ = ["Alerts", "AlertsSpec"]


@mypyc_attr(acyclic=True)
class Alerts:
    """Alerts of one subject, with their escalation.

    Attributes:
        due: subject time (ms) before which a step without changes does nothing. log_due: log time (ms) of the next `tick`.
    """

    __slots__ = ("_spec", "_tracks", "due", "log_due")

    def __init__(self, spec: AlertsSpec) -> None:
        self._spec = spec
        self._tracks: list[Track] = []
        self.due = NEVER
        self.log_due = NEVER

    # --- what happens ---

    def step(self, instant: Instant, changes: list[tuple[str, SloStatus]], budgets: list[tuple[str, BudgetState]]) -> None:
        """What a judging brings: statuses and budgets that changed at it, each with its id."""
        if not changes and not budgets and instant.now < self.due:
            return
        self._drop_gone(instant)
        for named, status in changes:
            if status.metric in self._spec.places:
                self._take_status(instant, named, status)
        for named, state in budgets:
            if state.metric in self._spec.places:
                spec = self._spec
                track = self._track(state.metric, "budget")
                track.occasion = spec.occasion(named, state, instant.now)
                self._turn(instant, track, NO_ALERT if state.alert is None else spec.page if state.alert == "page" else spec.ticket)
        for track in self._tracks:
            self._pass_time(instant, track)
        self._plan(instant)

    def tick(self, instant: Instant) -> None:
        """What waits for log time, up to `instant.log_now`: firing, the end of a silence, steps of chains."""
        self._drop_gone(instant)
        for track in self._tracks:
            alert = track.alert
            if alert is None:
                continue
            if alert.state == "firing":
                self._spec.escalation.advance(instant, alert)
            elif alert.state in ("pending", "silenced") and alert.starts <= instant.log_now:
                self._fire(instant, alert)
        self._plan(instant)

    def command(self, instant: Instant, command: AcknowledgeAlert | ResolveAlert) -> None:
        """A person takes or ends an alert.

        Raises:
            BadPoint: `bad_command`: no such alert is open, or somebody has it already.
        """
        for track in self._tracks:
            alert = track.alert
            if alert is not None and alert.id == command.alert_id:
                break
        else:
            raise BadPoint("bad_command", f"alert_id: expected that of an open alert of the subject, got {command.alert_id!r}")
        if isinstance(command, ResolveAlert):
            track.settled = track.want if track.want != NO_ALERT else -1
            self._close(instant, track, f"resolved by {command.who}", by=command.who, why=command.why)
        else:
            if alert.state == "acknowledged":
                raise BadPoint("bad_command", f"alert_id: {command.alert_id} is acknowledged already, by {alert.owner}")
            previous = alert.state
            alert.owner = command.who
            self._enter(instant, alert, "acknowledged", previous, by=command.who, why=command.why)
            if previous == "firing":
                self._spec.escalation.cancel(instant, alert, f"acknowledged by {command.who}")
        self._plan(instant)

    def close(self, instant: Instant, resolution: str = "the subject is forgotten") -> None:
        """Ends all alerts: the subject is no longer followed."""
        for track in self._tracks:
            self._drop(instant, track, resolution)
        self._plan(instant)

    # --- statuses and time ---

    def _take_status(self, instant: Instant, named: str, status: SloStatus) -> None:
        occasion = occasion_of_status(named, status)
        if status.level == "UNKNOWN":
            track = self._track(status.metric, "unknown")
            if track.since < 0:
                track.since = status.since
            occasion.since = track.since
            if track.alert is None or track.want != NO_ALERT:
                track.occasion, track.begun = occasion, None
            else:
                track.begun = occasion  # the alert is over, but held: what ended it is what it will tell
            return
        want = NO_ALERT if status.priority is None else PRIORITIES.index(status.priority)
        known = self._find(status.metric, "slo")
        if known is not None or want != NO_ALERT:
            track = known if known is not None else self._track(status.metric, "slo")
            track.occasion = occasion
            self._turn(instant, track, want)
        unknown = self._find(status.metric, "unknown")
        if unknown is not None:
            unknown.since = -1
            unknown.begun = None
            unknown.occasion = occasion
            self._turn(instant, unknown, NO_ALERT)

    def _pass_time(self, instant: Instant, track: Track) -> None:
        spec = self._spec
        if track.since >= 0 and track.want == NO_ALERT and instant.now >= track.since + spec.unknown_ms:
            if track.begun is not None:
                track.occasion, track.begun = track.begun, None
            self._turn(instant, track, spec.unknown)
        if instant.now >= track.calm_at(spec.flapping_ms):
            track.changes = []
            if track.flapping:
                track.flapping = False
                alert = track.alert
                if alert is not None:
                    alert.flapping = False
                    if track.want == alert.priority:
                        self._enter(instant, alert, alert.state, alert.state)
                    else:
                        self._ease(instant, track, alert)

    def _turn(self, instant: Instant, track: Track, want: int) -> None:
        """What is wrong becomes `want`."""
        if want == track.want:
            return
        track.want = want
        starts = track.note_change(instant.now, self._spec.flapping_changes, self._spec.flapping_ms)
        if track.is_settled():
            return
        alert = track.alert
        if alert is None:
            if want != NO_ALERT:
                self._open(instant, track)
        elif want < alert.priority:
            higher = self._open(instant, track)
            self._close(instant, track, f"absorbed by {higher.id}", alert)
        elif not track.flapping:
            self._ease(instant, track, alert)
        elif starts:
            alert.flapping = True
            self._enter(instant, alert, alert.state, alert.state)

    def _ease(self, instant: Instant, track: Track, alert: Alert) -> None:
        """The alert's level has ended; where a lower one still stands it gets an alert of its own."""
        if track.want == NO_ALERT:
            self._close(instant, track, "recovered")
        else:
            lower = self._open(instant, track, alert)
            self._close(instant, track, f"eased to {PRIORITIES[track.want]}, {lower.id}", alert)

    # --- the life of an alert ---

    def _open(self, instant: Instant, track: Track, eased: Alert | None = None) -> Alert:
        """Opens the alert that `track` asks for. Who has acknowledged the higher one that `eased` to it has this one, too."""
        occasion = track.occasion
        assert occasion is not None
        log_now = instant.log_now
        starts = log_now + self._spec.escalation.wait(track.want)
        alert = Alert(instant.next_id(), track.metric, track.kind, track.want, occasion, log_now, starts)
        alert.flapping = track.flapping
        track.alert = alert
        if eased is not None and eased.owner is not None:
            alert.owner = eased.owner
            self._enter(instant, alert, "acknowledged", None, by=eased.owner, why=f"has acknowledged {eased.id}")
        elif starts > log_now:
            self._enter(instant, alert, "pending", None)
        else:
            self._fire(instant, alert, is_new=True)
        return alert

    def _fire(self, instant: Instant, alert: Alert, is_new: bool = False) -> None:
        """The wait or the silence is over: the alert fires, unless a silence holds it (again)."""
        escalation = self._spec.escalation
        previous = None if is_new else alert.state
        free = escalation.free_from(alert.priority, instant.log_now)
        if free > instant.log_now:
            alert.starts = free
            if previous != "silenced":
                self._enter(instant, alert, "silenced", previous)
            return
        alert.starts = escalation.free_from(alert.priority, alert.starts)
        self._enter(instant, alert, "firing", previous)
        escalation.advance(instant, alert)

    def _close(
        self,
        instant: Instant,
        track: Track,
        resolution: str,
        alert: Alert | None = None,
        by: str | None = None,
        why: str | None = None,
    ) -> None:
        """Ends the track's alert, or `alert`, which another has replaced on it."""
        if alert is None:
            alert, track.alert = track.alert, None
        assert alert is not None
        previous = alert.state
        self._enter(instant, alert, "resolved", previous, track.occasion, resolution, by, why)
        if previous == "firing":
            self._spec.escalation.cancel(instant, alert, resolution)
        self._spec.escalation.tell_end(instant, alert, resolution)

    def _drop_gone(self, instant: Instant) -> None:
        for track in self._tracks:
            if track.metric not in self._spec.places:
                self._drop(instant, track, "the metric is not judged any more")

    def _drop(self, instant: Instant, track: Track, resolution: str) -> None:
        """Forgets a track, with the end of its alert."""
        if track.alert is not None:
            track.occasion = track.alert.occasion
            self._close(instant, track, resolution)
        track.want, track.since, track.changes, track.begun = NO_ALERT, -1, [], None

    def _enter(
        self,
        instant: Instant,
        alert: Alert,
        state: AlertState,
        previous: AlertState | None,
        now: Occasion | None = None,
        resolution: str | None = None,
        by: str | None = None,
        why: str | None = None,
    ) -> None:
        """Says a state of the alert; value and evidence are those of `now`, else of what opened it."""
        alert.state = state
        spec = self._spec
        occasion = alert.occasion
        if now is None:
            now = occasion
        event = AlertEvent(
            alert_id=alert.id,
            tenant=instant.tenant,
            subject=instant.subject,
            metric=alert.metric,
            kind=alert.kind,
            level=occasion.level,
            priority=PRIORITIES[alert.priority],
            state=state,
            previous=previous,
            threshold=occasion.threshold,
            side=occasion.side,
            value=now.value,
            statistic=occasion.statistic,
            window_ms=occasion.window_ms,
            since=occasion.since,
            first=alert.first,
            last=instant.log_now,
            group=f"{instant.tenant}/{alert.metric}/{PRIORITIES[alert.priority]}",
            auto_actions=spec.actions.get(alert.metric, []),
            voice_triggers=spec.voices.get(alert.metric, []),
            chain=PRIORITIES[alert.priority],
            step=alert.step,
            flapping=alert.flapping,
            resolution=resolution,
            by=by,
            why=why,
            evidence=now.evidence(instant.emission.topic),
            config=instant.config,
        )
        instant.say(topics.ALERTS, event)

    # --- tracks and times ---

    def _find(self, metric: str, kind: AlertKind) -> Track | None:
        for track in self._tracks:
            if track.kind == kind and track.metric == metric:
                return track
        return None

    def _track(self, metric: str, kind: AlertKind) -> Track:
        """The track, begun if needed; they stand in the order of the configuration."""
        track = self._find(metric, kind)
        if track is None:
            track = Track(metric, kind)
            self._tracks.append(track)
            self._sort()
        return track

    def _sort(self) -> None:
        places = self._spec.places
        self._tracks.sort(key=lambda track: (places.get(track.metric, -1), KINDS.index(track.kind)))

    def _plan(self, instant: Instant) -> None:
        """Forgets what is over and finds when something is to happen next."""
        spec = self._spec
        self._tracks = [track for track in self._tracks if not track.is_idle()]
        self.due = self.log_due = NEVER
        for track in self._tracks:
            due = track.calm_at(spec.flapping_ms)
            if track.since >= 0 and track.want == NO_ALERT:
                due = min(due, track.since + spec.unknown_ms)
            self.due = min(self.due, due)
            alert = track.alert
            if alert is None:
                continue
            if alert.state == "silenced":
                # another configuration may have no silence now
                alert.starts = min(alert.starts, spec.escalation.free_from(alert.priority, instant.log_now))
            if alert.state in ("pending", "silenced"):
                self.log_due = min(self.log_due, alert.starts)
            elif alert.state == "firing":
                self.log_due = min(self.log_due, spec.escalation.next_due(alert, instant.log_now))

    # --- state ---

    def dump(self) -> list[Any]:
        """State as plain values; of a subject without alerts nearly nothing."""
        return [
            self.due if self.due != NEVER else None,
            self.log_due if self.log_due != NEVER else None,
            [track.dump() for track in self._tracks],
        ]

    def load(self, state: list[Any]) -> None:
        """Takes back what `dump` gave, under the same configuration."""
        due, log_due, tracks = state
        self.due = NEVER if due is None else due
        self.log_due = NEVER if log_due is None else log_due
        self._tracks = [load_track(track) for track in tracks]

    def rebind(self, spec: AlertsSpec) -> None:
        """Goes on under another configuration. Alerts of metrics that it does not have end at the next step."""
        self._spec = spec
        self._sort()
        if self._tracks:
            self.due = self.log_due = 0
