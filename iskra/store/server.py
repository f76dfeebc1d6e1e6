"""The process: listens on loopback, a thread a connection, and stops in order."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import msgspec
import structlog
from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector

from iskra.store.auth import Role, Users
from iskra.store.engine import Engine
from iskra.store.http import BadRequest, Channel
from iskra.store.locking import DirectoryLock
from iskra.store.metrics import Metrics
from iskra.store.service import Service

LOOPBACK = "127.0.0.1"
MAX_CONNECTIONS = 512
GRACE_S = 5.0
"""How long running queries may go on after SIGTERM: an insert of 100,000 rows takes 0.2 s; what is longer is killed."""
IDLE_S = 600.0
"""A connection without a request for so long is closed."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of `iskra store`.

    `port` 0: any free one. `memory`: bytes the engine may use; the process takes about 200 MB more. `reader_password`
    empty: there is no read-only user.
    """

    data: Path
    port: int
    user: str
    password: str
    reader: str = "reader"
    reader_password: str = ""
    memory: int = 600 << 20


class PortTaken(Exception):
    """The port is in use; the text names it."""


class Server:
    """Accepts connections until `stop`."""

    def __init__(self, listener: socket.socket, service: Service, metrics: Metrics) -> None:
        self._listener = listener
        self._service = service
        self._metrics = metrics
        self._places = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._log = structlog.get_logger("iskra.store")

    def run(self) -> None:
        """Accepts until the listener is shut down; blocks."""
        while True:
            self._places.acquire()
            try:
                sock, _ = self._listener.accept()
            except OSError as error:
                if error.errno in {errno.EMFILE, errno.ENFILE, errno.ECONNABORTED}:
                    self._places.release()
                    time.sleep(0.05)
                    continue
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        self._metrics.connections.inc()
        try:
            with sock:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.settimeout(IDLE_S)
                self._requests(Channel(sock))
        except (OSError, ConnectionError):
            pass  # the client is gone, and with it whoever could be told
        except Exception:  # noqa: BLE001 - told in full; the other connections go on
            self._log.exception("a connection ended by a defect")
        finally:
            self._metrics.connections.dec()
            self._places.release()

    def _requests(self, channel: Channel) -> None:
        try:
            while (request := channel.read_request()) is not None:
                self._service.serve(channel, request)
                if not request.keep_alive:
                    return
        except BadRequest as error:
            channel.respond(error.status, [("Content-Type", "text/plain; charset=UTF-8"), ("Connection", "close")], f"{error}\n".encode())


def run(settings: Settings) -> None:
    """Runs the store until SIGTERM or SIGINT; prints one line `ready {…}` on stdout when it takes queries.

    Raises:
        DirectoryError: the data directory is taken or cannot be written. PortTaken: the port is in use.
    """
    listener = _listen(settings.port)
    lock = DirectoryLock(settings.data.resolve())
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})  # before any thread, so that all inherit it
    log = structlog.get_logger("iskra.store")
    sys.setswitchinterval(0.0005)
    engine = Engine(settings.data.resolve(), memory=settings.memory)
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    users = Users({settings.user: (settings.password, Role.PROGRAM), settings.reader: (settings.reader_password, Role.READER)})
    metrics = Metrics(registry, engine)
    service = Service(engine, users, metrics, registry)
    threading.Thread(target=Server(listener, service, metrics).run, name="accept", daemon=True).start()
    port = listener.getsockname()[1]
    ready = {"url": f"http://{LOOPBACK}:{port}", "pid": os.getpid(), "version": engine.version}
    log.info("ready", data=str(settings.data), **ready)
    sys.stdout.write(f"ready {msgspec.json.encode(ready).decode()}\n")
    sys.stdout.flush()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    log.info("stopping", running=len(engine.running()))
    service.draining = True
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    engine.close(GRACE_S)
    lock.release()
    log.info("stopped")
    sys.stderr.flush()
    os._exit(0)  # the engine's threads do not survive the interpreter's own way out


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
        listener.listen(256)
    except OSError as error:
        listener.close()
        raise PortTaken(f"port {port} on {LOOPBACK}: {error.strerror}; give another --port") from None
    return listener
