"""§3: subject time, ticks, silence, lateness, expiry."""

from __future__ import annotations

from tests.processors.both import Both, ms, said, statuses, windows
from tests.processors.settings import DEFAULT, config

EXPIRING = config(time={"expire_after": 50, "idle_after": 30}, subjects=[])


def ids_of(log: Both, reason: str) -> list[str]:
    """Offsets (as ids tell them) of the statuses with this reason."""
    return [out.id.split("-")[1] for out in log.outs if out.topic == "slo.status" and out.value["reason"] == reason]


def test_the_thirty_first_tick_moves_subject_time() -> None:
    """Thirty ticks without a point leave a subject's time alone; the 31st moves it, over all the seconds at once."""
    log = Both()
    log.every_second("clarity", 0.8, range(100, 112))
    assert log.ticks(range(112, 142)) == []
    outs = log.tick(142)
    assert [(w["start"], out.ts) for out in outs if out.topic == "slo.windows" for w in [out.value]] == [
        (100_000, 110_000),
        (110_000, 120_000),
        (60_000, 120_000),
    ]
    assert said(outs) == [(141, "UNKNOWN missing")]


def test_each_later_tick_moves_subject_time_too() -> None:
    """Missing is told at its own second, by the tick of that second."""
    log = Both(config(time={"idle_after": 3}))
    log.point("clarity", 0.8, 100)
    log.point("clarity", 0.8, 100.5)
    log.ticks(range(101, 110))
    # last point 100.5, `missing_after` 6 s: second 107, the tick after which 8 records stand
    assert said(log.outs) == [(100, "UNKNOWN sparse"), (100.5, "OK"), (107, "UNKNOWN missing")]
    assert ids_of(log, "missing") == ["8"]


def test_a_point_ends_idleness() -> None:
    """The count of ticks begins anew with each accepted point."""
    log = Both()
    log.every_second("clarity", 0.8, (100, 101))
    log.ticks(range(102, 132))
    log.point("clarity", 0.8, 131)
    assert log.ticks(range(132, 162)) == []
    assert log.tick(162) != []


def test_a_late_point_ends_idleness_too() -> None:
    """A late point is accepted: the subject is not silent."""
    log = Both()
    log.every_second("clarity", 0.8, range(100, 120))
    log.ticks(range(120, 150))
    log.point("clarity", 0.8, 101, at=150)
    assert log.ticks(range(151, 181)) == []
    assert said(log.tick(181)) == [(149, "UNKNOWN missing")]


def test_a_refused_point_does_not_end_idleness() -> None:
    """Refused points move nothing."""
    log = Both()
    log.every_second("clarity", 0.8, (100, 101))
    log.ticks(range(102, 132))
    log.point("clarity", 5, 131)
    assert said(log.tick(132)) != []


def test_a_tick_stands_for_the_second_at_or_before_it() -> None:
    """A tick with record time 142.999 is that of second 142."""
    log = Both()
    log.every_second("clarity", 0.8, (110, 111))
    log.ticks(range(112, 142))
    log.tick(142.999)
    assert said(log.point("clarity", 0.8, 142))[-1:] == [(142, "UNKNOWN sparse")]
    assert log.engine.last_tick == 142


def test_ticks_of_the_same_or_an_earlier_second_are_ignored() -> None:
    """Two workers may tick during a rebalance; only a later second counts."""
    log = Both()
    log.every_second("clarity", 0.8, (100, 101))
    log.ticks(range(102, 132))
    for again in (131, 131.9, 120, 131.999):
        assert log.tick(again) == []
    assert log.engine.tick_count == 30
    assert said(log.tick(132)) != []


def test_a_tick_behind_subject_time_moves_nothing() -> None:
    """A subject whose clock runs ahead of ours is not moved back."""
    log = Both()
    log.every_second("clarity", 0.8, (131, 132), ticks=False)
    log.ticks(range(101, 132))
    assert statuses(log.outs)[-1]["level"] == "OK"
    assert said(log.point("clarity", 0.8, 132.5)) == []


def test_an_outage_of_ours_is_no_silence() -> None:
    """Without ticks nobody becomes idle: a subject that delivers 25 s apart over an outage is judged by its own times."""
    log = Both()
    log.every_second("clarity", 0.8, (100, 101), ticks=True)
    assert log.tick(4000) == []
    log.point("clarity", 0.8, 4000)
    assert said(log.outs)[-2:] == [(131, "UNKNOWN missing"), (4000, "UNKNOWN sparse")]


