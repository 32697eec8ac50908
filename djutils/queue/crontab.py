"""``crontab(...)``: does this minute match?"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

from .exceptions import InvalidCommand

_RANGES = {
    "month": range(1, 13),
    "day": range(1, 32),
    "day_of_week": range(7),
    "hour": range(24),
    "minute": range(60),
}
_LONGEST_DAY = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}


def crontab(
    month: str | int = "*",
    day: str | int = "*",
    day_of_week: str | int = "*",
    hour: str | int = "*",
    minute: str | int = "*",
) -> Callable[[datetime], bool]:
    """Answer a function that says whether a datetime's minute matches all of these fields.

    Each is ``*``, an integer, ``m,n``, a range ``m-n``, or ``*/n``: every value divisible by n.
    Sunday is 0. Parts may be mixed with commas: ``'1-5,30'``.

    >>> from datetime import datetime
    >>> crontab(hour='*/6', minute=30)(datetime(2024, 2, 29, 18, 30))
    True

    Raises ``InvalidCommand`` for anything that could never match.
    """
    fields = {"month": month, "day": day, "day_of_week": day_of_week, "hour": hour, "minute": minute}
    months, days, weekdays, hours, minutes = (_parse(name, v) for name, v in fields.items())
    if min(days) > max(_LONGEST_DAY.get(number, 31) for number in months):
        raise InvalidCommand(f"crontab(month={month!r}, day={day!r}) can never match: no such day comes.")

    def matches(when: datetime) -> bool:
        return (
            when.minute in minutes
            and when.hour in hours
            and when.day in days
            and when.month in months
            and when.isoweekday() % 7 in weekdays
        )

    return matches


def _parse(name: str, value: str | int) -> frozenset[int]:
    parts = str(value).split(",") if not isinstance(value, bool) else [""]
    return frozenset(number for part in parts for number in _parse_part(name, part.strip(), value))


def _parse_part(name: str, part: str, value: str | int) -> list[int]:
    allowed = _RANGES[name]
    found: list[int] = []
    if part == "*":
        found = list(allowed)
    elif match := re.fullmatch(r"\*/([1-9]\d*)", part):
        found = [number for number in allowed if number % int(match[1]) == 0]
    elif match := re.fullmatch(r"(\d+)(?:-(\d+))?", part):
        found = list(range(int(match[1]), int(match[2] or match[1]) + 1))
    if not found or found[0] not in allowed or found[-1] not in allowed:
        raise InvalidCommand(
            f"crontab({name}={value!r}) can never match: use '*', '*/n', 'm-n', 'm,n' or an integer "
            f"from {allowed[0]} to {allowed[-1]}{', Sunday = 0' if name == 'day_of_week' else ''}."
        )
    return found
