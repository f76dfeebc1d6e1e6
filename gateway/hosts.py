"""Whom a request may be addressed to.

There is no log-in: what listens on loopback is for this machine alone. A page from elsewhere could still reach it, by a name of
its own that it lets point to 127.0.0.1 (DNS rebinding); its browser then sends that name as Host, and takes the answers for its own.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit


class Hosts:
    """The names under which a gateway answers.

    Args:
        listens_on: the address that it listens on; beyond loopback, without names, any is taken.
        names: those that are allowed besides addresses and `localhost`.
    """

    def __init__(self, listens_on: str, names: Iterable[str]) -> None:
        self._names = frozenset(name.lower() for name in names)
        self._any = not self._names and not _is_loopback(listens_on)

    def allow(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether the header `Host` of a request names this gateway; one without it was sent by no browser."""
        if self._any:
            return True
        told = [value.decode("latin-1") for name, value in headers if name.lower() == b"host"]
        return all(self._is_ours(host) for host in told)

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in self._names or name == "localhost" or name.endswith(".localhost") or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(name: str) -> bool:
    return name == "localhost" or (_is_address(name) and ipaddress.ip_address(name).is_loopback)
