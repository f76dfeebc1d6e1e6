"""The embedded broker: the real Apache Kafka (KRaft, one node, loopback) as a child process, its log kept over kill -9.

Settings stand in `deploy/kafka/server.properties`; those for a quick return after a kill were measured, see
docs/performance.md.
"""

from __future__ import annotations

import base64
import contextlib
import os
import string
import subprocess
import time
import uuid
from pathlib import Path
from typing import Annotated, Any

import msgspec
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from iskra.stack import children, jars, ports
from iskra.stack.datadir import write_whole
from iskra.stack.errors import DataDirError, MissingToolError, PartFailedError, PortInUseError

HEAP = "-Xmx512m"
START_TIMEOUT_S = 120.0
"""Boot takes 3–5 s; after kill -9 at most 64 MB a partition are read again; the rest is for a machine that is busy."""
STOP_TIMEOUT_S = 30.0
"""A clean stop takes 0.4–0.8 s: it flushes and closes the open segments."""
FORMAT_TIMEOUT_S = 120.0

_SHORT_PAUSES = ("-XX:+UseParallelGC", "-XX:ParallelGCThreads=2", "-Xmn48m")
"""A collection stops the broker, and with it every verdict under way: a small young generation is copied by both cores in some
milliseconds, where SerialGC's took 20 to 40. G1 takes 60 MB more."""

_COMPILE_BEHIND = ("-XX:ThreadPriorityPolicy=1", "-XX:CompilerThreadPriority=10")
"""The JVM's compilers at niceness 10: in its first minutes they would take the processor from those who wait for an answer."""

QUICK_CLIENT: dict[str, Any] = {
    "reconnect.backoff.ms": 50,
    "reconnect.backoff.max.ms": 200,
    "retry.backoff.max.ms": 200,
    "log_level": 0,
}
"""librdkafka settings of clients that look whether the broker is back: quick, and silent while it is not."""


_Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]


class _Ports(msgspec.Struct):
    """The ports of the last run; 0: not known."""

    broker: _Port = 0
    controller: _Port = 0


