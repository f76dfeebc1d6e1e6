"""Logs of every process go to stderr: stdout is for what a command says."""

from __future__ import annotations

import sys

import structlog


def to_stderr() -> None:
    """Sends structlog's lines to stderr; call it first in a command that runs a process."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
