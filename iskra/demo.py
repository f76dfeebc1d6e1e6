"""What the demonstration shows, and whether it happened: stories, and a watch over what the output topics say of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from experiments.simulator import Drift
from schemas.outputs import SloStatus

SUBJECTS = ("alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliett", "kilo", "lima")

LEVELS = ("WARN", "BLOCK", "OK")
"""What each story announces, in this order; levels in between (BLOCK to WARN on the way back) may come, too."""

CALM_S = 10
"""Virtual seconds before a drift begins; more where a subject is not yet in order (first points, or the end of an earlier run)."""


class Story(NamedTuple):
    """One subject's vital drifts out of range and returns.

    Attributes:
        subject, metric: whose. far: the level it drifts to, beyond the P1 bound and short of P0.
        out_s, stay_s, back_s: virtual seconds of the way out, the stay, and the way back.
        clear_s: what the judged 30 s mean and `clear_for` (10 s) then need, with a margin.
        why: one clause for people.
    """

    subject: str
    metric: str
    far: float
    why: str
    out_s: int = 6
    stay_s: int = 34
    back_s: int = 6
    clear_s: int = 54

    @property
    def length(self) -> int:
        """Virtual seconds from the beginning of the drift until the last announced level must have been seen."""
        return self.out_s + self.stay_s + self.back_s + self.clear_s

    def drift(self, begin: int) -> Drift:
        """The script for the simulator; `begin` is epoch s."""
        stay = begin + self.out_s
        back = stay + self.stay_s
        return Drift(self.metric, ((begin, 0.0), (stay, self.far), (back, self.far), (back + self.back_s, 0.0)))


STORIES: tuple[Story, ...] = (
    Story("echo", "clarity", 0.922, "clarity rises, as in stagnation"),
    Story("kilo", "trust", 0.52, "trust is lost"),
    Story("golf", "chaos", 0.745, "chaos grows"),
    Story("bravo", "pain", 0.65, "pain grows"),
)


class Change(msgspec.Struct, frozen=True):
    """A status as it was read: when (epoch ms of subject time), whose, which level."""

    since: int
    subject: str
    metric: str
    level: str
    priority: str | None
    value: float | None


class Report(msgspec.Struct, frozen=True):
    """How a story went. `seen` are the changes of its subject's vital, `strays` those of everybody else meanwhile."""

    subject: str
    metric: str
    announced: list[str]
    seen: list[Change]
    strays: list[Change]
    happened: bool


class Watch:
    """Follows the statuses that the output topic brings. Nothing here knows what the simulator does.

    Args:
        subjects: those that must be in order before a story begins; each has `vitals`.
    """

    def __init__(self, subjects: Sequence[str], vitals: Sequence[str]) -> None:
        self._series = [(subject, vital) for subject in subjects for vital in vitals]
        self._levels: dict[tuple[str, str], str] = {}
        self._story: Story | None = None
        self._seen: list[Change] = []
        self._strays: list[Change] = []

    @property
    def calm(self) -> bool:
        """Whether every vital of every subject has been seen and stands at OK."""
        return all(self._levels.get(series) == "OK" for series in self._series)

    @property
    def levels(self) -> dict[str, int]:
        """How many series stand at each level."""
        counts = dict.fromkeys(("OK", "WARN", "BLOCK", "UNKNOWN"), 0)
        for level in self._levels.values():
            counts[level] += 1
        return counts

    def learn(self, status: SloStatus) -> None:
        """Takes a status that stood already (`slo.current`): of an earlier run, so no change of this one."""
        self._levels[status.subject, status.metric] = status.level

    def begin(self, story: Story) -> None:
        """From now on this story is watched."""
        self._story, self._seen, self._strays = story, [], []

    def feed(self, status: SloStatus) -> Change:
        """Takes a status from the topic."""
        self._levels[status.subject, status.metric] = status.level
        change = Change(status.since, status.subject, status.metric, status.level, status.priority, status.value)
        if self._story is not None:
            own = (status.subject, status.metric) == (self._story.subject, self._story.metric)
            (self._seen if own else self._strays).append(change)
        return change

    def end(self) -> Report:
        """The story's time is over: what was announced, what was seen.

        It happened if the announced levels came in their order, the last one stands, and nobody else left OK.
        """
        story, self._story = self._story, None
        assert story is not None, "no story is watched"
        levels = iter(change.level for change in self._seen)
        in_order = all(level in levels for level in LEVELS)
        happened = in_order and self._seen[-1].level == LEVELS[-1] and not self._strays
        return Report(story.subject, story.metric, list(LEVELS), self._seen, self._strays, happened)
