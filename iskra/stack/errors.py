"""What can be wrong with a machine or with its parts; every text says what to do next.

StackError
├── MissingToolError     Java or Maven is not there: names the command that installs it
├── PortInUseError       a port that was asked for is taken
├── DataDirError         the data directory cannot be written, or another running instance holds it
├── PartFailedError      a part did not become ready, or ends again and again
├── TopicMismatchError   a topic exists with another partition count than asked for
└── NotReachableError    a broker or store does not answer
"""

from __future__ import annotations


class StackError(Exception):
    """Root of the errors of the embedded stack; the text is one line for people."""


class MissingToolError(StackError):
    """A program that the stack needs is not installed."""


class PortInUseError(StackError):
    """A port that was asked for is taken by another process."""


class DataDirError(StackError):
    """The data directory cannot be used."""


class PartFailedError(StackError):
    """A part did not become ready, or ends again and again."""


class TopicMismatchError(StackError):
    """A topic of the broker does not fit the registry."""


class NotReachableError(StackError):
    """A broker or store does not answer."""
