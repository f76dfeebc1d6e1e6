"""Which message type stands on which output topic."""

from __future__ import annotations

import msgspec

from schemas import topics
from schemas.events import ActionEvent, AlertEvent, BudgetState, EscalationEvent, SignalsSample, VoiceEvent
from schemas.outputs import DeadLetter, SloStatus, WindowStats

MESSAGES: dict[str, type[msgspec.Struct]] = {
    topics.WINDOWS: WindowStats,
    topics.STATUS: SloStatus,
    topics.CURRENT: SloStatus,
    topics.BUDGET: BudgetState,
    topics.SIGNALS: SignalsSample,
    topics.VOICES: VoiceEvent,
    topics.ALERTS: AlertEvent,
    topics.ACTIONS: ActionEvent,
    topics.ESCALATIONS: EscalationEvent,
    topics.DEAD_LETTERS: DeadLetter,
}
"""The message type of each output topic, by short name."""
