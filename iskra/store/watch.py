"""Gives up what nobody waits for: a reading query whose client closed its connection is killed."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Callable, Iterator


class Watch:
    """Looks, on a thread of its own, at the sockets of running queries.

    Args:
        kill: called with the query's id, in a thread of its own, since it may wait for the query's end.
    """

    def __init__(self, kill: Callable[[str], object]) -> None:
        self._kill = kill
        self._poll = select.epoll()
        self._lock = threading.Lock()
        self._queries: dict[int, str] = {}
        threading.Thread(target=self._run, name="watch", daemon=True).start()

    @contextlib.contextmanager
    def cancel_when_gone(self, sock: socket.socket, query_id: str) -> Iterator[None]:
        """While the block runs, the other end's closing kills the query."""
        number = sock.fileno()
        with self._lock:
            self._queries[number] = query_id
        self._poll.register(number, select.EPOLLRDHUP | select.EPOLLONESHOT)
        try:
            yield
        finally:
            with self._lock:
                self._queries.pop(number, None)
            with contextlib.suppress(OSError):
                self._poll.unregister(number)

    def _run(self) -> None:
        while True:
            for number, _ in self._poll.poll():
                with self._lock:
                    query_id = self._queries.pop(number, None)
                if query_id is not None:
                    threading.Thread(target=self._kill, args=(query_id,), name="kill", daemon=True).start()
