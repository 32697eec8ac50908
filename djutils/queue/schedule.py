"""When a periodic command is due: what ``@periodic_command`` takes, and the options of its schedule."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice
from typing import Annotated, Any, Literal, TypedDict, get_args
from zoneinfo import ZoneInfo

from django.conf import settings as django_settings

from .command_options import FLAG, Option, options_of
from .crontab import project_zone
from .exceptions import InvalidCommand
from .ids import id_of

MINUTE = 60
_LONGEST_JITTER = 24 * 3600.0
_A_DAY = 24 * 60
_LAST = 100 * 366 * _A_DAY
"""A minute that no schedule of today comes to: in the year 2070."""
_SPANS = (60, _A_DAY, 31 * _A_DAY, 366 * _A_DAY)


class Every:
    """What ``every(...)`` returns: called with a datetime, it returns whether the command is due in that minute."""

    def __init__(self, minutes: int) -> None:
        self.minutes = minutes

    def __call__(self, when: datetime) -> bool:
        return number_of(when) % self.minutes == 0

    def __repr__(self) -> str:
        return f"<every {timedelta(minutes=self.minutes)}>"

    def following(self, when: datetime) -> datetime:
        """Return the first minute after the aware ``when`` in which the command is due, in the same time zone."""
        number = (number_of(when) // self.minutes + 1) * self.minutes
        return datetime.fromtimestamp(number * MINUTE, when.tzinfo)


class At:
    """Once, in the minute of ``moment``; a naive one is a local time of the schedule's time zone."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment.replace(second=0, microsecond=0)

    def __call__(self, when: datetime) -> bool:
        return number_of(when) == self._number(when)

    def __repr__(self) -> str:
        return f"<at {self.moment.isoformat(timespec='minutes')}>"

    def following(self, when: datetime) -> datetime | None:
        """Return the minute, in the time zone of the aware ``when``; None unless it is after ``when``."""
        number = self._number(when)
        return datetime.fromtimestamp(number * MINUTE, when.tzinfo) if number > number_of(when) else None

    def _number(self, when: datetime) -> int:
        own = self.moment
        return number_of(own if own.tzinfo else own.replace(tzinfo=when.tzinfo))


def every(*, weeks: int = 0, days: int = 0, hours: int = 0, minutes: int = 0, seconds: int = 0) -> Every:
    """Return a function that returns whether the minute of a datetime is one of those that come every so often.

    It counts from the beginning of 1970 in UTC, so that all consumers agree without a memory: ``every(minutes=5)`` is
    due at five past, ten past and so on, ``every(days=1)`` at midnight in UTC. For a time of the day write
    ``crontab(...)``.

    Raises ``InvalidCommand`` unless it comes to whole minutes, one at least.
    """
    period = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    count, rest = divmod(period, timedelta(minutes=1))
    if rest or count < 1:
        raise InvalidCommand(
            f"every() takes whole minutes, one at least, and this is {period.total_seconds():g} s: the clock of a consumer looks once "
            f"a minute. For more often, let a command of one minute do its work several times."
        )
    return Every(count)


def number_of(when: datetime) -> int:
    """Return which minute since the beginning of 1970 ``when`` is in; a naive one is a local time of ``TIME_ZONE``."""
    aware = when if when.tzinfo else when.replace(tzinfo=project_zone())
    return int(aware.timestamp()) // MINUTE


def local_time(minute: int, zone: str | None) -> datetime:
    """Return the local time of ``minute``, the number since the beginning of 1970, for a schedule in ``zone``.

    Without a ``zone`` it is that of ``TIME_ZONE``: aware, or naive if ``USE_TZ`` is False, as in Django.
    """
    moment = datetime.fromtimestamp(minute * MINUTE, _zone(zone))
    return moment if zone or django_settings.USE_TZ else moment.replace(tzinfo=None)


def is_due(command: Any, when: datetime) -> bool:
    """Return whether the periodic ``command`` is due at ``when``, a local time of ``TIME_ZONE``, and enabled."""
    return getattr(command, "enabled", True) and matches(command, when)


def matches(command: Any, when: datetime) -> bool:
    """Return whether ``when``, a local time of ``TIME_ZONE``, is a minute of the periodic ``command``, enabled or not."""
    if zone := getattr(command, "time_zone", None):
        when = local_time(number_of(when), zone)
    return bool(command.validate_datetime(when))


