"""The broker's jars: resolved once by Maven from `deploy/kafka/pom.xml`, then kept; and the Java that runs them."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from iskra.stack.errors import MissingToolError, StackError

KAFKA_DIR = Path(__file__).resolve().parents[2] / "deploy" / "kafka"
LIBS = KAFKA_DIR / "libs"
JARS_ENV = "ISKRA_KAFKA_LIBS"
"""Directory with the jars, where they are not to be resolved by Maven (an image that brings them)."""

ARCHIVE = "kafka.jsa"
"""Beside the jars: the JVM's class data archive, which `python -m iskra.stack.install` makes."""

LEAST_JAVA = 17
MAVEN_TIMEOUT_S = 900
"""A cold cache takes 43 MB over a slow line: 15 minutes are 50 KB/s."""

JAVA_HINT = f"Java {LEAST_JAVA} or newer is needed by the embedded Kafka: apt-get install -y openjdk-17-jre-headless"
MAVEN_HINT = "Maven is needed once, to fetch the embedded Kafka: apt-get install -y maven"


def java() -> str:
    """Path of the `java` to use: `JAVA_HOME`, then `PATH`.

    Raises:
        MissingToolError: there is none, or it is too old; the text says how to install it.
    """
    home = os.environ.get("JAVA_HOME")
    found = str(Path(home) / "bin" / "java") if home and (Path(home) / "bin" / "java").is_file() else shutil.which("java")
    if found is None:
        raise MissingToolError(JAVA_HINT)
    return found


def java_version(path: str) -> int:
    """Feature version of the Java at `path`, e.g. 17; 0 if it does not say."""
    said = subprocess.run([path, "-version"], capture_output=True, text=True, check=False).stderr
    match = re.search(r'version "(\d+)(?:\.(\d+))?', said)
    if match is None:
        return 0
    major = int(match[1])
    return int(match[2] or 0) if major == 1 else major


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Holds an exclusive lock on `path` (made if absent); waits for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def ensure_jars(libs: Path | None = None) -> list[Path]:
    """The jars, in a fixed order; fetched by Maven if they are not there yet. Concurrent callers wait for the first.

    Raises:
        MissingToolError: Maven is not there. StackError: Maven failed; the text is its last error line.
    """
    given = os.environ.get(JARS_ENV)
    if libs is None and given:
        jars = sorted(Path(given).glob("*.jar"))
        if not jars:
            raise StackError(f"{JARS_ENV}={given} holds no jars")
        return jars
    libs = libs or LIBS
    pom = KAFKA_DIR / "pom.xml"
    wanted = hashlib.sha256(pom.read_bytes()).hexdigest()
    stamp = libs / ".pom.sha256"
    if not _is(stamp, wanted):
        with file_lock(libs.parent / ".libs.lock"):
            if not _is(stamp, wanted):
                _fetch(pom, libs)
                stamp.write_text(wanted)
    return sorted(libs.glob("*.jar"))


def _is(stamp: Path, wanted: str) -> bool:
    try:
        return stamp.read_text() == wanted
    except OSError:
        return False


def _fetch(pom: Path, libs: Path) -> None:
    """Lets Maven copy the jars beside `libs`, then puts them in its place, so that no half set is ever seen."""
    maven = shutil.which("mvn")
    if maven is None:
        raise MissingToolError(MAVEN_HINT)
    fresh = libs.with_name(libs.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    command = [
        maven,
        "-q",
        "-B",
        "-f",
        str(pom),
        "dependency:copy-dependencies",
        f"-DoutputDirectory={fresh}",
        "-DincludeScope=runtime",
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=MAVEN_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise StackError(f"Maven did not fetch the jars of {pom} within {MAVEN_TIMEOUT_S} s; try again") from None
    if done.returncode != 0:
        said = [line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line] or ["no output"]
        raise StackError(f"Maven could not fetch the jars of {pom}: {said[0].strip()}")
    shutil.rmtree(libs, ignore_errors=True)
    fresh.rename(libs)
