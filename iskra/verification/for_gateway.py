"""`explain` as the gateway takes it: a process of its own, so that the engine's work holds up no page and can be given up."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE

import msgspec

from gateway.settings import Explain, Explanation
from iskra.stack.children import bound_to_us

NICE = 10
"""Whoever waits for this is one person; verdicts go first."""
UNREACHABLE = 3


class _Found(msgspec.Struct, frozen=True):
    """What is needed of what `iskra explain --json` says."""

    stands: msgspec.Raw
    recomputed: msgspec.Raw
    match: bool
    difference: str | None


def explainer(kafka: str) -> Explain:
    """A function (namespace, id) → whether the verdict is what the log gives; cancelled, it ends its process.

    It raises `LookupError` for what is no id of an output there, and `ConnectionError` while the broker is away.
    """

    async def explained(namespace: str, identity: str) -> Explanation:
        command = [sys.executable, "-m", "iskra", "explain", "--kafka", kafka, "--namespace", namespace, "--json", "--", identity]
        process = await asyncio.create_subprocess_exec(*bound_to_us(command, NICE), stdin=DEVNULL, stdout=PIPE, stderr=PIPE)
        try:
            told, errors = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode not in (0, 1) or not told:
            reason = errors.decode("utf-8", "replace").strip().rpartition("\n")[2].removeprefix("Error: ")
            raise ConnectionError(reason) if process.returncode == UNREACHABLE else LookupError(reason)
        found = msgspec.json.decode(told, type=_Found)
        if bytes(found.stands) == bytes(found.recomputed) == b"null":
            raise LookupError(found.difference or "no output of that id")
        return Explanation(found.match, found.difference)

    return explained
