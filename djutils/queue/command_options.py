"""The options of a command: which there are, and which values they take."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Any

from .exceptions import InvalidCommand
from .retry import is_backoff

DECLARED = ("name", "queue_name", "priority", "max_attempts", "backoff", "time_limit", "atomic")
"""Given where a command is declared."""
CALLED = ("queue_name", "priority", "run_after")
"""Given for a single call."""


def check_options(options: dict[str, Any], known: tuple[str, ...], where: str) -> None:
    """Raise ``InvalidCommand`` for an option of ``where`` that is not ``known`` or whose value does not fit."""
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
    return isinstance(value, timedelta) or (isinstance(value, datetime) and value.tzinfo is not None)


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
    "atomic": (lambda value: isinstance(value, bool), "True or False"),
    "run_after": (_is_moment, "an aware datetime or a timedelta"),
}
