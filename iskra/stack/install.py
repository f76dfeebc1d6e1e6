"""`python -m iskra.stack.install`: the embedded broker's jars, and a class data archive with which it boots a second sooner.

The archive is what the JVM writes at the end of a training run: a broker in a temporary directory that takes and gives
back a few records.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from confluent_kafka import Consumer, Producer

from iskra.stack import jars
from iskra.stack.errors import StackError
from iskra.stack.kafka import QUICK_CLIENT, EmbeddedKafka
from iskra.stack.topics import ensure_topics
from schemas.topics import WINDOWS, full_name

TRAINING_RECORDS = 1000
TRAINING_TIMEOUT_S = 20.0


class _TrainingKafka(EmbeddedKafka):
    """A broker that writes the archive when it ends."""

    def __init__(self, data: Path, archive: Path) -> None:
        super().__init__(data)
        self._archive = archive

    def command(self) -> list[str]:
        command = super().command()
        at = command.index("kafka.Kafka")
        return [*command[:at], f"-XX:ArchiveClassesAtExit={self._archive}", *command[at:]]


def ensure_archive() -> Path | None:
    """Makes the archive if it is older than the Java that is used, or absent. None: this Java cannot make one.

    Raises:
        StackError: Java or Maven is missing, or the broker does not start.
    """
    libs = jars.ensure_jars()[0].parent
    archive = libs / jars.ARCHIVE
    stamp = libs / ".kafka.jsa.java"
    java = f"{jars.java()} {jars.java_version(jars.java())}"
    with jars.file_lock(libs.parent / ".libs.lock"):
        if archive.exists() and stamp.exists() and stamp.read_text() == java:
            return archive
        archive.unlink(missing_ok=True)  # also so that the training run does not use the one it is to replace
        with tempfile.TemporaryDirectory(prefix="iskra-training-") as directory:
            fresh = Path(directory) / jars.ARCHIVE
            broker = _TrainingKafka(Path(directory), fresh)
            broker.start()
            try:
                _exercise(broker.bootstrap)
            finally:
                broker.stop()
            if not fresh.exists():
                return None
            # a broker that boots meanwhile sees the whole archive or none
            part = libs / (jars.ARCHIVE + ".new")
            part.write_bytes(fresh.read_bytes())
            part.rename(archive)
        stamp.write_text(java)
        return archive


def _exercise(bootstrap: str) -> None:
    """Writes and reads back records through a group, so that the classes of both ways are in the archive."""
    ensure_topics(bootstrap, "training", 1)
    topic = full_name("training", WINDOWS)
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, **QUICK_CLIENT})
    for number in range(TRAINING_RECORDS):
        producer.produce(topic, value=b"%d" % number)
    producer.flush(TRAINING_TIMEOUT_S)
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "training", "auto.offset.reset": "earliest", **QUICK_CLIENT})
    consumer.subscribe([topic])
    left = TRAINING_RECORDS
    while left > 0:
        read = len(consumer.consume(TRAINING_RECORDS, TRAINING_TIMEOUT_S))
        if read == 0:
            break
        left -= read
    consumer.close()


def main() -> int:
    """Installs both; 2 with one line on stderr if something is missing."""
    try:
        archive = ensure_archive()
    except StackError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stderr.write(f"Kafka's jars are in {jars.LIBS}{', class archive made' if archive else ''}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
