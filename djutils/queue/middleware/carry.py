"""``QUEUE_CARRY``: what of the caller's context travels with its calls, and is set again around their runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar
from datetime import timedelta
from functools import cache
from typing import Any, Protocol

from django.conf import settings as django_settings
from django.core.signals import setting_changed
from django.utils import timezone, translation
from django.utils.module_loading import import_string

from djutils.queue.command import Command
from djutils.queue.conf import settings
from djutils.queue.exceptions import ConfigurationError, EnqueueError
from djutils.queue.message import Message

from .base import Middleware

NOTHING = object()
"""What a carrier returns for a caller that has set nothing: not even None."""
_CARRIED = "carried"
_MINUTE = timedelta(minutes=1)


class Carrier(Protocol):
    """Takes one part of the context from a caller to a run."""

    def value(self) -> Any:
        """Return what the caller has set, as JSON; or ``NOTHING``. Raises ``EnqueueError`` for what cannot travel."""

    def restored(self, value: Any) -> AbstractContextManager[Any]:
        """Return a context manager within which ``value``, from a caller, is set as it was there."""


class CarryContext(Middleware):
    """Carries what ``QUEUE_CARRY`` lists from the caller to the run, in a worker or in eager mode.

    A caller that has set none of it, such as the clock, sends nothing more. A run ends with the context as it
    was before. What a message carries and this process does not list is ignored.
    """

    def sent(self, command: Command, message: Message) -> Message:
        """Return ``message`` with the caller's context.

        Raises ``EnqueueError`` for a value that cannot travel, and ``ConfigurationError`` for a wrong ``QUEUE_CARRY``;
        nothing is sent then.
        """
        values = {name: carrier.value() for name, carrier in carriers().items()}
        carried = {name: value for name, value in values.items() if value is not NOTHING}
        return message.with_extras(**{_CARRIED: carried}) if carried else message

    def run(self, command: Command, message: Message) -> Iterator[None]:
        """Set the caller's context around the run. Raises ``ConfigurationError`` for a wrong ``QUEUE_CARRY``."""
        carried = message.extras.get(_CARRIED, {})
        known = carriers()
        with ExitStack() as stack:
            for name, value in carried.items():
                if name in known:
                    stack.enter_context(known[name].restored(value))
            yield


class Language:
    """The active language, unless it is the one of the settings: a command finds that anyway."""

    def value(self) -> Any:
        """Return its code."""
        language = translation.get_language()
        return NOTHING if language in {None, django_settings.LANGUAGE_CODE} else language

    def restored(self, value: str) -> AbstractContextManager[Any]:
        """Return a context manager within which it is active."""
        return translation.override(value)


class TimeZone:
    """The current time zone, unless it is the one of the settings."""

    def value(self) -> Any:
        """Return its name, or the minutes east of Greenwich of one that has only a fixed offset."""
        zone = timezone.get_current_timezone()
        if zone == timezone.get_default_timezone():
            return NOTHING
        if isinstance(name := getattr(zone, "key", None), str):
            return name
        offset = zone.utcoffset(None)
        if offset is None or offset % _MINUTE:
            raise EnqueueError(
                f"The current time zone has neither a name nor a fixed offset in minutes ({type(zone).__name__}), so it "
                f"cannot be carried to the command; nothing was sent. Activate a zoneinfo.ZoneInfo."
            )
        return offset // _MINUTE

    def restored(self, value: str | int) -> AbstractContextManager[Any]:
        """Return a context manager within which it is current."""
        return timezone.override(timezone.get_fixed_timezone(value) if isinstance(value, int) else value)


class Variable:
    """A ``ContextVar`` of the project, unless it has no value."""

    def __init__(self, path: str, variable: ContextVar[Any]) -> None:
        self._path = path
        self._variable = variable

    def value(self) -> Any:
        """Return its value. Raises ``EnqueueError`` for one that a command would find changed, or that is not JSON."""
        value = self._variable.get(NOTHING)
        if value is NOTHING or type(value) is str:
            return value
        try:
            is_same = json.loads(json.dumps(value, allow_nan=False)) == value
        except (TypeError, ValueError, RecursionError):
            is_same = False
        if not is_same:
            raise EnqueueError(
                f"The value of '{self._path}', which QUEUE_CARRY lists, is not JSON (its type is {type(value).__name__}), so "
                f"it cannot be carried to the command; nothing was sent. Set it to text, a number, a list or a dictionary "
                f"with text as keys; a UUID or a date as text."
            )
        return value

    @contextmanager
    def restored(self, value: Any) -> Iterator[None]:
        """Set it meanwhile."""
        token = self._variable.set(value)
        try:
            yield
        finally:
            self._variable.reset(token)


_TRACE = "djutils.contrib.opentelemetry.TraceContext"
_OWN = (
    "'language', 'time_zone', 'trace' and the dotted paths of ContextVars, such as 'shop.context.request_id'"
)


@cache
def carriers() -> dict[str, Carrier]:
    """Return what carries each entry of ``QUEUE_CARRY``. Raises ``ConfigurationError`` for a wrong one."""
    entries = settings.QUEUE_CARRY
    if not isinstance(entries, list | tuple):
        raise ConfigurationError(f"QUEUE_CARRY must be a list; it is of the type {type(entries).__name__}.")
    return {entry: _carrier(f"QUEUE_CARRY[{number}]", entry) for number, entry in enumerate(entries)}


def _carrier(which: str, entry: Any) -> Carrier:
    """Return what carries ``entry``, which no error shows unless it was found: it may be a secret in the wrong place."""
    match entry:
        case "language":
            return Language()
        case "time_zone":
            return TimeZone()
        case "trace":
            return _trace(which)
    try:
        found = import_string(entry)
    except ImportError as error:
        if error.name and not str(entry).startswith(error.name):
            raise ConfigurationError(f"{which} needs '{error.name}', which cannot be imported.") from error
        raise ConfigurationError(
            f"{which} is not found. There are: {_OWN}."
        ) from None  # its message names the entry
    except Exception as error:  # the module of the project may raise anything
        raise ConfigurationError(f"{which} cannot be imported ({type(error).__name__}: {error}).") from error
    if not isinstance(found, ContextVar):
        raise ConfigurationError(
            f"{which} is no ContextVar but of the type {type(found).__name__}. There are: {_OWN}."
        )
    return Variable(entry, found)


def _trace(which: str) -> Carrier:
    try:
        made: Carrier = import_string(_TRACE)()
    except ImportError as error:
        raise ConfigurationError(
            f"{which} is 'trace', which needs '{error.name}', and that cannot be imported: pip install "
            f"'djutils-queue[opentelemetry]', for the site and the consumers alike."
        ) from error
    return made


def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting == "QUEUE_CARRY":
        carriers.cache_clear()


setting_changed.connect(_forget)