class EmbeddedKafka:
    """One broker with its data under `data`/kafka.

    Use `start`, `stop` and `kill`; or `prepare`, `command` and `ready` where a supervisor runs the process.

    Args:
        data: directory of the instance; made if absent. port: 0 takes the one of the last run if free, else a free one.
        preferred: the port to try first where none is given and there was no run before. log: file for what it says.
    """

    def __init__(self, data: Path, *, port: int = 0, preferred: int = 0, log: Path | None = None, heap: str = HEAP) -> None:
        self.data = data.resolve() / "kafka"
        self.log = log or data.resolve() / "logs" / "kafka.log"
        self.port = port
        self._given = port != 0
        self._preferred = preferred
        self._heap = heap
        self._process: subprocess.Popen[bytes] | None = None
        self._admin: AdminClient | None = None

    @property
    def bootstrap(self) -> str:
        """The bootstrap address, HOST:PORT; the port is known after `prepare`."""
        return f"{ports.LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int | None:
        """Process id of a broker started by `start`."""
        return self._process.pid if self._process is not None else None

    def prepare(self) -> None:
        """Jars, ports, settings, and the format of the log directory, which is done once.

        Raises:
            MissingToolError: Java or Maven is not there. PortInUseError: the given port is taken. DataDirError: cannot be written.
        """
        self._java = jars.java()
        self._jars = jars.ensure_jars()
        try:
            (self.data / "log").mkdir(parents=True, exist_ok=True)
            self._choose_ports()
            template = string.Template((jars.KAFKA_DIR / "server.properties").read_text(encoding="utf-8"))
            # a backslash begins an escape in Java's properties
            log_dir = str(self.data / "log").replace("\\", "\\\\")
            settings = template.substitute(port=self.port, controller_port=self._controller_port, log_dir=log_dir)
            self._properties.write_text(settings, encoding="utf-8")
        except OSError as error:
            raise DataDirError(f"{self.data}: {error.strerror or error}; choose a directory that can be written with --data") from None
        if not (self.data / "log" / "meta.properties").exists():
            self._format()

    @property
    def _properties(self) -> Path:
        return self.data / "server.properties"

    def _choose_ports(self) -> None:
        """Keeps the ports over restarts where it can, so that clients find the broker again."""
        kept = self.data / "ports.json"
        last = _Ports()
        # absent at the first start; one that cannot be read (an older release could leave it empty) costs the address, not the start
        with contextlib.suppress(FileNotFoundError, ValueError):
            last = msgspec.json.decode(kept.read_bytes(), type=_Ports)
        if self._given:
            if not ports.is_free(self.port):
                raise PortInUseError(f"port {self.port} is in use: choose another one for Kafka, or use the broker there with --kafka")
        else:
            self.port = ports.free_port(last.broker or self._preferred)
        controller = ports.free_port(last.controller)
        while controller == self.port:
            controller = ports.free_port()
        self._controller_port = controller
        write_whole(kept, msgspec.json.encode(_Ports(self.port, controller)))

    def _jvm(self) -> list[str]:
        options = [f"-Dlog4j2.configurationFile={jars.KAFKA_DIR / 'log4j2.properties'}", "-Djava.awt.headless=true"]
        return [self._java, *options, "-Djava.net.preferIPv4Stack=true", "-cp", os.pathsep.join(map(str, self._jars))]

    def _format(self) -> None:
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        command = [*self._jvm(), "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", *self._class_archive()]
        command += ["kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", str(self._properties)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=FORMAT_TIMEOUT_S)
        if done.returncode != 0:
            version = jars.java_version(self._java)
            if version < jars.LEAST_JAVA:
                raise MissingToolError(f"{self._java} is version {version}. {jars.JAVA_HINT}")
            lines = (done.stderr or done.stdout).strip().splitlines() or ["no output"]
            said = [line for line in lines if not line.startswith("\tat ")][-1]
            raise PartFailedError(f"Kafka could not format {self.data}: {said}")

    def command(self) -> list[str]:
        """The command line of the broker; call `prepare` first."""
        # C2 stays on: C1 alone boots no quicker with the archive.
        options = [self._heap, *_SHORT_PAUSES, "-XX:+ExitOnOutOfMemoryError", *_COMPILE_BEHIND, *self._class_archive()]
        return [*self._jvm(), *options, "kafka.Kafka", str(self._properties)]

    def _class_archive(self) -> list[str]:
        """Classes as the machine maps them: boot in 1.5 s instead of 2.5 s. Without one, or with another Java, it is slower only."""
        archive = self._jars[0].parent / jars.ARCHIVE
        return ["-Xshare:auto", f"-XX:SharedArchiveFile={archive}"] if archive.exists() else []

    def ready(self) -> bool:
        """Whether the broker answers and every partition has a leader, so that it takes writes. Blocks up to 1 s."""
        if not ports.accepts(self.port):
            return False
        if self._admin is None:
            self._admin = AdminClient({"bootstrap.servers": self.bootstrap, **QUICK_CLIENT})
        try:
            metadata = self._admin.list_topics(timeout=1.0)
        except KafkaException:
            return False
        leaders = [p.leader for topic in metadata.topics.values() for p in topic.partitions.values()]
        return bool(metadata.brokers) and all(leader >= 0 for leader in leaders)

    def alive(self) -> bool:
        """Whether the broker answers at all. Blocks up to 2 s."""
        if self._admin is None:
            return ports.accepts(self.port)
        try:
            return bool(self._admin.list_topics(timeout=2.0).brokers)
        except KafkaException:
            return False

    def start(self, timeout: float = START_TIMEOUT_S) -> None:
        """Starts the broker and waits until it is ready, at most `timeout` seconds. Call it in the main thread.

        Raises:
            PartFailedError: it ended or was not ready in time; also what `prepare` raises.
        """
        deadline = time.monotonic() + timeout
        for attempt in (1, 2, 3):
            self.prepare()
            self._process = children.spawn(self.command(), log=self.log)
            while time.monotonic() < deadline and self._process.poll() is None:
                if self.ready():
                    return
                time.sleep(0.05)
            ended = self._process.poll() is not None
            self.kill()
            # a port that was free a moment ago may have been taken since: then with another one
            if not ended or self._given or attempt == 3 or ports.is_free(self.port):
                break
        raise PartFailedError(f"Kafka was not ready within {timeout:g} s: {children.tail(self.log)} (see {self.log})")

    def stop(self, timeout: float = STOP_TIMEOUT_S) -> int | None:
        """Stops the broker cleanly and gives its exit code; kills it after `timeout` seconds. None: it was not running."""
        process, self._process, self._admin = self._process, None, None
        if process is None:
            return None
        process.terminate()
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def kill(self) -> None:
        """Kills the broker at once (kill -9) and waits until it is gone; its data stay."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
