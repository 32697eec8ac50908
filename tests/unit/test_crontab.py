"""``crontab(...)`` against datetimes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from djutils.queue.crontab import crontab
from djutils.queue.decorators import crontab as crontab_of_2011
from djutils.queue.exceptions import InvalidCommand

SUNDAY = datetime(2024, 3, 3, 12, 0)
LEAP_DAY = datetime(2024, 2, 29, 23, 59)


def minutes_of_day(matches: Callable[[datetime], bool]) -> list[tuple[int, int]]:
    start = datetime(2024, 2, 29)
    day = (start + timedelta(minutes=minute) for minute in range(24 * 60))
    return [(when.hour, when.minute) for when in day if matches(when)]


def test_without_fields_every_minute_matches() -> None:
    assert len(minutes_of_day(crontab())) == 24 * 60


def test_it_is_importable_from_where_it_was_in_2011() -> None:
    assert crontab_of_2011 is crontab


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"hour": 3, "minute": 7}, [(3, 7)]),
        ({"hour": "3", "minute": "7"}, [(3, 7)]),
        ({"hour": 0, "minute": "*/20"}, [(0, 0), (0, 20), (0, 40)]),
        ({"hour": 0, "minute": "*/70"}, [(0, 0)]),
        ({"hour": "*/6", "minute": 30}, [(0, 30), (6, 30), (12, 30), (18, 30)]),
        ({"hour": "22-23", "minute": "59"}, [(22, 59), (23, 59)]),
        ({"hour": "1,5", "minute": "0,30"}, [(1, 0), (1, 30), (5, 0), (5, 30)]),
        ({"hour": "1-2, 5", "minute": "0"}, [(1, 0), (2, 0), (5, 0)]),
        ({"hour": "4-4", "minute": "*/30,1"}, [(4, 0), (4, 1), (4, 30)]),
        ({"month": 2, "day": 29, "hour": 23, "minute": 59}, [(23, 59)]),
        ({"month": 3, "hour": 23, "minute": 59}, []),
        ({"day": 28}, []),
        ({"day_of_week": 5}, []),
        ({"day_of_week": 4, "day": 29, "hour": 0, "minute": 0}, [(0, 0)]),
        ({"day_of_week": 5, "day": 29}, []),
    ],
)
def test_all_fields_must_match(fields: dict[str, Any], expected: list[tuple[int, int]]) -> None:
    assert minutes_of_day(crontab(**fields)) == expected


def test_the_order_of_the_fields_is_that_of_2011() -> None:
    assert minutes_of_day(crontab("2", "29", "4", "3", "7")) == [(3, 7)]


@pytest.mark.parametrize("day_of_week", range(7))
def test_the_week_begins_with_sunday_which_is_0(day_of_week: int) -> None:
    matching = [day for day in range(7) if crontab(day_of_week=day)(SUNDAY + timedelta(days=day_of_week))]
    assert matching == [day_of_week]


def test_the_29th_of_february_comes_in_leap_years_only() -> None:
    matches = crontab(month=2, day=29, hour=23, minute=59)
    assert matches(LEAP_DAY)
    assert not any(matches(datetime(2023, 2, 28, 23, 59) + timedelta(days=days)) for days in range(365))


@pytest.mark.parametrize("day", [datetime(2023, 12, 31), datetime(2024, 12, 31)])
def test_every_month_and_day_of_the_year_can_be_told(day: datetime) -> None:
    assert crontab(month=day.month, day=day.day)(day)
    assert not crontab(month=1)(day)


def test_seconds_do_not_matter() -> None:
    assert crontab(hour=12, minute=0)(SUNDAY.replace(second=59, microsecond=999_999))


@pytest.mark.parametrize("field", ["month", "day", "day_of_week", "hour", "minute"])
@pytest.mark.parametrize(
    "value", ["", "*/0", "*/-1", "-1", "1-", "5-3", "a", "1.5", "**", "1,,2", "1;2", -1, 99, True, None, 1.0]
)
def test_what_can_never_match_is_refused_and_the_error_says_what_can(field: str, value: Any) -> None:
    with pytest.raises(InvalidCommand) as caught:
        crontab(**{field: value})
    assert f"crontab({field}={value!r})" in str(caught.value)
    assert "integer from" in str(caught.value)


@pytest.mark.parametrize(
    ("field", "least", "most"),
    [("month", 1, 12), ("day", 1, 31), ("day_of_week", 0, 6), ("hour", 0, 23), ("minute", 0, 59)],
)
def test_each_field_has_its_range(field: str, least: int, most: int) -> None:
    crontab(**{field: f"{least}-{most}"})
    for value in (least - 1, most + 1, f"{least}-{most + 1}"):
        with pytest.raises(InvalidCommand, match=f"from {least} to {most}"):
            crontab(**{field: value})


def test_the_error_for_a_weekday_says_that_sunday_is_0() -> None:
    with pytest.raises(InvalidCommand, match="Sunday = 0"):
        crontab(day_of_week=7)


def test_two_numbers_without_a_comma_are_refused() -> None:
    with pytest.raises(InvalidCommand):
        crontab(hour="1 2")


@pytest.mark.parametrize("fields", [{"month": 2, "day": 30}, {"month": "4,6", "day": 31}])
def test_a_day_that_its_months_do_not_have_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidCommand, match="never match"):
        crontab(**fields)