def due_minutes(command: Any, after: int, until: int) -> Iterator[int]:
    """Yield the minutes, after ``after`` and up to ``until``, in which the periodic ``command`` is due.

    A function of the project's own is asked for each minute of the last day before ``until`` only.
    """
    schedule, zone = command.validate_datetime, command.time_zone
    following = getattr(schedule, "following", None)
    if following is None:
        yield from (
            minute
            for minute in range(max(after, until - _A_DAY) + 1, until + 1)
            if schedule(local_time(minute, zone))
        )
        return
    when = datetime.fromtimestamp(after * MINUTE, _zone(zone))
    while (when := following(when)) and (number := number_of(when)) <= until:
        yield number


def latest_due(command: Any, after: int, until: int, most: int) -> list[int]:
    """Return the last ``most`` minutes, or fewer, of those that ``due_minutes`` yields."""
    found: deque[int] = deque(maxlen=most)
    for span in (*_SPANS, until - after):  # a long time is not gone through if the end of it has enough
        start = max(after, until - span)
        found = deque(due_minutes(command, start, until), maxlen=most)
        if len(found) == most or start == after:
            break
    return [*found]


def upcoming(command: Any, after: int, count: int) -> list[datetime]:
    """Return up to ``count`` moments after the minute ``after`` at which the periodic ``command`` is due, in its time zone.

    A function of the project's own is asked for each minute of one day.
    """
    is_known = getattr(command.validate_datetime, "following", None) is not None
    minutes = due_minutes(command, after, _LAST if is_known else after + _A_DAY)
    return [datetime.fromtimestamp(one * MINUTE, _zone(command.time_zone)) for one in islice(minutes, count)]


def text_of(command: Any) -> str:
    """Return the schedule of the periodic ``command`` as text: the same one for the same schedule."""
    schedule = command.validate_datetime
    own = getattr(schedule, "__qualname__", "") or repr(schedule)
    return f"{own} {command.time_zone or ''}".rstrip()


def run_key(name: str, minute: int) -> str:
    """Return the key of the run of ``name`` that is due in ``minute``."""
    return f"{name} {datetime.fromtimestamp(minute * MINUTE, UTC).isoformat(timespec='minutes')}"


def run_id(queue_name: str, key: str, minute: int) -> str:
    """Return the id of the message for the run of ``key``: the same in every process."""
    return id_of(f"{queue_name} {key}", minute * MINUTE * 1000)


def spread(key: str, jitter: float | timedelta | None) -> timedelta | None:
    """Return how long to wait for a run of ``key``: the same in every process, anything from 0 to ``jitter``."""
    if not jitter:
        return None
    longest = jitter if isinstance(jitter, timedelta) else timedelta(seconds=jitter)
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    return longest * (int.from_bytes(digest) / 2**64)


Misfire = Literal["skip", "once", "all"]
Overlap = Literal["allow", "skip", "queue"]


def _zone(name: str | None) -> tzinfo | None:
    return ZoneInfo(name) if name else project_zone()


def _is_zone(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(ZoneInfo(value))
    except (KeyError, ValueError, OSError):  # what it raises for a name that does not exist, or cannot
        return False


def _is_jitter(value: Any) -> bool:
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    return (
        isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 <= seconds <= _LONGEST_JITTER
    )


_ZONE = Option(_is_zone, "the name of a time zone, such as 'Europe/Berlin'")
_JITTER = Option(_is_jitter, "a number of seconds or a timedelta, from 0 to a day")
_ARGS = Option(lambda value: isinstance(value, tuple | list), "a tuple of the positional arguments")
_KWARGS = Option(
    lambda value: isinstance(value, dict) and all(isinstance(name, str) for name in value),
    "a dictionary of the arguments by name",
)
_MISFIRE = Option(lambda value: value in get_args(Misfire), "'skip', 'once' or 'all'")
_OVERLAP = Option(lambda value: value in get_args(Overlap), "'allow', 'skip' or 'queue'")
_AT = Option(lambda value: isinstance(value, datetime), "a datetime")


class ScheduleOptions(TypedDict, total=False):
    """What may be said of the schedule of a periodic command, as an option or as an attribute of its class."""

    time_zone: Annotated[str, _ZONE]
    enabled: Annotated[bool, FLAG]
    jitter: Annotated[float | timedelta, _JITTER]
    misfire: Annotated[Misfire, _MISFIRE]
    overlap: Annotated[Overlap, _OVERLAP]


class CalledByClock(ScheduleOptions, total=False):
    """The options of ``@periodic_command`` that those of other commands have not."""

    at: Annotated[datetime, _AT]
    args: Annotated[Sequence[Any], _ARGS]
    kwargs: Annotated[Mapping[str, Any], _KWARGS]


OF_CLASSES = options_of(ScheduleOptions)
SCHEDULED = options_of(CalledByClock)

Rule = Callable[[datetime], bool]
"""From a datetime to whether a command is due in its minute."""