def test_longer_idle_after_and_missing_after_for_some_subjects() -> None:
    """The first pattern that matches a subject gives it its own patience."""
    patient = config(
        subjects=[{"match": "default/b*", "idle_after": 40, "missing_after": "1m"}], time={"idle_after": 3, "expire_after": 500}
    )
    log = Both(patient)
    for subject in ("alpha", "batch"):
        log.every_second("clarity", 0.8, (100, 101), subject=subject)
    log.ticks(range(102, 180))
    assert [(v["subject"], v["since"] // 1000) for v in statuses(log.outs) if v["reason"] == "missing"] == [("alpha", 107), ("batch", 161)]
    # the windows of the patient one wait for its 41st tick
    first = next(out for out in log.outs if out.topic == "slo.windows" and out.value["subject"] == "batch")
    assert first.id.split("-")[1] == str(4 + 40)


def test_subject_time_is_the_greatest_ts() -> None:
    """A point out of order moves nothing back: it is judged at the subject time so far."""
    log = Both()
    log.point("clarity", 0.8, 103.25)
    assert said(log.point("clarity", 0.8, 100)) == [(103.25, "OK")]


def test_exactly_the_allowed_lateness_is_on_time() -> None:
    """`ts` = subject time − 5 s is on time, a millisecond before it is late."""
    log = Both()
    log.point("clarity", 0.8, 100)
    log.point("clarity", 0.8, 105)
    log.point("clarity", 0.7, 100)
    log.point("clarity", 0.6, 99.999)
    (window,) = windows(log.point("clarity", 0.8, 120))
    assert (window["start"], window["count"], window["late"]) == (100_000, 3, 1)


def test_the_first_point_judges_no_whole_second() -> None:
    """However old or new it is, nothing lies before it."""
    assert said(Both().point("clarity", 0.8, 100, at=100_000)) == [(100, "UNKNOWN sparse")]


def test_batches_do_not_change_verdicts() -> None:
    """The same points as one array say what they say one by one, ids apart."""
    points = [{"subject": "alpha", "metric": "clarity", "value": 0.8 + (t % 7) / 50, "ts": ms(t * 0.5)} for t in range(400)]
    one, other = Both(), Both()
    for point in points:
        one.send(point, at=200)
    other.send(points, at=200)
    content = [(out.topic, out.ts, {k: v for k, v in out.value.items() if k != "evidence"}) for out in one.outs]
    assert content == [(out.topic, out.ts, {k: v for k, v in out.value.items() if k != "evidence"}) for out in other.outs]
    assert len(content) > 20


def test_a_subject_silent_for_expire_after_ticks_is_forgotten() -> None:
    """At that tick it is closed and owes a tombstone; its next point is a first point."""
    log = Both(EXPIRING)
    log.every_second("clarity", 0.8, (100, 101))
    log.ticks(range(102, 151))
    assert log.engine.forgotten() == []
    assert list(log.engine.subject_keys()) == [b"default/alpha"]
    log.tick(151)
    assert log.engine.forgotten() == [b"default/alpha"]
    assert list(log.engine.subject_keys()) == []
    assert log.engine.forgotten() == []
    assert log.ticks(range(152, 160)) == []
    (status,) = statuses(log.point("clarity", 0.8, 160))
    assert (status["reason"], status["previous"]) == ("sparse", None)


def test_a_forgotten_subject_is_not_among_the_changed() -> None:
    """Its tombstone stands for it; no state is written any more."""
    log = Both(EXPIRING)
    log.every_second("clarity", 0.8, (100, 101))
    assert log.engine.take_changed() == [b"default/alpha"]
    assert log.engine.take_changed() == []
    log.ticks(range(102, 152))
    assert log.engine.take_changed() == []


def test_expiry_in_the_configuration_that_comes_with_iskra() -> None:
    """A day of ticks."""
    log = Both(DEFAULT)
    log.every_second("clarity", 0.8, (100, 101))
    engine = log.engine
    for n in range(86_400 - 1):
        engine.tick(10 + n, ms(102 + n))
    assert list(engine.subject_keys()) == [b"default/alpha"]
    engine.tick(10**6, ms(102 + 86_399))
    assert engine.forgotten() == [b"default/alpha"]
