"""One number a subject for the sparklines of the overview: its coherence, from the shortest windows' means.

Coherence is 1 − the mean normalised distance of the means from their targets (distance ÷ half the metric's range, at
most 1), over the metrics that have a range and a target: 1 is on target everywhere.
"""

from __future__ import annotations

from gateway.keys import SubjectKey
from schemas.config import Config

SUBJECTS_KEPT = 100_000


class Sparks:
    """Collects means; `take` gives one sample for each subject that had a new one since the last call."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._means: dict[SubjectKey, dict[str, float]] = {}
        self._changed: set[SubjectKey] = set()

    def add(self, subject: SubjectKey, metric: str, mean: float) -> None:
        """A window of the subject ended with this mean."""
        if metric not in self.config.metrics:
            return
        means = self._means.get(subject)
        if means is None:
            if len(self._means) >= SUBJECTS_KEPT:
                del self._means[next(iter(self._means))]
            means = self._means[subject] = {}
        means[metric] = mean
        self._changed.add(subject)

    def take(self) -> dict[SubjectKey, float]:
        """The samples that are due."""
        changed, self._changed = self._changed, set()
        samples = {subject: self._coherence(self._means[subject]) for subject in changed if subject in self._means}
        return {subject: value for subject, value in samples.items() if value is not None}

    def _coherence(self, means: dict[str, float]) -> float | None:
        distances = []
        for metric, mean in means.items():
            about = self.config.metrics.get(metric)
            if about is not None and about.range is not None and about.target is not None:
                half = (about.range[1] - about.range[0]) / 2
                distances.append(min(1.0, abs(mean - about.target) / half) if half > 0 else 0.0)
        return None if not distances else round(1 - sum(distances) / len(distances), 4)
