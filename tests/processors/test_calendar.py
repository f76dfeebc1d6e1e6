"""Weekly windows in UTC."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest

from processors.calendar import Calendar
from processors.instant import NEVER
from schemas.living import MaintenanceWindow


def ms(text: str) -> int:
    """A UTC time as epoch ms."""
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp() * 1000)


def test_start_belongs_to_a_window_and_its_end_does_not() -> None:
    """Sundays 02:00–04:00, in any week."""
    calendar = Calendar([MaintenanceWindow(day="sunday", start="02:00", end="04:00")])
    for day, before, after in (("2025-11-09", "2025-11-08", "2025-11-10"), ("1970-01-04", "1970-01-03", "1970-01-05")):
        assert not calendar.holds(ms(f"{day}T02:00") - 1)
        assert calendar.holds(ms(f"{day}T02:00"))
        assert calendar.holds(ms(f"{day}T04:00") - 1)
        assert not calendar.holds(ms(f"{day}T04:00"))
        assert not calendar.holds(ms(f"{before}T03:00"))
        assert not calendar.holds(ms(f"{after}T03:00"))


def test_over_midnight_and_over_the_week() -> None:
    """An end that is not after the start is the next day's; Sunday runs into Monday; several windows add up."""
    calendar = Calendar(
        [MaintenanceWindow(day="sunday", start="23:00", end="01:00"), MaintenanceWindow(day="wednesday", start="00:00", end="24:00")]
    )
    assert calendar.holds(ms("2025-11-09T23:30"))
    assert calendar.holds(ms("2025-11-10T00:59"))
    assert not calendar.holds(ms("2025-11-10T01:00"))
    assert calendar.holds(ms("2025-11-12T00:00"))
    assert calendar.holds(ms("2025-11-12T23:59"))
    assert not calendar.holds(ms("2025-11-13T00:00"))


def test_no_windows_never_hold() -> None:
    """An empty list is legal."""
    assert not Calendar([]).holds(ms("2025-11-09T02:00"))


@pytest.mark.parametrize("text", ["2:00", "02:60", "24:01", "02.00", "ab:cd", "02:0", "", "-1:00"])
def test_times_that_are_none(text: str) -> None:
    """Anything but HH:MM is refused."""
    with pytest.raises(ValueError, match="expected a time"):
        Calendar([MaintenanceWindow(day="monday", start=text, end="05:00")])


def test_the_end_of_a_window_is_the_first_free_time() -> None:
    """Outside it is the time itself; windows that touch or overlap count as one, over the end of the week, too."""
    calendar = Calendar(
        [
            MaintenanceWindow(day="sunday", start="22:00", end="00:00"),
            MaintenanceWindow(day="monday", start="00:00", end="02:00"),
            MaintenanceWindow(day="monday", start="01:00", end="03:00"),
        ]
    )
    assert calendar.free_from(ms("2025-11-09T21:59")) == ms("2025-11-09T21:59")
    assert calendar.free_from(ms("2025-11-09T22:00")) == ms("2025-11-10T03:00")
    assert calendar.free_from(ms("2025-11-10T02:59") + 59_999) == ms("2025-11-10T03:00")
    assert calendar.free_from(ms("2025-11-10T03:00")) == ms("2025-11-10T03:00")


def test_windows_over_the_whole_week_are_never_free() -> None:
    """Whoever silences every day all day long is never told, and no loop looks for it for ever."""
    days = [MaintenanceWindow(day="monday", start="00:00", end="24:00")]
    for name in ("tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"):
        days.append(msgspec.structs.replace(days[0], day=name))
    assert Calendar(days).free_from(ms("2025-11-09T22:00")) == NEVER
    assert Calendar(days[1:]).free_from(ms("2025-11-09T22:00")) == ms("2025-11-10T00:00")
