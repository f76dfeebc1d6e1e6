"""`explain` as the gateway takes it: the gateway itself knows nothing of the engine."""

from __future__ import annotations

from collections.abc import Callable

from confluent_kafka import KafkaException

from gateway.settings import Explanation
from iskra.verification.explain import NotAnId, explain
from iskra.verification.reading import BrokerUnreachable, LogReader
from iskra.verification.recompute import UnknownConfiguration


def explainer(kafka: str) -> Callable[[str, str], Explanation]:
    """A function (namespace, id) → whether the verdict is what the log gives.

    It raises `LookupError` for what is no id of an output there, and `ConnectionError` while the broker is away.
    """

    def explained(namespace: str, identity: str) -> Explanation:
        try:
            log = LogReader(kafka, namespace)
        except BrokerUnreachable as error:
            raise ConnectionError(str(error)) from None
        try:
            found = explain(log, identity)
        except (NotAnId, UnknownConfiguration) as error:
            raise LookupError(str(error)) from None
        except KafkaException as error:
            raise ConnectionError(error.args[0].str()) from None
        finally:
            log.close()
        if found.stands is None and found.recomputed is None:
            raise LookupError(found.difference or "no output of that id")
        return Explanation(found.match, found.difference)

    return explained
