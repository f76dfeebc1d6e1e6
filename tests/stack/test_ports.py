"""Ports on loopback."""

from __future__ import annotations

import socket
from pathlib import Path

from iskra.stack import ports


def test_a_port_is_taken_while_somebody_listens() -> None:
    """A listening port is not free, accepts, and is not given out even if preferred."""
    with socket.create_server((ports.LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        assert not ports.is_free(port)
        assert ports.accepts(port)
        assert ports.free_port(port) != port
    assert not ports.accepts(port)


def test_a_preferred_port_that_is_free_is_given() -> None:
    """A free preferred port is the answer."""
    port = ports.free_port()
    assert ports.free_port(port) == port


def test_free_ports_lie_below_those_of_outgoing_connections() -> None:
    """So that no client's own connection can take the port of a broker that is down."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(ports.free_port() < max(lowest, 20_001) for _ in range(50))
