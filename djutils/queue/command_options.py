"""The options of a command, and the values they take."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Any

from django.conf import settings as django_settings
from django.utils import timezone

from .exceptions import InvalidCommand
from .retry import is_backoff

DECLARED = ("name", "queue_name", "priority", "max_attempts", "backoff", "time_limit", "atomic")
"""Options given where a command is declared."""
CALLED = ("queue_name", "priority", "run_after")
"""Options given for a single call."""

_LATEST = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
"""The last moment that Python's calendar can represent."""


def due_at(run_after: datetime | timedelta) -> float:
    """Return the moment ``run_after`` means, in seconds since the epoch.

    A timedelta counts from now. A naive datetime is in the project's time zone, its ``fold`` respected.
    Raises ``InvalidCommand`` for any other type, and for a moment after the year 9999.
    """
    check_options({"run_after": run_after}, CALLED, "this command")
    if isinstance(run_after, timedelta):
        due = time.time() + run_after.total_seconds()
    elif run_after.tzinfo is None:
        due = timezone.make_aware(run_after, timezone.get_default_timezone()).timestamp()
    else:
        due = run_after.timestamp()
    if due > _LATEST:
        raise InvalidCommand(f"run_after={run_after!r} is beyond the year 9999.")
    return max(0.0, due)


def check_options(options: dict[str, Any], known: tuple[str, ...], where: str) -> None:
    """Raise ``InvalidCommand`` for an option of ``where`` that is not ``known`` or has an invalid value."""
    for option, value in options.items():
        if option not in known:
            near = get_close_matches(option, known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(known)}."
            raise InvalidCommand(f"'{option}' is not an option of {where}; {hint}")
        fits, rule = _RULES[option]
        if not fits(value):
            raise InvalidCommand(f"{option}={value!r} of {where} must be {rule}.")


def _is_integer(value: Any, least: int, most: float = float("inf")) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_moment(value: Any) -> bool:
    if isinstance(value, datetime):
        return value.tzinfo is not None or not django_settings.USE_TZ
    return isinstance(value, timedelta)


def _is_time_limit(value: Any) -> bool:
    first, last = value if isinstance(value, tuple) and len(value) == 2 else (value, math.inf)
    numbers = all(isinstance(n, int | float) and not isinstance(n, bool) for n in (first, last))
    return numbers and 0 < first <= last


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= 200


_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "name": (_is_name, "a string of 1 to 200 characters"),
    "queue_name": (_is_name, "a string of 1 to 200 characters"),
    "priority": (lambda value: _is_integer(value, -100, 100), "an integer from -100 to 100"),
    "max_attempts": (lambda value: _is_integer(value, 1), "an integer, 1 or more"),
    "backoff": (is_backoff, "seconds, (seconds, longest), or a function from the attempt to seconds"),
    "time_limit": (_is_time_limit, "seconds, or (seconds, seconds until it is killed)"),
    "atomic": (
        lambda value: isinstance(value, bool) or _is_name(value),
        "True, False or the alias of the database it writes to",
    ),
    "run_after": (
        _is_moment,
        "a timedelta or an aware datetime (a naive one says which time zone only where USE_TZ is off)",
    ),
}
