"""Logs of every process go to stderr: stdout is for what a command says."""

from __future__ import annotations

import sys

import structlog


def to_stderr() -> None:
    """Sends structlog's lines to stderr."""
    # plain tracebacks: those that show local variables would show passwords
    rendering = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            rendering,
        ],
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
