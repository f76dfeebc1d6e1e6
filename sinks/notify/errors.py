"""What can go wrong when a receiver is told something, by what is done about it.

NotifyError
├── Refused   the receiver will never take this: `failed` at once
└── Later     not now: again after a pause, the one that the receiver asked for if it did
"""

from __future__ import annotations


class NotifyError(Exception):
    """Any of the below; the text says what the receiver answered, and never holds a secret."""


class Refused(NotifyError):
    """Final: sending the same again cannot help."""


class Later(NotifyError):
    """Again later. `after`: seconds that the receiver asked for, None if it did not."""

    def __init__(self, text: str, after: float | None = None) -> None:
        super().__init__(text)
        self.after = after
