"""What is followed of one metric for one kind of alert: what is wrong now, the open alert, and how often it changed."""

from __future__ import annotations

from typing import Any

from mypy_extensions import mypyc_attr

from processors.alert import NO_ALERT, Alert, Occasion, load_alert, load_occasion
from processors.instant import NEVER
from schemas.events import AlertKind

KINDS: tuple[AlertKind, ...] = ("slo", "unknown", "budget")
"""In the order in which they are said."""


@mypyc_attr(acyclic=True)
class Track:
    """One metric and kind.

    Attributes:
        want: priority of the alert that what is wrong now asks for (`NO_ALERT`: nothing is).
        settled: priority at which a person has ended it while it was still wrong, −1: nobody has.
        since: subject time (ms) since which the metric is UNKNOWN (kind `unknown`), −1: it is not.
        changes: subject times (ms) of the latest changes of `want`. flapping: whether changes are held as one alert.
        occasion: the latest status or budget. begun: the UNKNOWN that has begun while the alert of an earlier one is held.
    """

    __slots__ = ("alert", "begun", "changes", "flapping", "kind", "metric", "occasion", "settled", "since", "want")

    def __init__(self, metric: str, kind: AlertKind) -> None:
        self.metric = metric
        self.kind: AlertKind = kind
        self.want = NO_ALERT
        self.settled = -1
        self.since = -1
        self.changes: list[int] = []
        self.flapping = False
        self.occasion: Occasion | None = None
        self.begun: Occasion | None = None
        self.alert: Alert | None = None

    def note_change(self, now: int, number: int, window: int) -> bool:
        """Notes a change of `want` at `now`; whether it is the one by which flapping begins: the `number`-th within `window` ms."""
        self.changes.append(now)
        if len(self.changes) > number:
            del self.changes[0]
        if self.flapping or len(self.changes) < number or now - self.changes[0] >= window:
            return False
        self.flapping = True
        return True

    def is_settled(self) -> bool:
        """Whether a person's end still covers what is wrong: it covers what is not worse, until all is well."""
        if self.settled >= 0:
            self.settled = -1 if self.want == NO_ALERT or self.want < self.settled else self.want
        return self.settled >= 0

    def calm_at(self, window: int) -> int:
        """Subject time (ms) at which `window` ms have passed without a change; NEVER: there was none."""
        return self.changes[-1] + window if self.changes else NEVER

    def is_idle(self) -> bool:
        """Whether nothing of it has to be remembered."""
        return self.want == NO_ALERT and self.alert is None and self.since < 0 and not self.changes

    def dump(self) -> list[Any]:
        """State as plain values."""
        alert, occasion = self.alert, self.occasion
        shared = alert is not None and occasion is alert.occasion
        return [
            self.metric,
            self.kind,
            self.want,
            self.settled,
            self.since,
            self.flapping,
            self.changes,
            alert.dump() if alert is not None else None,
            None if shared or occasion is None else occasion.dump(),
            None if self.begun is None else self.begun.dump(),
        ]


def load_track(state: list[Any]) -> Track:
    """The other way of `Track.dump`."""
    metric, kind, want, settled, since, flapping, changes, alert, occasion, begun = state
    track = Track(metric, kind)
    track.want, track.settled, track.since, track.flapping, track.changes = want, settled, since, flapping, list(changes)
    if alert is not None:
        track.alert = load_alert(alert)
        track.occasion = track.alert.occasion
    if occasion is not None:
        track.occasion = load_occasion(occasion)
    if begun is not None:
        track.begun = load_occasion(begun)
    return track
