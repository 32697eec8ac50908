"""Commands and the invoker, which puts them on a queue and takes them off."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from . import codec
from .backends import queues
from .backends.base import BaseQueue
from .command import Command, refuse_hidden
from .command_options import CALLED, DECLARED, check_options
from .conf import settings
from .exceptions import MessageTooLarge, QueueException, UnsupportedOption
from .executor import Executor
from .message import Envelope, Message
from .registry import registry
from .results import Result
from .sending import Parcel, send

__all__ = [
    "Invoker",
    "PeriodicQueueCommand",
    "QueueCommand",
    "QueueException",
    "invoker",
    "queue_name",  # noqa: F822  (a module-level __getattr__ answers it)
    "queues",
    "registry",
]


class QueueCommand(Command):
    """A command as a class: define ``execute()``, which works on ``self.data``.

    A subclass that does is registered by itself, as ``module.ClassName`` unless it sets ``name``.
    Enqueue it with ``invoker.enqueue(MyCommand(data))``.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.execute is not Command.execute:
            refuse_hidden(cls)
            given = {name: value for name, value in vars(cls).items() if name in DECLARED}
            check_options(given, DECLARED, f"the command '{cls.__name__}'")
            cls.function = vars(cls).get("function", cls.execute)
            if "name" not in vars(cls):
                cls.name = f"{cls.__module__}.{cls.__qualname__}"
            registry.register(cls)


class PeriodicQueueCommand(QueueCommand):
    """A command run by the clock: also define ``validate_datetime()``."""

    def validate_datetime(self, when: datetime) -> bool:
        """Return whether it is to run in the minute of ``when``.

        Asked once for every minute that passes, with its local time in ``TIME_ZONE``: aware, or naive
        if ``USE_TZ`` is False. In an hour that comes twice, ``when.fold`` is 1 the second time.
        """
        return False


class Invoker:
    """Puts commands on a queue and takes them off.

    Without a ``queue`` it uses the project's own, looked up when it is needed.
    """

    def __init__(self, queue: BaseQueue | None = None) -> None:
        self._queue = queue

    @property
    def queue(self) -> BaseQueue:
        """The queue of commands that name none."""
        return queues[settings.queue_name] if self._queue is None else self._queue

    def enqueue(self, command: Command) -> Result:
        """Send ``command`` and answer a handle at once.

        Inside ``transaction.atomic()`` it counts only if the transaction commits: on the queue's
        own database it is part of it, otherwise it is sent when it has committed; what fails then
        is logged and told by the signal ``command_lost``. Raises ``EnqueueError``, or ``BackendError``
        if the backend fails; then nothing was sent, except that after ``BackendUnavailable`` it may
        have been.
        """
        queue = self._queue_of(command)
        if settings.QUEUE_EAGER:
            return self._run_now(command, queue)
        parcel = _parcel(command, queue)
        send(queue, [parcel])
        return _result(parcel.message)

    def enqueue_many(self, commands: Iterable[Command]) -> list[Result]:
        """Send all of ``commands``, each queue's in one round trip, and answer a handle for each.

        As ``enqueue``. When one of them cannot be sent at all, none is; after ``BackendError`` some
        may have been.
        """
        chosen = ((command, self._queue_of(command)) for command in commands)
        if settings.QUEUE_EAGER:
            return [self._run_now(command, queue) for command, queue in list(chosen)]
        results: list[Result] = []
        by_queue: defaultdict[BaseQueue, list[Parcel]] = defaultdict(list)
        for command, queue in chosen:
            parcel = _parcel(command, queue)
            by_queue[queue].append(parcel)
            results.append(_result(parcel.message))
        for queue, parcels in by_queue.items():
            send(queue, parcels)
        return results

    def resend(self, message: Message) -> Result:
        """Send ``message`` again as it was, and return its handle: for what ``command_lost`` reported.

        It keeps its id, so a queue that lends passes it over while it is still there. To keep a
        message for later, store ``message.queue`` and ``codec.encode(message)``; ``codec.decode()``
        gives it back. Raises what ``enqueue`` raises, and ``UnknownCommand``.
        """
        own = self._queue
        queue = own if own is not None and own.name == message.queue else queues[message.queue]
        parcel = _sealed(message, codec.encode(message), registry.get_class(message.command))
        send(queue, [parcel])
        return _result(message)

    def dequeue(self) -> Command | None:
        """Take the next command off the queue, or None when there is none.

        It is gone from the queue at once: whoever calls this runs it, or it is lost. A consumer
        never does. Raises ``MessageError`` for a message that is not genuine or not known.
        """
        data = self.queue.read()
        if data is None:
            return None
        return registry.get_command_for_message(codec.decode(data, self.queue.name))

    def flush(self) -> None:
        """Forget everything on the queue."""
        self.queue.flush()

    def __len__(self) -> int:
        return len(self.queue)

    def __bool__(self) -> bool:
        return True

    def _queue_of(self, command: Command) -> BaseQueue:
        _check_own_options(command)
        return queues[command.queue_name] if command.queue_name else self.queue

    def _run_now(self, command: Command, queue: BaseQueue) -> Result:
        message, data = _packed(command, queue)
        Executor(queue.name).run(codec.decode(data, queue.name))
        return _result(message)


