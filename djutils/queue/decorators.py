"""``@queue_command`` and ``@periodic_command``: a call becomes a command."""

from __future__ import annotations

import asyncio
import functools
import inspect
import math
from collections.abc import Callable
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Any, Generic, ParamSpec, TypeVar, overload

from asgiref.sync import async_to_sync
from django.utils import timezone

from .command import Command, limits_of, refuse_hidden
from .crontab import crontab
from .exceptions import InvalidCommand, TimeLimitExceeded
from .queue import PeriodicQueueCommand, QueueCommand, invoker
from .results import Result
from .retry import is_backoff

__all__ = ["CommandFunction", "crontab", "periodic_command", "queue_command"]

P = ParamSpec("P")
R = TypeVar("R")

_DECLARED = ("name", "queue_name", "priority", "max_attempts", "backoff", "time_limit", "atomic")
_CALLED = ("queue_name", "priority", "run_after")


class CommandFunction(Generic[P, R]):
    """A function under ``@queue_command``: calling it enqueues the call."""

    def __init__(
        self, function: Callable[P, R], command_class: type[Command], options: dict[str, Any]
    ) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._options = options
        self.command_class = command_class
        """What the registry knows it as."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Result:
        """Enqueue the call and answer a handle at once; errors as for ``Invoker.enqueue``."""
        return invoker.enqueue(self.command(*args, **kwargs))

    def call(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function here and now, as if it were not decorated."""
        return self._function(*args, **kwargs)

    def using(self, **options: Any) -> CommandFunction[P, R]:
        """Answer a copy with other options: ``queue_name``, ``priority``, ``run_after``.

        ``run_after`` is an aware datetime, or a timedelta from now.
        """
        _check_options(options, _CALLED, f"{self._function.__name__}.using()")
        return CommandFunction(self._function, self.command_class, self._options | options)

    def command(self, *args: P.args, **kwargs: P.kwargs) -> Command:
        """Answer the call as a command, not enqueued."""
        command = self.command_class((args, kwargs))
        for option, value in self._options.items():
            setattr(command, option, _as_moment(value) if option == "run_after" else value)
        return command

    def __reduce__(self) -> str:
        return self._function.__qualname__

    def __repr__(self) -> str:
        return f"<command {self.command_class.name}>"


@overload
def queue_command(function: Callable[P, R], /) -> CommandFunction[P, R]: ...
@overload
def queue_command(**options: Any) -> Callable[[Callable[P, R]], CommandFunction[P, R]]: ...
def queue_command(function: Callable[P, R] | None = None, /, **options: Any) -> Any:
    """Make a function a command: calling it enqueues the call and returns at once.

    Bare, or with options:

    ``name``
        what it is known by, default ``module.function``; pin it to be free to move the function
    ``queue_name``
        the queue it is sent to, default the project's
    ``priority``
        -100 to 100, the larger runs sooner
    ``max_attempts``
        how many runs may fail before it is a dead letter, default ``QUEUE_MAX_ATTEMPTS``
    ``backoff``
        seconds before the second attempt, doubled each time; ``(seconds, longest)``; or a function
        from the failed attempt to seconds; default ``QUEUE_BACKOFF``
    ``time_limit``
        seconds after which ``TimeLimitExceeded`` is raised in it, and 10 s later its process is
        killed; or ``(seconds, seconds until killed)``; default none
    ``atomic``
        on a queue in the database: what it writes there and its acknowledgement are one commit, so
        it takes effect exactly once

    Raises ``InvalidCommand`` for a function that no consumer could find, or a wrong option.
    """
    if function is not None:
        return _decorate(function, options)
    return functools.partial(_decorate, options=options)


def periodic_command(
    validate_datetime: Callable[[datetime], bool], **options: Any
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Have a function run by the clock, whenever ``validate_datetime`` answers True for a minute.

    Usually that is a ``crontab(...)``. The function takes no arguments; called, it still runs here
    and now. Options as for ``queue_command``.
    """
    if not callable(validate_datetime):
        raise InvalidCommand(
            "Write @periodic_command(crontab(...)): it needs a function from a datetime to a bool."
        )

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        when = {"validate_datetime": lambda self, moment: validate_datetime(moment)}
        _make_class(function, PeriodicQueueCommand, options, when)
        return function

    return decorate


def _decorate(function: Callable[P, R], options: dict[str, Any]) -> CommandFunction[P, R]:
    return CommandFunction(function, _make_class(function, QueueCommand, options, {}), {})


def _make_class(
    function: Callable[..., Any],
    base: type[QueueCommand],
    options: dict[str, Any],
    extra: dict[str, Any],
) -> type[Command]:
    if not inspect.isfunction(function):
        raise InvalidCommand(f"Only a function can be decorated, not {function!r}.")
    refuse_hidden(function)
    _check_options(options, _DECLARED, f"the command '{function.__name__}'")
    runs = _as_plain(function, options.get("time_limit"))

    def execute(self: Command) -> Any:
        args, kwargs = self.data or ((), {})
        return runs(*args, **kwargs)

    members = {
        "name": f"{function.__module__}.{function.__qualname__}",
        "function": staticmethod(function),
        "execute": execute,
        "__module__": function.__module__,
        "__qualname__": function.__qualname__,
        "__doc__": function.__doc__,
    }
    return type(function.__name__, (base,), members | extra | options)


def _as_plain(function: Callable[..., Any], time_limit: Any) -> Callable[..., Any]:
    """Answer ``function`` as one that can simply be called, in a coroutine's own way of being limited."""
    if not inspect.iscoroutinefunction(function):
        return function
    if time_limit is None:
        return async_to_sync(function)
    soft, _ = limits_of(time_limit)

    async def in_time(*args: Any, **kwargs: Any) -> Any:
        try:
            async with asyncio.timeout(soft) as limit:
                return await function(*args, **kwargs)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise TimeLimitExceeded(f"It ran for longer than its time limit of {soft:g} s.") from error

    return async_to_sync(in_time)


def _as_moment(value: datetime | timedelta | None) -> datetime | None:
    return timezone.now() + value if isinstance(value, timedelta) else value


def _check_options(options: dict[str, Any], known: tuple[str, ...], where: str) -> None:
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
