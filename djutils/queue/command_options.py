"""The options of a command: each is a field of a ``TypedDict``, annotated with the rule for its values.

Type checkers and editors read the types, ``check_options`` the rules, both from the same line::

    class Options(TypedDict, total=False):
        tenant: Annotated[str, Option(lambda value: isinstance(value, str), "the name of a tenant")]
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Annotated, Any, NamedTuple, TypedDict, get_args, get_type_hints

from django.conf import settings as django_settings
from django.utils import timezone

from .exceptions import InvalidCommand
from .retry import Backoff, Exceptions, exception_classes, is_backoff


class Option(NamedTuple):
    """The rule for the values of one option."""

    accepts: Callable[[Any], bool]
    rule: str
    """What a value must be, as it ends the sentence 'max_attempts=0 must be ...'."""


def options_of(fields: type) -> dict[str, Option]:
    """Return the options that the ``TypedDict`` ``fields`` lists; one without a rule accepts any value."""
    hints = get_type_hints(fields, include_extras=True)
    rules = {name: [one for one in get_args(hint) if isinstance(one, Option)] for name, hint in hints.items()}
    return {name: found[0] if found else _ANY for name, found in rules.items()}


def check_options(options: Mapping[str, Any], known: Mapping[str, Option], where: str) -> None:
    """Raise ``InvalidCommand`` for an option of ``where`` that is not ``known`` or has an invalid value."""
    for option, value in options.items():
        if option not in known:
            near = get_close_matches(option, known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(known)}."
            raise InvalidCommand(f"'{option}' is not an option of {where}; {hint}")
        if not known[option].accepts(value):
            raise InvalidCommand(f"{option}={value!r} of {where} must be {known[option].rule}.")


def due_at(run_after: datetime | timedelta) -> float:
    """Return the moment ``run_after`` means, in seconds since the epoch.

    A timedelta counts from now. A naive datetime is in the project's time zone, its ``fold`` respected.
    Raises ``InvalidCommand`` for any other type, and for a moment after the year 9999.
    """
    check_options({"run_after": run_after}, {"run_after": _MOMENT}, "this command")
    return max(0.0, moment_of_option("run_after", run_after, time.time()))


def moment_of_option(option: str, value: datetime | timedelta, start: float) -> float:
    """Return the moment ``value`` means, in seconds since the epoch; a timedelta counts from ``start``.

    Raises ``InvalidCommand``, which names the option, for a moment after the year 9999.
    """
    if isinstance(value, timedelta):
        moment = start + value.total_seconds()
    elif value.tzinfo is None:
        moment = timezone.make_aware(value, timezone.get_default_timezone()).timestamp()
    else:
        moment = value.timestamp()
    if moment > _LATEST:
        raise InvalidCommand(f"{option}={value!r} is beyond the year 9999.")
    return moment


def is_name(value: Any) -> bool:
    """Return whether ``value`` can name a command, a queue or a database."""
    return isinstance(value, str) and 1 <= len(value) <= 200


def is_ttl(value: Any) -> bool:
    """Return whether ``value`` says how long something is kept: a number of seconds or a timedelta, above 0."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    return isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds > 0


def is_integer(value: Any, least: int, most: float = float("inf")) -> bool:
    """Return whether ``value`` is a whole number within these bounds, and no bool."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def is_moment(value: Any) -> bool:
    """Return whether ``value`` is a moment: a timedelta, or a datetime that says its time zone, as ``USE_TZ`` has it."""
    if isinstance(value, datetime):
        return value.tzinfo is not None or not django_settings.USE_TZ
    return isinstance(value, timedelta)


_LATEST = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
"""The last moment that Python's calendar can represent."""
_ANY = Option(lambda value: True, "any value")
_NAME = Option(is_name, "a string of 1 to 200 characters")
_PRIORITY = Option(lambda value: is_integer(value, -100, 100), "an integer from -100 to 100")
_COUNT = Option(lambda value: is_integer(value, 1), "an integer, 1 or more")
_BACKOFF = Option(is_backoff, "seconds, (seconds, longest), or a function from the attempt to seconds")
_EXCEPTIONS = Option(
    lambda value: bool(exception_classes(value)),
    "an exception class, or a tuple of exception classes, not their names",
)
_MOMENT = Option(
    is_moment, "a timedelta or an aware datetime (a naive one says which time zone only where USE_TZ is off)"
)

FLAG = Option(lambda value: isinstance(value, bool), "True or False")
TEXT = Option(lambda value: isinstance(value, str) and value != "", "a string that is not empty")
TTL = Option(is_ttl, "a number of seconds or a timedelta, above 0")


class CallOptions(TypedDict, total=False):
    """Options given for a single call, with ``using()``, as far as they are not a middleware's."""

    queue_name: Annotated[str, _NAME]
    priority: Annotated[int, _PRIORITY]
    run_after: Annotated[datetime | timedelta, _MOMENT]


class CoreOptions(TypedDict, total=False):
    """Options given where a command is declared, as far as they are not a middleware's."""

    name: Annotated[str, _NAME]
    queue_name: Annotated[str, _NAME]
    priority: Annotated[int, _PRIORITY]
    max_attempts: Annotated[int, _COUNT]
    backoff: Annotated[Backoff, _BACKOFF]
    retry_on: Annotated[Exceptions, _EXCEPTIONS]
    discard_on: Annotated[Exceptions, _EXCEPTIONS]
