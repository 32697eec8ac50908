"""``crontab(...)``, and cron's own five fields: is a command due in this minute, and when next?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple, Never

from cronsim import CronSim, CronSimError
from django.conf import settings
from django.utils import timezone

from .exceptions import InvalidCommand

_SECOND = timedelta(seconds=1)
_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_PART = re.compile(r"(?:\*|([a-z0-9]{1,3})(?:-([a-z0-9]{1,3}))?)(?:/([0-9]{1,4}))?")


class _LeftOut(str):
    """``*`` as the default: the caller left the field out."""

    __slots__ = ()


_LEFT_OUT = _LeftOut("*")


class _Field(NamedTuple):
    first: int
    last: int
    names: tuple[str, ...] = ()

    def number(self, text: str) -> int | None:
        """Return the value that ``text`` names, or None; 7 is Sunday."""
        if text in self.names:
            return self.first + self.names.index(text)
        number = int(text) if text.isdigit() else -1
        most = 7 if self is _FIELDS["day_of_week"] else self.last
        return number if self.first <= number <= most else None

    def span(self, first: int, last: int) -> list[int]:
        """Return the values from ``first`` to ``last``, wrapping around the end of the field if necessary."""
        if first <= last:
            return list(range(first, last + 1))
        return [*range(first, self.last + 1), *range(self.first, last + 1)]

    def hint(self) -> str:
        """Return the values that this field accepts, as text."""
        names = f" or {self.names[0]} to {self.names[-1]}" if self.names else ""
        sunday = " (Sunday = 0 or 7)" if self.last == 6 else ""
        return (
            f"'*', '*/n', 'm-n', 'm-n/s', 'm,n' or an integer from {self.first} to {self.last}{names}{sunday}"
        )


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
# In the order of 2011's positional arguments.
_FIELDS: Mapping[str, _Field] = {
    "month": _Field(1, 12, _MONTHS),
    "day": _Field(1, 31),
    "day_of_week": _Field(0, 6, _WEEKDAYS),
    "hour": _Field(0, 23),
    "minute": _Field(0, 59),
}
_CRON = "{minute} {hour} {day} {month} {day_of_week}"


class Crontab:
    """What ``crontab(...)`` returns: called with a datetime, it returns whether the command is due.

    An aware datetime is a real minute in its time zone, and cron's rule applies in the
    nights in which clocks are changed. A naive one is a local time of ``TIME_ZONE`` if ``USE_TZ``
    is False, as Django uses them; otherwise only its fields are compared.
    """

    def __init__(self, expression: str, left_out: str = "", *, both_days: bool = True) -> None:
        """``expression`` has the five fields of cron; ``left_out`` names the fields that default to ``*``.

        ``both_days``: whether the day of the month and that of the week must match. In cron one of them is enough.
        """
        self.expression = expression
        self.left_out = left_out
        """Fields left out although a larger one is given, as text for a warning; usually empty."""
        self.both_days = both_days

    def __call__(self, when: datetime) -> bool:
        when = when.replace(second=0, microsecond=0)
        if when.tzinfo is None and not settings.USE_TZ:
            when = when.replace(tzinfo=project_zone())
        if when.tzinfo is None:
            return self._after(when - _SECOND) == when
        minute = when.astimezone(UTC)
        # Start one second before: CronSim then begins with this minute, whatever the shift. If it starts earlier,
        # it skips a minute in which a zone goes back by half an hour.
        before = (minute - _SECOND).astimezone(when.tzinfo)
        # Compare in UTC: within one zone Python treats both passes of a repeated hour as equal.
        return self._after(before).astimezone(UTC) == minute

    def __repr__(self) -> str:
        return f"<crontab {self.expression}>"

    def following(self, when: datetime) -> datetime:
        """Return the first minute after the aware ``when`` in which the command is due, in the same time zone."""
        found = self._after(when)
        # CronSim overlooks minutes where a zone changes by half an hour, unless it begins with them.
        if (found - when) <= _DAY and (found.utcoffset() or _HOUR) % _HOUR != (
            when.utcoffset() or _HOUR
        ) % _HOUR:
            minute = when.astimezone(UTC).replace(second=0, microsecond=0) + _MINUTE
            while not self(found := minute.astimezone(when.tzinfo)):
                minute += _MINUTE
        return found

    def _after(self, when: datetime) -> datetime:
        """Return the first moment later than ``when`` at which the command is due."""
        moments = CronSim(self.expression, when)
        if self.both_days:
            moments.day_and = True
        return next(moments)


def crontab(
    *positional: Never,
    month: str | int = _LEFT_OUT,
    day: str | int = _LEFT_OUT,
    day_of_week: str | int = _LEFT_OUT,
    hour: str | int = _LEFT_OUT,
    minute: str | int = _LEFT_OUT,
) -> Crontab:
    """Return a function that returns whether all of these fields match the minute of a datetime.

    Each field is ``*``, an integer, a range ``m-n``, a step ``*/n`` or ``m-n/s``, or several of
    these separated by commas. ``*/n`` counts from the first value of the field: ``day='*/6'`` is
    1, 7, 13, 19, 25, 31. A range may wrap around the end of the field: ``hour='22-2'``. Months may be
    written ``jan`` to ``dec`` and weekdays ``sun`` to ``sat``; Sunday is 0 and 7.

    >>> from datetime import datetime
    >>> crontab(hour='*/6', minute=30)(datetime(2024, 2, 29, 18, 30))
    True

    Raises ``InvalidCommand`` for positional arguments and for anything that could never match.
    """
    given = {"month": month, "day": day, "day_of_week": day_of_week, "hour": hour, "minute": minute}
    if positional:
        raise _by_name(positional)
    text = {name: _parsed(name, value) for name, value in given.items()}
    schedule = Crontab(_CRON.format(**text), _left_out(given))
    _refuse_if_never(schedule, f"crontab(month={month!r}, day={day!r})")
    return schedule


def from_cron(expression: str) -> Crontab:
    """Return the schedule that ``expression``, a line of cron's five fields, means there.

    The fields are minute, hour, day of the month, month and day of the week, each as for ``crontab``. As in cron, one of
    the two day fields is enough if neither begins with ``*``. Raises ``InvalidCommand``.
    """
    parts = expression.split()
    if len(parts) != len(_FIELDS):
        raise InvalidCommand(
            f"{expression!r} has {len(parts)} fields, and cron has five: minute, hour, day of the month, month and day "
            f"of the week, such as '*/15 9-17 * * mon-fri'. Or write crontab(...) or every(...)."
        )
    given = dict(zip(("minute", "hour", "day", "month", "day_of_week"), parts, strict=True))
    text = {name: _parsed(name, value) for name, value in given.items()}
    schedule = Crontab(_CRON.format(**text), both_days=False)
    _refuse_if_never(schedule, repr(expression))
    return schedule


def _refuse_if_never(schedule: Crontab, wrote: str) -> None:
    try:
        schedule._after(datetime(2000, 1, 1))  # noqa: DTZ001  (only the fields matter: a leap year has every day)
    except (CronSimError, StopIteration):
        raise InvalidCommand(f"{wrote} can never match: these months have no such day.") from None


def project_zone() -> tzinfo | None:
    """Return the time zone of ``TIME_ZONE``; None if it is None, which means the machine's time zone."""
    return timezone.get_default_timezone() if settings.TIME_ZONE else None


