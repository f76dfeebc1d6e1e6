"""The lane behind the verdicts, on a real broker: who goes first, that nothing is lost or reordered, what a checkpoint waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from processors.engine import Output
from schemas.headers import headers_of
from schemas.outputs import WindowStats
from schemas.topics import DEAD_LETTERS, DEFAULT_PARTITIONS, HEADER_ID, SIGNALS, VOICES, WINDOWS, full_name
from streams.epoch import Epoch
from streams.lane import BOUND, Lane
from streams.outputs import Outputs
from tests.streams.helpers import DEADLINE_S, dump, records_on, wait_for

pytestmark = pytest.mark.kafka


def output(topic: str, number: int, subject: int = 0) -> Output:
    """An output of a record, with a content of its own."""
    value = WindowStats("default", f"s{subject}", "clarity", number, 10_000, 1, 0.5, 0.5, 0.5, 0.5, 0.0, None, None, 0)
    return Output(topic, b"default/s%d" % subject, f"0-{number}-0-0-0123456789abcdef", number, value)


async def until(condition: Callable[[], bool]) -> None:
    """Waits, while the loop goes on, until a condition holds."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)


def played(kafka: str, namespace: str, play: Callable[[Outputs, Callable[[bool], None]], Awaitable[None]]) -> None:
    """Plays with `Outputs` whose acknowledgements are heard; the second argument of `play` says whether a round is under way."""

    async def main() -> None:
        failures: list[BaseException] = []
        outputs = Outputs(kafka, namespace, failures.append)
        busy = True

        def work(under_way: bool) -> None:
            nonlocal busy
            busy = under_way

        heard = asyncio.ensure_future(outputs.poll_forever(lambda: not busy))
        try:
            await play(outputs, work)
        finally:
            heard.cancel()
            outputs.close(5.0)
        assert not failures

    asyncio.run(main())


def test_verdicts_overtake_and_order_stays(kafka: str, namespace: str) -> None:
    """While a round is under way all but windows and signals are delivered; then these come, whole, in their order, under their ids."""
    later = [output(topic, number, number % 7) for number in range(1, 1_501) for topic in (WINDOWS, SIGNALS)]
    at_once = [output(topic, 5_000 + number) for number in range(20) for topic in (VOICES, DEAD_LETTERS)]
    emitted = [later[:1_500], at_once, later[1_500:]]
    at_once[1::2] = [Output(out.topic, out.key, out.id, out.ts, _dead(out)) for out in at_once[1::2]]

    async def play(outputs: Outputs, work: Callable[[bool], None]) -> None:
        epochs = [outputs.new_epoch() for _ in range(DEFAULT_PARTITIONS)]
        for outs in emitted:
            for number, out in enumerate(outs):
                place = _place(out) if outs is not at_once else number % DEFAULT_PARTITIONS
                outputs.emit(epochs[place], place, [out], number, 0)
        await until(lambda: sum(epoch.acknowledged for epoch in epochs) == len(at_once))
        await until(lambda: records_on(kafka, namespace, VOICES, DEAD_LETTERS) == len(at_once))
        assert outputs.unacknowledged == len(later)
        work(False)
        for epoch in epochs:
            await epoch.empty()
        assert outputs.unacknowledged == 0
        assert outputs.sent_by_topic[WINDOWS] == 1_500

    played(kafka, namespace, play)
    for topic in (WINDOWS, SIGNALS):
        for place, found in enumerate(dump(kafka, full_name(namespace, topic))):
            wanted = [out for out in later if out.topic == topic and _place(out) == place]
            assert [(m.key(), headers_of(m)[HEADER_ID].decode(), m.timestamp()[1], m.value()) for m in found] == [
                (out.key, out.id, out.ts, msgspec.json.encode(out.value)) for out in wanted
            ]


class _Dead(msgspec.Struct):
    reason: str
    of: str


def _dead(out: Output) -> msgspec.Struct:
    return _Dead("invalid", out.id)


def _place(out: Output) -> int:
    return int(out.key.removeprefix(b"default/s")) % DEFAULT_PARTITIONS


def test_an_epoch_is_not_empty_before_what_waits_is_acknowledged(kafka: str, namespace: str) -> None:
    """The barrier of a checkpoint holds for windows that are not even sent; nor does the next epoch's pass before it."""

    async def play(outputs: Outputs, work: Callable[[bool], None]) -> None:
        first = outputs.new_epoch()
        outputs.emit(first, 0, [output(WINDOWS, 0), output(VOICES, 0)], 0, 0)
        second = outputs.new_epoch(first)
        outputs.emit(second, 0, [output(VOICES, 1)], 1, 0)
        given_up = asyncio.ensure_future(first.empty())
        barrier = asyncio.ensure_future(second.empty())
        await until(lambda: first.acknowledged + second.acknowledged == 2)
        given_up.cancel()
        await asyncio.sleep(0)
        assert not barrier.done()
        assert records_on(kafka, namespace, WINDOWS) == 0
        work(False)
        await barrier
        await until(lambda: records_on(kafka, namespace, WINDOWS) == 1)

    played(kafka, namespace, play)


def test_rounds_without_end_starve_nothing(kafka: str, namespace: str) -> None:
    """Though the worker is never idle, what waits is sent when it has waited long enough."""

    async def play(outputs: Outputs, _: Callable[[bool], None]) -> None:
        epoch = outputs.new_epoch()
        outputs.emit(epoch, 0, [output(SIGNALS, number) for number in range(100)], 0, 0)

        def is_delivered() -> bool:
            outputs.send_overdue()
            return epoch.acknowledged == 100

        await until(is_delivered)

    played(kafka, namespace, play)


def test_a_wait_for_acknowledgements_sends_what_waits(kafka: str, namespace: str) -> None:
    """Back-pressure counts what waits, and ends though the worker is not idle."""

    async def play(outputs: Outputs, _: Callable[[bool], None]) -> None:
        epoch = outputs.new_epoch()
        outputs.emit(epoch, 0, [output(WINDOWS, number) for number in range(100)], 0, 0)
        assert outputs.unacknowledged == 100
        await outputs.below(1)
        assert epoch.acknowledged == 100

    played(kafka, namespace, play)


@pytest.mark.parametrize("is_closed", [True, False])
def test_handing_over_sends_what_waits(kafka: str, namespace: str, is_closed: bool) -> None:
    """When partitions are handed over, and when the worker ends, what waits is sent though it was not idle."""

    async def play(outputs: Outputs, _: Callable[[bool], None]) -> None:
        epoch = outputs.new_epoch()
        outputs.emit(epoch, 0, [output(WINDOWS, number) for number in range(100)], 0, 0)
        if is_closed:
            outputs.close(5.0)
            assert epoch.acknowledged == 100
        else:
            outputs.send_waiting()
            await epoch.empty()

    played(kafka, namespace, play)
    wait_for(lambda: records_on(kafka, namespace, WINDOWS) == 100, "the windows on their topic")


def test_the_lane_is_bounded() -> None:
    """One tick may close more windows than may wait: the oldest go at once."""
    sent: list[Output] = []
    lane = Lane(lambda _epoch, _partition, out: sent.append(out))
    epoch = Epoch(lambda *_: None)
    outs = [output(WINDOWS, number) for number in range(BOUND + 500)]
    for out in outs:
        lane.add((0.0, epoch, 0, out))
    lane.send_excess()
    assert sent == outs[:500]
    assert len(lane) == BOUND
    lane.send_all()
    assert sent == outs
