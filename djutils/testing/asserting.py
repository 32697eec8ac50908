"""Assertions about waiting calls, for any test framework."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from djutils.queue.call_keys import is_a_function
from djutils.queue.command import Command
from djutils.queue.conf import settings
from djutils.queue.decorators import CommandFunction
from djutils.queue.exceptions import InvalidCommand, WrongArguments
from djutils.queue.registry import registry
from djutils.queue.signatures import signature_of

from .enqueued import Enqueued, enqueued
from .transactions import count_uncommitted

_SHOWN = 20
Wanted = Callable[..., Any] | type[Command] | str


def assert_enqueued(fn: Wanted, /, *args: Any, **kwargs: Any) -> Enqueued:
    """Raise ``AssertionError`` unless a call of ``fn`` with these arguments waits; return the newest such call.

    Without arguments, any call of ``fn`` counts. It makes no difference whether an argument was passed by position,
    by name or by default. ``fn`` is a decorated function, a ``QueueCommand`` subclass (its argument is the data) or
    a command's name; with ``fn.using(queue_name=..., priority=...)`` those must match as well. Raises
    ``WrongArguments`` if ``fn`` cannot be called like this, ``InvalidCommand`` if it is not a command, and whatever
    ``enqueued()`` raises.
    """
    wanted = _Call(fn, args, kwargs)
    waiting = enqueued()
    found = [call for call in waiting if wanted.is_like(call)]
    if not found:
        raise AssertionError(f"{wanted} is not enqueued. {_listed(waiting)}")
    return found[-1]


def assert_not_enqueued(fn: Wanted, /, *args: Any, **kwargs: Any) -> None:
    """Raise ``AssertionError`` if a call of ``fn`` with these arguments waits; otherwise as ``assert_enqueued``."""
    wanted = _Call(fn, args, kwargs)
    found = [call for call in enqueued() if wanted.is_like(call)]
    if found:
        raise AssertionError(f"{wanted} is enqueued. {_listed(found)}")


class _Call:
    """A call that a test expects."""

    def __init__(self, fn: Wanted, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._class = _class_of(fn)
        options = fn._options if isinstance(fn, CommandFunction) else {}
        if "run_after" in options:
            raise InvalidCommand(
                "run_after is not compared; leave it out, and look at the due of what assert_enqueued() returns."
            )
        self._queue, self._priority = options.get("queue_name"), options.get("priority")
        self._any = not args and not kwargs
        self._signature = signature_of(self._class.function, follow_wrapped=False)
        self._arguments = None if self._any else self._bound(args, kwargs)
        self._shown = _shown(args, kwargs)

    def is_like(self, call: Enqueued) -> bool:
        """Return whether ``call`` matches."""
        return (
            call.command == self._class.name
            and self._queue in {None, call.queue}
            and self._priority in {None, call.priority}
            and (self._any or bool(self._arguments == self._bound(call.args, dict(call.kwargs))))
        )

    def _bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not is_a_function(self._class):
            return args, kwargs
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise WrongArguments(
                f"{self._class.name}{self._signature} cannot be called like this: {error}; so no such call can wait."
            ) from None
        bound.apply_defaults()
        return bound.arguments

    def __str__(self) -> str:
        where = f" on '{self._queue}'" if self._queue else ""
        rank = f" with priority {self._priority}" if self._priority is not None else ""
        return f"{self._class.name}({'...' if self._any else self._shown}){where}{rank}"


def _class_of(fn: Wanted) -> type[Command]:
    if isinstance(fn, str):
        return registry.get_class(fn)
    if isinstance(fn, CommandFunction):
        return fn.command_class
    if inspect.isclass(fn) and issubclass(fn, Command):
        return fn
    for command_class in registry:  # the decorator of a periodic command returns the plain function
        if command_class.function is fn:
            return command_class
    raise InvalidCommand(f"{fn!r} is not a command, so no call of it can wait: is it under @queue_command?")


def _shown(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    return ", ".join([*map(repr, args), *(f"{name}={value!r}" for name, value in kwargs.items())])


def _listed(calls: list[Enqueued]) -> str:
    lines = [f"\n  {call}" for call in calls[:_SHOWN]]
    if len(calls) > _SHOWN:
        lines.append(f"\n  and {len(calls) - _SHOWN} more")
    text = f"What waits:{''.join(lines)}" if lines else "Nothing waits."
    if uncommitted := count_uncommitted():
        text += f"\n{uncommitted} more will be sent at the commit of a transaction that is still open."
    if settings.QUEUE_EAGER:
        text += "\nQUEUE_EAGER is on: calls are run at once, and none waits."
    return text
