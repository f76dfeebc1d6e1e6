"""One automatic action whose life is not over, and how it tells its states."""

from __future__ import annotations

from typing import Any

from mypy_extensions import mypyc_attr

from processors.action_spec import ActionSpec
from processors.facts import Facts
from processors.instant import Instant
from schemas import topics
from schemas.events import ActionEvent, ActionEvidence, ActionState, Effect, Review, TermValue
from schemas.outputs import Priority


@mypyc_attr(acyclic=True)
class OpenAction:
    """An action whose life is not over. What it was asked for with stays, whatever configuration comes."""

    __slots__ = (
        "acknowledged",
        "action_id",
        "before",
        "condition",
        "high",
        "level",
        "low",
        "metric",
        "name",
        "offset",
        "partition",
        "review",
        "since",
        "state",
        "strength",
        "terms",
        "topic",
        "until",
        "within",
    )

    def __init__(self, state: list[Any]) -> None:
        """From what `dump` gives."""
        self.action_id: str
        self.name: str
        self.metric: str
        self.strength: int
        self.within: int
        self.low: float
        self.high: float
        self.condition: str
        self.since: int
        self.before: float | None
        self.topic: str
        self.partition: int
        self.offset: int
        self.until: int | None
        self.acknowledged: int | None
        (
            self.action_id,
            self.name,
            self.metric,
            level,
            self.strength,
            self.within,
            self.low,
            self.high,
            self.condition,
            self.since,
            self.before,
            terms,
            self.topic,
            self.partition,
            self.offset,
            entered,
            review,
            self.until,
            self.acknowledged,
        ) = state
        self.level: Priority = level
        self.terms = [TermValue(term, holds, value) for term, holds, value in terms]
        self.state: ActionState | None = entered
        self.review: Review | None = None if review is None else Review(review[0], review[1], review[2])

    def say(
        self,
        instant: Instant,
        state: ActionState,
        *,
        ts: int | None = None,
        after: float | None = None,
        by: str | None = None,
        why: str | None = None,
    ) -> None:
        """Enters a state and tells it."""
        previous = self.state
        self.state = state
        evidence = ActionEvidence(self.condition, self.terms, self.since, self.topic, self.partition, self.offset)
        effect = Effect(self.metric, self.low, self.high, self.within, self.before, after, self.acknowledged)
        message = ActionEvent(
            action_id=self.action_id,
            tenant=instant.tenant,
            subject=instant.subject,
            action=self.name,
            metric=self.metric,
            level=self.level,
            state=state,
            previous=previous,
            strength=self.strength,
            review=self.review,
            effect=effect,
            until=self.until,
            by=by,
            why=why,
            evidence=evidence,
            config=instant.config,
        )
        instant.say(topics.ACTIONS, message, ts)

    def dump(self) -> list[Any]:
        """Plain values."""
        review = self.review
        return [
            self.action_id,
            self.name,
            self.metric,
            self.level,
            self.strength,
            self.within,
            self.low,
            self.high,
            self.condition,
            self.since,
            self.before,
            _plain(self.terms),
            self.topic,
            self.partition,
            self.offset,
            self.state,
            None if review is None else [review.by, review.decision, review.reason],
            self.until,
            self.acknowledged,
        ]


def _plain(terms: list[TermValue]) -> list[Any]:
    return [[term.term, term.holds, term.value] for term in terms]


def asked(spec: ActionSpec, since: int, instant: Instant, facts: Facts) -> OpenAction:
    """A new action, named by the id of its first event."""
    cause = instant.cause()
    return OpenAction(
        [
            instant.next_id(),
            spec.name,
            spec.metric,
            spec.level,
            spec.strength,
            spec.within,
            spec.low,
            spec.high,
            spec.condition,
            since,
            facts.value(spec.metric),
            _plain(facts.terms(spec.rule)),
            cause.topic,
            cause.partition,
            cause.offset,
            None,
            None,
            None,
            None,
        ]
    )
