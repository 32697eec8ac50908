"""Commands, and the invoker, which puts them on a queue and takes them off."""

from __future__ import annotations

from asyncio import _get_running_loop
from collections import defaultdict
from collections.abc import AsyncIterable, Iterable
from datetime import datetime
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.core.exceptions import SynchronousOnlyOperation
from django.utils import timezone

from . import codec
from .backends import queues
from .backends.base import BaseQueue
from .command import Command
from .conf import settings
from .declaring import PeriodicQueueCommand, QueueCommand
from .direct import run_next
from .eager import run_here
from .event_loops import check_caller, explain, refuse_coroutine
from .exceptions import NotPicklable, QueueException
from .message import Message, make
from .pauser import Pauser
from .reading import searched_queues
from .registry import registry
from .results import Result, find
from .schedule import is_due
from .sending import pack, seal, send
from .sending_unique import send_unique
from .shipment import Parcel
from .uniqueness import KeyedParcel

__all__ = [
    "Invoker",
    "PeriodicQueueCommand",
    "QueueCommand",
    "QueueException",
    "invoker",
    "queue_name",  # noqa: F822  (a module-level __getattr__ provides it)
    "queues",
    "registry",
]


class Invoker(Pauser):
    """Puts commands on a queue, and runs the next one from it.

    Without a ``queue`` it uses the project's default queue, looked up when needed.
    """

    def __init__(self, queue: BaseQueue | None = None) -> None:
        self._queue = queue

    @property
    def queue(self) -> BaseQueue:
        """The queue for commands that do not name one."""
        return self._queue_named(None)

    def enqueue(self, command: Command) -> Result:
        """Send ``command`` and return a handle at once.

        Inside ``transaction.atomic()`` it counts only if the transaction commits: on the queue's
        own database it is part of it, otherwise it is sent when it has committed; what fails then
        is logged and told by the signal ``command_lost``. Raises ``EnqueueError``, also for a coroutine
        that calls this on a queue in a database, or ``BackendError`` if the backend fails; then nothing
        was sent, except that after ``BackendUnavailable`` it may have been.
        """
        queue = self._queue_named(command.queue_name)
        if settings.QUEUE_EAGER:
            return run_here(queue, pack(command, queue, runs_here=True))
        try:
            if _get_running_loop() is not None:
                check_caller(queue)
            parcel = pack(command, queue)
            if isinstance(parcel, KeyedParcel):
                return self._told_where(send_unique(queue, parcel), queue)
            send(queue, [parcel])
        except (SynchronousOnlyOperation, NotPicklable) as error:
            explain(error, command, "invoker.enqueue(command)", "await invoker.aenqueue(command)")
        return self._told_where(_result(parcel.message), queue)

    async def aenqueue(self, command: Command) -> Result:
        """Send ``command`` from a coroutine, on any queue; results and errors as for ``enqueue``.

        It is sent in the thread in which ``sync_to_async`` uses the database, so what is said of
        transactions holds. A coroutine that is cancelled while it waits has sent all of it or nothing.
        """
        return await sync_to_async(self.enqueue, thread_sensitive=True)(command)

    def enqueue_many(self, commands: Iterable[Command]) -> list[Result]:
        """Send all of ``commands``, each queue's in one round trip, and return a handle for each.

        As ``enqueue``. When one of them cannot be sent at all, none is; after ``BackendError`` some
        may have been. Those with a key are sent one by one, after the others; after ``Duplicate`` those before it were sent.
        """
        if settings.QUEUE_EAGER:
            found = [(self._queue_named(one.queue_name), one) for one in commands]
            parcels = [(queue, pack(one, queue, runs_here=True)) for queue, one in found]
            return [run_here(*parcel) for parcel in parcels]
        by_queue: defaultdict[BaseQueue, list[Parcel]] = defaultdict(list)
        results: list[Result] = []
        with_keys: list[tuple[int, BaseQueue, KeyedParcel]] = []
        queue, name = None, None
        try:
            for command in commands:
                if queue is None or command.queue_name != name:
                    name = command.queue_name
                    queue = self._queue_named(name)
                    check_caller(queue)
                parcel = pack(command, queue)
                if isinstance(parcel, KeyedParcel):
                    with_keys.append((len(results), queue, parcel))
                else:
                    by_queue[queue].append(parcel)
                results.append(make(Result, parcel.message[:3]))
            for queue, packed in by_queue.items():
                send(queue, packed)
            for place, queue, keyed in with_keys:
                results[place] = send_unique(queue, keyed)
        except (SynchronousOnlyOperation, NotPicklable) as error:
            explain(error, None, "invoker.enqueue_many(commands)", "await invoker.aenqueue_many(commands)")
        return results

    async def aenqueue_many(self, commands: Iterable[Command] | AsyncIterable[Command]) -> list[Result]:
        """Send all of ``commands`` from a coroutine, on any queue; results and errors as for ``enqueue_many``.

        An iterable is read where it may use the database. An asynchronous one is read to its end
        before anything is sent. Transactions and cancellation are as for ``aenqueue``.
        """
        if isinstance(commands, AsyncIterable):
            commands = [command async for command in commands]
        return await sync_to_async(self.enqueue_many, thread_sensitive=True)(commands)

    def resend(self, message: Message) -> Result:
        """Send ``message`` again as it was, and return its handle: for what ``command_lost`` reported.

        It keeps its id, so a queue with leases ignores it while it is still there. To keep a
        message for later, store ``message.queue`` and ``codec.encode(message)``; ``codec.decode()``
        restores it. Raises what ``enqueue`` raises, and ``UnknownCommand``.
        """
        queue = self._queue_called(message.queue)
        parcel = seal(message, codec.encode(message), registry.get_class(message.command))
        try:
            check_caller(queue)
            send(queue, [parcel])
        except SynchronousOnlyOperation as error:
            explain(error, None, "invoker.resend(message)", "await sync_to_async(invoker.resend)(message)")
        return _result(message)

    def result(self, id: str, queue_name: str | None = None) -> Result:
        """Return what has become of the call with this ``id``, from any process.

        Every queue that the project knows is searched, or only the one that is named. Raises ``ResultNotFound``,
        ``ResultNotKept``, ``InvalidMessage`` for a record that this site has not signed, and ``BackendError``.
        """
        return find(id, self._queue, [queue_name] if queue_name else searched_queues())

    async def aresult(self, id: str, queue_name: str | None = None) -> Result:
        """As ``result``, from a coroutine."""
        return await sync_to_async(self.result)(id, queue_name)

    def dequeue(self) -> Result | None:
        """Take the next command off the queue, run it here and return its handle; None if there is none.

        As in 2011, what the command raises comes out, and it is not tried again: it becomes a dead
        letter. The same holds for a message that is not genuine or not known (``MessageError``). If this
        process is killed meanwhile, a queue that lends hands the message to a consumer after the lease,
        and one of four methods has lost it. No one beats for the lease: where consumers run beside,
        a command that takes longer than 30 s may run a second time; one with ``atomic=True`` takes effect once,
        and ``OwnerLost`` is raised if another worker has taken it over.
        """
        queue = self.queue
        refuse_coroutine(queue, "await sync_to_async(invoker.dequeue)()")
        message = run_next(queue)
        return None if message is None else _result(message)

    def enqueue_periodic_commands(self, dt: datetime | None = None) -> list[Result]:
        """Enqueue each periodic command that is due at ``dt``, and return a handle for each.

        ``dt`` is the local time, by default now. Consumers do this by themselves, once a minute; this
        is for a site that has none, and each call enqueues again.
        """
        refuse_coroutine(self.queue, "await sync_to_async(invoker.enqueue_periodic_commands)()")
        moment = dt or (timezone.localtime() if django_settings.USE_TZ else timezone.now())
        return [
            self.enqueue(command) for command in registry.get_periodic_commands() if is_due(command, moment)
        ]

    def flush(self) -> None:
        """Delete everything on the queue."""
        refuse_coroutine(self.queue, "await sync_to_async(invoker.flush)()")
        self.queue.flush()

    def __len__(self) -> int:
        refuse_coroutine(self.queue, "await sync_to_async(len)(invoker)")
        return len(self.queue)

    def __bool__(self) -> bool:
        return True

    def _queue_called(self, name: str | None) -> BaseQueue:
        """Return the invoker's own queue if that is its name or there is none, otherwise the project's of this name."""
        return self.queue if name in {None, self.queue.name} else queues[str(name)]

    def _told_where(self, result: Result, queue: BaseQueue) -> Result:
        if self._queue is queue:
            result._queue = queue
        return result

    def _queue_named(self, name: str | None) -> BaseQueue:
        """Return the queue that a command names; the invoker's own, or the project's default, if it names none."""
        if name or self._queue is None:
            return queues[name or settings.queue_name]
        return self._queue


def _result(message: Message) -> Result:
    return make(Result, message[:3])


invoker = Invoker()


def __getattr__(name: str) -> Any:
    """Return ``queue_name``, which 2011 read at import and which is now read on access."""
    if name == "queue_name":
        return settings.queue_name
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
