"""A worker whose transport fails it does not stand still: it ends in order, or joins its group again."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from iskra.stack import ports
from tests.streams.helpers import WorkerProcess, wait_for
from tests.streams.test_process import ask

pytestmark = pytest.mark.kafka

NO_NODE = """
import sys
from aiokafka.client import AIOKafkaClient
async def coordinator_lookup(self, *_):
    assert None is not None, "Did we not perform bootstrap?"
AIOKafkaClient.coordinator_lookup = coordinator_lookup
from iskra.cli.worker import command
command(sys.argv[1:])
"""
NOTHING_AT_FIRST = """
import sys
from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor as Sticky
assign, calls = Sticky.assign.__func__, []
def at_first_nothing(cls, cluster, members):
    calls.append(1)
    if len(calls) > 1:
        return assign(cls, cluster, members)
    return assign(cls, ClusterMetadata(), members)
Sticky.assign = classmethod(at_first_nothing)
from iskra.cli.worker import command
command(sys.argv[1:])
"""
HELD_ERROR = """
import sys
from aiokafka import errors
from aiokafka.consumer.group_coordinator import GroupCoordinator
ensure, calls = GroupCoordinator.ensure_coordinator_known, []
async def refused_once(self):
    calls.append(1)
    if len(calls) == 1:
        raise errors.NotCoordinatorForGroupError()
    await ensure(self)
GroupCoordinator.ensure_coordinator_known = refused_once
from iskra.cli.worker import command
command(sys.argv[1:])
"""
HANGS = """
import sys, threading, time
from streams.worker import Worker
Worker._checkpoint_forever = lambda self: hang()
async def hang():
    time.sleep(600)
from streams import watch
watch.LIVE_S = 0.5
from iskra.cli.worker import command
command(sys.argv[1:])
"""


def test_a_client_that_dies_before_the_first_assignment_ends_the_worker(kafka: str, namespace: str, tmp_path: Path) -> None:
    """A broker that names no node makes aiokafka's task end by an assertion: exit code 1, one line, and a supervisor starts anew."""
    with WorkerProcess(kafka, namespace, tmp_path, command=[sys.executable, "-c", NO_NODE]) as worker:
        assert worker.process.wait(60) == 1
        said = worker.log.read_text(errors="replace")
    assert "a task of the Kafka client ended" in said
    assert "Did we not perform bootstrap?" in said


def test_an_empty_assignment_is_not_kept(kafka: str, namespace: str, tmp_path: Path) -> None:
    """Dealt nothing while the broker was fenced, a worker joins again and gets what belongs to nobody."""
    with WorkerProcess(kafka, namespace, tmp_path, command=[sys.executable, "-c", NOTHING_AT_FIRST]) as worker:
        worker.wait_said("partitions=[] ")
        worker.wait_said("partitions belong to nobody")
        worker.wait_said("partitions=[0, 1, 2, 3] ")
        assert worker.stop() == 0


def test_an_error_that_the_client_holds_is_taken(kafka: str, namespace: str, tmp_path: Path) -> None:
    """aiokafka joins no group before somebody has taken its error; one that passes is taken, and the worker goes on."""
    with WorkerProcess(kafka, namespace, tmp_path, command=[sys.executable, "-c", HELD_ERROR]) as worker:
        worker.wait_said("the client goes on after")
        worker.wait_said("partitions=[0, 1, 2, 3] ")
        assert worker.stop() == 0


def test_livez_tells_a_loop_that_hangs(kafka: str, namespace: str, tmp_path: Path) -> None:
    """/livez is 200 while a worker waits for others, and 503 once its own event loop does not come round."""
    port = ports.free_port()
    nobody = f"127.0.0.1:{ports.free_port()}"
    with WorkerProcess(nobody, namespace, tmp_path, "--metrics-port", str(port)) as worker:
        worker.wait_said("waiting for the broker")
        assert ask(port, "/livez") == (200, "ok\n")
        assert ask(port, "/healthz")[0] == 503
    port = ports.free_port()
    with WorkerProcess(kafka, namespace, tmp_path, "--metrics-port", str(port), command=[sys.executable, "-c", HANGS]) as worker:
        wait_for(lambda: ask(port, "/livez") == (503, "the event loop hangs\n"), "the hang was not told")
