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


def values_of(field: str, value: str | int) -> list[int]:
    """Return the values of ``field`` in which a command is due, looked at in a leap year that begins on a Sunday."""
    matches = crontab(**{field: value})
    year = [datetime(2012, 1, 1) + timedelta(days=days) for days in range(366)]
    day = [datetime(2012, 1, 1) + timedelta(minutes=minutes) for minutes in range(24 * 60)]
    moments = day if field in {"hour", "minute"} else year
    return sorted({moment_field(moment, field) for moment in moments if matches(moment)})


def moment_field(moment: datetime, field: str) -> int:
    return moment.isoweekday() % 7 if field == "day_of_week" else int(getattr(moment, field))


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
        ({"hour": "22-2", "minute": 0}, [(0, 0), (1, 0), (2, 0), (22, 0), (23, 0)]),
        ({"hour": "22-2/2", "minute": 0}, [(0, 0), (2, 0), (22, 0)]),
        ({"hour": "1-6/2", "minute": 0}, [(1, 0), (3, 0), (5, 0)]),
        ({"hour": 4, "minute": "0-59/15"}, [(4, 0), (4, 15), (4, 30), (4, 45)]),
        ({"hour": 4, "minute": "7-59/20,*/30"}, [(4, 0), (4, 7), (4, 27), (4, 30), (4, 47)]),
        ({"hour": 4, "minute": "*/60"}, [(4, 0)]),
        ({"day_of_week": "THU", "month": "Feb", "hour": 4, "minute": 0}, [(4, 0)]),
    ],
)
def test_all_fields_must_match(fields: dict[str, Any], expected: list[tuple[int, int]]) -> None:
    assert minutes_of_day(crontab(**fields)) == expected


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("day", "*/6", [1, 7, 13, 19, 25, 31]),
        ("day", "*/2", list(range(1, 32, 2))),
        ("month", "*/6", [1, 7]),
        ("month", "*/5", [1, 6, 11]),
        ("day_of_week", "*/2", [0, 2, 4, 6]),
        ("day_of_week", "*/5", [0, 5]),
        ("hour", "*/7", [0, 7, 14, 21]),
        ("minute", "*/25", [0, 25, 50]),
        ("day", "5-31/6", [5, 11, 17, 23, 29]),
        ("month", "feb-dec/5", [2, 7, 12]),
    ],
)
def test_a_step_counts_from_the_first_value_of_its_field(field: str, value: str, expected: list[int]) -> None:
    assert values_of(field, value) == expected


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("day_of_week", "sun", [0]),
        ("day_of_week", "SUN", [0]),
        ("day_of_week", "7", [0]),
        ("day_of_week", 7, [0]),
        ("day_of_week", "mon-fri", [1, 2, 3, 4, 5]),
        ("day_of_week", "Sat,Sun", [0, 6]),
        ("day_of_week", "sat-sun", [0, 6]),
        ("day_of_week", "fri-mon", [0, 1, 5, 6]),
        ("day_of_week", "5-7", [0, 5, 6]),
        ("day_of_week", "7-2", [0, 1, 2]),
        ("day_of_week", "0-7", list(range(7))),
        ("day_of_week", "5-2/2", [0, 2, 5]),
        ("day_of_week", "mon,3-4", [1, 3, 4]),
        ("month", "jan", [1]),
        ("month", "nov-FEB", [1, 2, 11, 12]),
        ("month", "jan, mar-may, 12", [1, 3, 4, 5, 12]),
        ("day", "30-2", [1, 2, 30, 31]),
        ("minute", "59-0", [0, 59]),
    ],
)
def test_a_field_is_written_as_in_every_cron(field: str, value: str | int, expected: list[int]) -> None:
    assert values_of(field, value) == expected


@pytest.mark.parametrize(
    ("positional", "spelling"),
    [
        (("*/5",), "crontab(month='*/5')"),
        ((5, 3), "crontab(month=5, day=3)"),
        (("2", "29", "4", "3", "7"), "month='2', day='29', day_of_week='4', hour='3', minute='7'"),
        (("*", "*", "*", "*", "*", "*"), "The fields are month, day, day_of_week, hour, minute."),
    ],
)
def test_a_field_without_its_name_is_refused_and_the_error_spells_it_with_its_name(
    positional: tuple[Any, ...], spelling: str
) -> None:
    with pytest.raises(InvalidCommand) as caught:
        crontab(*positional)
    assert spelling in str(caught.value)
    assert "write each field by its name" in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value", "most"),
    [
        ("minute", "*/70", 60),
        ("minute", "*/61", 60),
        ("hour", "*/25", 24),
        ("day", "*/32", 31),
        ("month", "*/13", 12),
        ("day_of_week", "*/8", 7),
        ("minute", "0-10/30", 11),
        ("hour", "22-2/6", 5),
        ("minute", "*/0", 60),
        ("minute", "*/15,*/70", 60),
    ],
)
def test_a_step_larger_than_what_it_steps_over_is_refused(field: str, value: str, most: int) -> None:
    with pytest.raises(InvalidCommand, match=f"from 1 to {most} here") as caught:
        crontab(**{field: value})
    assert f"crontab({field}={value!r})" in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "left_out"),
    [
        ({}, ""),
        ({"minute": 5}, ""),
        ({"hour": 3}, "minute"),
        ({"hour": "*/2"}, "minute"),
        ({"hour": "*"}, "minute"),
        ({"hour": 3, "minute": "*"}, ""),
        ({"day": 1, "minute": 0}, "hour"),
        ({"day_of_week": "mon"}, "hour and minute"),
        ({"day_of_week": "mon", "hour": 3, "minute": 0}, ""),
        ({"month": 1}, "day and hour and minute"),
        ({"month": 1, "day_of_week": "*", "hour": 0, "minute": 0}, ""),
    ],
)
def test_it_knows_which_fields_were_left_out_below_one_that_is_given(
    fields: dict[str, Any], left_out: str
) -> None:
    assert crontab(**fields).left_out == left_out


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
    "value",
    [
        "",
        "*/-1",
        "-1",
        "1-",
        "1/2",
        "a",
        "1.5",
        "**",
        "*-3",
        "1,,2",
        "1;2",
        "\u0661",
        "1" * 5000,
        "*/1/1",
        -1,
        99,
        True,
        None,
        1.0,
        [1],
        "monday",
        "L",
    ],
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
    past = most + 1 + (field == "day_of_week")
    for value in (least - 1, past, f"{least}-{past}"):
        with pytest.raises(InvalidCommand, match=f"from {least} to {most}"):
            crontab(**{field: value})


def test_the_error_for_a_weekday_says_its_names_and_that_sunday_is_0_and_7() -> None:
    with pytest.raises(InvalidCommand, match=r"from 0 to 6 or sun to sat \(Sunday = 0 or 7\)"):
        crontab(day_of_week=8)


def test_the_error_for_a_month_says_its_names() -> None:
    with pytest.raises(InvalidCommand, match="from 1 to 12 or jan to dec"):
        crontab(month="mon")


def test_two_numbers_without_a_comma_are_refused() -> None:
    with pytest.raises(InvalidCommand):
        crontab(hour="1 2")


@pytest.mark.parametrize("fields", [{"month": 2, "day": 30}, {"month": "4,6", "day": 31}])
def test_a_day_that_its_months_do_not_have_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidCommand, match="never match"):
        crontab(**fields)