def _by_name(positional: tuple[object, ...]) -> InvalidCommand:
    wrote = ", ".join(map(repr, positional))
    meant = ", ".join(f"{name}={value!r}" for name, value in zip(_FIELDS, positional, strict=False))
    return InvalidCommand(
        f"crontab({wrote}): write each field by its name. By the order of 2011 this is crontab({meant}); "
        f"every five minutes is crontab(minute='*/5'). The fields are {', '.join(_FIELDS)}."
    )


def _parsed(name: str, value: str | int) -> str:
    """Return ``value`` in cron's syntax, with numbers; steps over the whole field are unchanged."""
    parts = ["" if isinstance(value, bool) else part.strip() for part in str(value).lower().split(",")]
    texts = [_parsed_part(_FIELDS[name], f"crontab({name}={value!r})", part) for part in parts]
    # Stars come first: cron uses them to distinguish a schedule that follows real time from fixed times.
    return ",".join(sorted(texts, key=lambda text: not text.startswith("*")))


def _parsed_part(field: _Field, wrote: str, part: str) -> str:
    match = _PART.fullmatch(part)
    first, last, step = match.groups() if match else (None, None, None)
    whole = bool(match) and first is None
    start = field.first if whole else field.number(first or "")
    end = field.last if whole else field.number(last or first or "")
    if start is None or end is None or (step and not whole and last is None):
        raise InvalidCommand(f"{wrote} can never match: use {field.hint()}.")
    values = field.span(start, end)
    if step and not 1 <= int(step) <= len(values):
        raise InvalidCommand(
            f"{wrote} cannot be what you mean: a step must be an integer from 1 to {len(values)} here, "
            f"the number of values it steps over."
        )
    if whole:
        return part
    return ",".join(str(number % 7 if field.last == 6 else number) for number in values[:: int(step or 1)])


def _left_out(given: Mapping[str, str | int]) -> str:
    """Return the names of the fields that were left out although a larger one was given."""
    levels = [("month",), ("day", "day_of_week"), ("hour",), ("minute",)]
    missing = [all(isinstance(given[name], _LeftOut) for name in names) for names in levels]
    below = missing.index(False) if False in missing else len(levels)
    return " and ".join(names[0] for names, left in zip(levels[below:], missing[below:], strict=True) if left)
