"""Child processes of a benchmark."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO

from iskra.stack.children import bound_to_us

STDERR = 2
"""What a child says; stdout is the document's."""
STOP_S = 30.0


@contextmanager
def child(
    command: Sequence[str],
    *,
    told: int | IO[str] = STDERR,
    errors: int | IO[str] | None = None,
    env: Mapping[str, str] | None = None,
    stop_s: float = STOP_S,
) -> Iterator[subprocess.Popen[str]]:
    """Runs `command` without input until the end of the block, or of this process: it is asked to end, and killed after `stop_s` seconds.

    Args:
        told: where its standard output goes (`subprocess.PIPE`: to be read). errors: the same of its standard error; None: ours.
        env: its whole environment; None: ours.
    """
    process = subprocess.Popen(bound_to_us(command), stdin=subprocess.DEVNULL, stdout=told, stderr=errors, env=env, text=True)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(stop_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