def pack(command: Command, queue: BaseQueue) -> Parcel:
    """Return ``command`` ready to be sent to ``queue``; raise what ``Invoker.enqueue`` raises if it cannot be."""
    _check_own_options(command)
    return _parcel(command, queue)


def _check_own_options(command: Command) -> None:
    own = vars(command)
    if not own.keys().isdisjoint(CALLED):
        given = {name: own[name] for name in CALLED if own.get(name) is not None}
        check_options(given, CALLED, f"this '{command.name}'")


def _parcel(command: Command, queue: BaseQueue) -> Parcel:
    """Answer ``command`` as it travels to ``queue``; ``EnqueueError`` if it cannot."""
    if command.priority and not queue.supports_priority:
        raise UnsupportedOption(
            f"{type(queue).__name__} has no priorities; nothing was sent. Leave priority out, or "
            f"send the command to another queue."
        )
    if command.atomic:
        _refuse_elsewhere(command, queue)
    message, data = _packed(command, queue)
    return _sealed(message, data, type(command))


def _refuse_elsewhere(command: Command, queue: BaseQueue) -> None:
    """Raise ``UnsupportedOption`` unless ``queue`` is in the database that the atomic ``command`` writes to."""
    if (ours := queue.project_alias) is None:
        raise UnsupportedOption(
            f"{type(queue).__name__} is in no database, so '{command.name}' cannot be atomic; nothing "
            f"was sent. Use DatabaseQueue, or leave atomic out."
        )
    alias = command.atomic if isinstance(command.atomic, str) else ours
    if queue.through(alias) is None:
        raise UnsupportedOption(
            f"'{command.name}' cannot be atomic: it writes to the database '{alias}', and the queue "
            f"'{queue.name}' is in another one, '{queue.transaction_alias}'; nothing was sent. If it writes to "
            f"that one, declare it with atomic='{queue.transaction_alias}'; else move the queue, or leave "
            f"atomic out."
        )


def _sealed(message: Message, data: bytes, command_class: type[Command]) -> Parcel:
    delay = max(0.0, message.eta - time.time()) if message.eta else 0.0
    return Parcel(Envelope(message.id, data, delay, message.priority), message, command_class)


def _packed(command: Command, queue: BaseQueue) -> tuple[Message, bytes]:
    """Answer the message that asks for ``command``, and its bytes."""
    message = registry.get_message_for_command(command, queue.name)
    data = codec.encode(message)
    limit = settings.QUEUE_MAX_MESSAGE_SIZE
    if len(data) > limit:
        raise MessageTooLarge(
            f"The message for '{command.name}' has {len(data)} bytes, QUEUE_MAX_MESSAGE_SIZE is "
            f"{limit}; nothing was sent. Store the data and pass a reference to it."
        )
    return message, data


def _result(message: Message) -> Result:
    return Result(*message[:3])


invoker = Invoker()


def __getattr__(name: str) -> Any:
    """Answer ``queue_name``, which 2011 read at import and we read when asked."""
    if name == "queue_name":
        return settings.queue_name
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
