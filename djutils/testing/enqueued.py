"""The calls that wait on the project's queues, as values that a test can read and compare."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from djutils.queue import codec
from djutils.queue.backends import queues
from djutils.queue.backends.base import BaseQueue
from djutils.queue.call_keys import is_a_function
from djutils.queue.command import Command
from djutils.queue.registry import registry

from .stores import Waiting, view_of
from .transactions import send_what_is_committed

ROUNDED = 1.0
"""Most seconds by which a store and a view of it may change a moment."""


class Enqueued(NamedTuple):
    """A call that waits on a queue."""

    command: str
    """The command's name."""
    args: tuple[Any, ...]
    """Its arguments; for a ``QueueCommand`` subclass, its data."""
    kwargs: Mapping[str, Any]
    queue: str
    """The queue it waits on."""
    priority: int
    due: datetime | None
    """Aware, in UTC; None: now."""
    attempt: int
    """The number of its next run (first = 1)."""
    id: str
    """The id that the call returned."""

    def __str__(self) -> str:
        arguments = [repr(value) for value in self.args]
        arguments += [f"{name}={value!r}" for name, value in self.kwargs.items()]
        more = f", priority {self.priority}" if self.priority else ""
        more += f", due {self.due:%Y-%m-%d %H:%M:%S} UTC" if self.due else ""
        more += f", attempt {self.attempt}" if self.attempt > 1 else ""
        return f"{self.command}({', '.join(arguments)}) on '{self.queue}'{more}"


def enqueued(queue: BaseQueue | str | None = None) -> list[Enqueued]:
    """Return the calls that wait on ``queue`` (None: on every queue of the project), in the order they were made.

    Nothing is taken from a queue. "Every queue" means the default one, those that commands name in their
    declarations, and those that this process has sent to. A call made in a transaction that is still open does
    not count, unless the queue takes part in it. Raises ``InvalidMessage``, and unpickles nothing, for bytes
    that were not signed by this site.
    """
    send_what_is_committed()
    found = [read(one, waiting) for one in chosen(queue) for waiting in view_of(one).waiting()]
    return sorted(found, key=lambda call: call.id)


def chosen(queue: BaseQueue | str | None) -> list[BaseQueue]:
    """Return the queues that ``queue`` refers to."""
    if isinstance(queue, BaseQueue):
        return [queue]
    if queue is not None:
        return [queues[queue]]
    known = {name: queues[name] for name in registry.queue_names()} | {one.name: one for one in queues.made()}
    return [*known.values()]


def read(queue: BaseQueue, waiting: Waiting) -> Enqueued:
    """Return ``waiting`` as a test sees it; errors as for ``enqueued``."""
    message = codec.decode(waiting.data, queue.name)
    command_class = registry.get_class(message.command)
    args, kwargs = _arguments(command_class, command_class.load(message.body))
    due = waiting.due
    # Show the moment that the caller passed, if it still applies: the store uses its own clock, and rounds.
    if due is not None and message.eta is not None and abs(message.eta - due) < ROUNDED:
        due = message.eta
    moment = None if due is None else datetime.fromtimestamp(due, UTC)
    attempt = max(message.attempt, waiting.attempts + 1)
    return Enqueued(message.command, args, kwargs, queue.name, message.priority, moment, attempt, message.id)


def _arguments(command_class: type[Command], data: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if is_a_function(command_class):
        args, kwargs = data or ((), {})
        return tuple(args), kwargs  # as JSON it is a list
    return (data,), {}
