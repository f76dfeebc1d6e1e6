"""The subject's side of automatic actions: hears what was dispatched, has it performed, and acknowledges it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection
from types import TracebackType
from typing import Self

from iskra.client.commander import Commander
from iskra.client.consumer import Consumer
from iskra.client.errors import Unreachable
from schemas.commands import AcknowledgeAction
from schemas.events import ActionEvent
from schemas.points import DEFAULT_TENANT
from schemas.topics import ACTIONS, LIVE_NAMESPACE

_log = logging.getLogger("iskra.client")


class Actor:
    """Performs the actions of some subjects.

    For each action that was dispatched to one of them, `perform` is called; when it returns, the action is acknowledged
    (Iskra then watches whether it has an effect). Where it raises, the action is not acknowledged and expires; the error
    is logged, and the next one comes. An action may come a second time after a crash or a rebalance: `perform` should know an
    `action_id` again. What waited longer than its acknowledgement may take (60 s) is passed over: it has expired.

        with Actor("127.0.0.1:9092", perform, group="alpha-actor", subjects=["alpha"]) as actor:
            actor.run()

    Args:
        kafka: bootstrap address.
        perform: takes the action up; it should return quickly and go on in the background.
        group: consumer group; the actors of one group share the work, and one that restarts goes on where it was.
        subjects: whose actions; None: those of every subject of the tenant. tenant: theirs.
        who: name told in the acknowledgement.
        namespace: prefix of the topics' names.
    Raises:
        Unreachable: no broker answered. UnknownTopic: the namespace lacks the topics.
    """

    def __init__(
        self,
        kafka: str,
        perform: Callable[[ActionEvent], None],
        *,
        group: str,
        subjects: Collection[str] | None = None,
        tenant: str = DEFAULT_TENANT,
        who: str = "actor",
        namespace: str = LIVE_NAMESPACE,
        connect_timeout: float = 10.0,
    ) -> None:
        self.events = 0
        """Events of actions that were looked at, so far."""
        self._perform = perform
        self._subjects = subjects
        self._tenant = tenant
        self._who = who
        # elsewhere time is virtual: the clock says nothing of it
        self._by_clock = namespace == LIVE_NAMESPACE
        self._consumer = Consumer(kafka, ACTIONS, namespace=namespace, group=group, skip_unreadable=True, connect_timeout=connect_timeout)
        try:
            self._commander = Commander(kafka, namespace=namespace, connect_timeout=connect_timeout)
        except BaseException:
            self._consumer.close()
            raise

    def step(self, timeout: float = 1.0) -> ActionEvent | None:
        """Waits up to `timeout` seconds for an event, and performs it if it is a dispatch for these subjects.

        Returns:
            The action that was acknowledged; None: there was none.
        Raises:
            NotAcknowledged: the broker did not take the acknowledgement. ClientError: as `Consumer.poll`.
        """
        message = self._consumer.poll(timeout)
        if message is None:
            self._commit()
            return None
        self.events += 1
        event = message.value
        performed = isinstance(event, ActionEvent) and self._concerns(event) and self._performs(event)
        self._commit()
        return event if isinstance(event, ActionEvent) and performed else None

    def run(self, stop: threading.Event | None = None) -> None:
        """Performs what comes until `stop` is set (looked at once a second); without it, for ever."""
        while stop is None or not stop.is_set():
            self.step()

    def close(self) -> None:
        """Leaves the group."""
        self._consumer.close()
        self._commander.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _concerns(self, event: ActionEvent) -> bool:
        if event.state != "dispatched" or event.tenant != self._tenant:
            return False
        if self._subjects is not None and event.subject not in self._subjects:
            return False
        if self._by_clock and event.until is not None and event.until < time.time() * 1000:
            _log.warning("action %s of %s has waited too long and is passed over", event.action, event.subject)
            return False
        return True

    def _commit(self) -> None:
        """Tells the group's place; one that is not taken, while the broker is away, is told the next time."""
        try:
            self._consumer.commit()
        except Unreachable as error:
            _log.warning("%s", error)

    def _performs(self, event: ActionEvent) -> bool:
        try:
            self._perform(event)
        except Exception:  # noqa: BLE001 - whatever the caller's code does, the next action must come
            _log.exception("action %s of %s was not performed: it is not acknowledged", event.action, event.subject)
            return False
        self._commander.send(AcknowledgeAction(tenant=event.tenant, subject=event.subject, who=self._who, action_id=event.action_id))
        return True
