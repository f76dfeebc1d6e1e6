"""Ports on loopback: free ones, and whether one is taken.

Free ports are looked for below the range from which the kernel takes ports of outgoing connections: there, a client
that reconnects to a broker that is down could be given the broker's own port, connect to itself and keep it taken.
"""

from __future__ import annotations

import random
import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"
_LOWEST = 15_000
_RANGE_FILE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def _highest() -> int:
    try:
        return max(int(_RANGE_FILE.read_text().split()[0]) - 1, _LOWEST + 5_000)
    except (OSError, ValueError, IndexError):
        return 32_000


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen on `port` of `host` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: connections in TIME_WAIT do not count
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def free_port(preferred: int = 0) -> int:
    """A free port of loopback: `preferred` if it is one, else a random one.

    Raises:
        OSError: none was found.
    """
    if preferred and is_free(preferred):
        return preferred
    highest = _highest()
    for _ in range(200):
        port = random.randint(_LOWEST, highest)  # noqa: S311 - no secret
        if is_free(port):
            return port
    raise OSError(f"no free port between {_LOWEST} and {highest} on {LOOPBACK}")


def accepts(port: int, host: str = LOOPBACK, timeout: float = 0.5) -> bool:
    """Whether something accepts a connection on `port` within `timeout` seconds."""
    try:
        with socket.create_connection((host, port), timeout=timeout):
            return True
    except OSError:
        return False
