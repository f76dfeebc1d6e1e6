"""One output, recomputed: the log of its partition through the engine alone, up to the record that caused it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from iskra.verification.compare import OUTPUT_TOPICS
from iskra.verification.cut import Cut, place
from iskra.verification.reading import LogReader
from iskra.verification.recompute import Recomputation
from processors.engine import Output, Record
from schemas.headers import headers_of
from schemas.topics import HEADER_ID, POINTS

LEDGER = ("sent", "failed")
"""How ids of the notifier's records end: that of the step, and what became of it."""


class Explanation(msgspec.Struct, frozen=True):
    """What stands on the topic under an id, what the log says, and whether the two are the same bytes."""

    id: str
    topic: str | None
    stands: Any
    recomputed: Any
    match: bool
    difference: str | None


class NotAnId(ValueError):
    """The text is no id of an output; says what one looks like."""


def place_of(identity: str) -> tuple[int, int]:
    """Partition and offset that an id tells.

    Raises:
        NotAnId: it is none.
    """
    found = place(identity)
    if found is not None:
        return found
    step, _, end = identity.rpartition("-")
    if end in LEDGER and place(step) is not None:
        raise NotAnId(f"{identity}: the notifier wrote it, no log gives it; the step that it ended is {step}")
    raise NotAnId(f"{identity}: expected an id such as 3-88417-0-0-b16473ec85fa7cb5 (partition-offset-index-n-key)")


def explain(log: LogReader, identity: str) -> Explanation:
    """Recomputes the output of this id and compares it with the one on its topic.

    Raises:
        NotAnId: the text is no id, or no such partition.
        UnknownConfiguration: the log names a configuration that is not published.
    """
    partition, offset = place_of(identity)
    if partition >= log.partitions:
        raise NotAnId(f"{identity}: partition {partition}, but there are {log.partitions}")
    topic, stands = _standing(log, partition, identity)
    recomputation = Recomputation(log.namespace, partition, log.partitions, log.configurations(), log.start(partition))
    computed = _recompute(log, recomputation, partition, offset, identity, _subject_of(stands))
    told = None if computed is None else msgspec.json.encode(computed.value)
    return Explanation(
        identity,
        topic or (None if computed is None else computed.topic),
        None if stands is None else msgspec.json.decode(stands),
        None if told is None else msgspec.json.decode(told),
        stands is not None and stands == told,
        _difference(identity, stands, told, recomputation.cut),
    )


def _standing(log: LogReader, partition: int, identity: str) -> tuple[str | None, bytes | None]:
    for topic in OUTPUT_TOPICS:
        for message in log.messages(topic, partition, *log.ends(topic, partition)):
            if headers_of(message).get(HEADER_ID) == identity.encode():
                return topic, message.value() or b""
    return None, None


def _recompute(log: LogReader, recomputation: Recomputation, partition: int, offset: int, identity: str, subject: bytes) -> Output | None:
    first, end = log.ends(POINTS, partition)
    wanted = log.records(partition, first, min(end, offset + 1)) if offset < end else log.records(partition, first, end)
    for at, outputs, _ in recomputation.outputs(only(wanted, subject, offset)):
        if at == offset or not subject:
            for output in outputs:
                if output.id == identity:
                    return output
    return None


def only(records: Iterator[Record], subject: bytes, offset: int) -> Iterator[Record]:
    """The records that can concern the subject (its name in JSON; empty: all); of the others only the time counts."""
    for record in records:
        # a producer may write any letter of a name as \uXXXX
        if record.kind is not None or record.offset == offset or subject in record.value or b"\\u" in record.value:
            yield record
        else:
            yield record._replace(value=b"", kind="other")


def _subject_of(stands: bytes | None) -> bytes:
    """The subject's name as it is found in JSON; empty where it has to be looked for everywhere."""
    name = msgspec.json.decode(stands).get("subject") if stands is not None else None
    return name.encode() if isinstance(name, str) and name.isascii() else b""


def _difference(identity: str, stands: bytes | None, told: bytes | None, cut: Cut) -> str | None:
    if stands == told:
        return None if stands is not None else "neither on a topic nor in the log (is it older than what is kept?)"
    if cut.gone(identity):
        return f"the record that caused it is no longer kept: the log begins at offset {cut.start.offset:,}"
    unless = f" ({cut.told()})" if cut.start.offset > 0 else ""
    if stands is None:
        return f"the log gives this output, but it does not stand on its topic{unless}"
    if told is None:
        return f"it stands on its topic, but the log{' as it is kept' if unless else ''} does not give it{unless}"
    there, here = msgspec.json.decode(stands), msgspec.json.decode(told)
    names = [name for name in there if there.get(name) != here.get(name)]
    differing = "; ".join(f"{name}: stands {there.get(name)!r}, recomputed {here.get(name)!r}" for name in names)
    return (differing or "the same fields in other bytes") + unless
