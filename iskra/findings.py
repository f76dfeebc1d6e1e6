"""What a check of `iskra doctor` finds."""

from __future__ import annotations

import msgspec


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One check: `ok`, or what is wrong (`detail`) and how to mend it. `unreachable`: a part did not answer."""

    check: str
    ok: bool
    detail: str
    mend: str | None = None
    unreachable: bool = False


def good(check: str, detail: str) -> Finding:
    """What is as it should be."""
    return Finding(check=check, ok=True, detail=detail)


def bad(check: str, detail: str, mend: str, *, unreachable: bool = False) -> Finding:
    """What is wrong, and how to mend it."""
    return Finding(check=check, ok=False, detail=detail, mend=mend, unreachable=unreachable)
