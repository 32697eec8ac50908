"""What has become of a message: from the queue while it is there, from what is kept when it has ended.

The message counts first: as long as it waits or is lent, whatever was kept of it belongs to a run that is followed by
another.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from django.utils.module_loading import autodiscover_modules

from . import codec
from .backends.base import BaseQueue
from .command import Command
from .exceptions import InvalidMessage, MessageError, ResultNotFound, ResultNotKept, UnknownCommand
from .message import Message, Snapshot
from .record import Failure, Progress, Record, ResultStatus, attempt_name, unpack
from .registry import registry
from .stores.base import Store


class Live(NamedTuple):
    """What a consumer has published of a run that goes on."""

    started: float
    worker: str
    progress: Progress | None = None


class CallState(NamedTuple):
    """Everything that is known of one call."""

    status: ResultStatus
    command: str
    enqueued: float
    failed: tuple[Record, ...] = ()
    """The attempts that failed and were followed by others, the first one first."""
    last: Record | None = None
    """The run with which it ended."""
    live: Live | None = None
    """The run that goes on, if it has lasted for a second."""
    error: Failure | None = None
    """Why it became a dead letter, if that is all that is known."""
    message: Message | None = None
    died: datetime | None = None
    """When it became a dead letter, if that is all that is known."""


def running_key(owner: int) -> str:
    """Return the key under which a consumer publishes what the worker process ``owner`` is running."""
    return f"running {owner}"


def published(worker: str, running: Iterable[tuple[str, float, Progress | None]]) -> bytes:
    """Return what a consumer publishes: for each id since when it runs, in seconds since the epoch, and how far it is."""
    return json.dumps([worker, {id: [started, progress] for id, started, progress in running}]).encode()


def look(queue: BaseQueue, id: str) -> CallState:
    """Return what is known of the message ``id`` of ``queue``.

    Raises ``ResultNotFound`` if nothing is, ``ResultNotKept`` if its command keeps no results, ``InvalidMessage`` for
    a record that this site has not signed, and ``BackendError``.
    """
    store = queue.results
    if store is None:
        raise ResultNotKept(
            f"{type(queue).__name__} cannot show what waits or runs in it, so no results are kept there. Use "
            f"DatabaseQueue or RedisQueue."
        )
    # It also finds what only begins with the text.
    snapshot = next((one for one in queue.find(id, 1, data=True) if one.id == id), None)
    if snapshot is None or snapshot.state == "dead":
        # The second one is there while a call that waits is being cancelled.
        names = [id, attempt_name(id, 0)]
        kept = store.get(names)
        if name := next(filter(kept.__contains__, names), None):
            last = unpack(kept[name], name)
            if last.status == ResultStatus.RUNNING:
                live = Live(last.started, last.worker)
                return CallState(ResultStatus.RUNNING, last.command, last.enqueued, live=live)
            return CallState(
                ResultStatus(last.status),
                last.command,
                last.enqueued,
                failed_attempts(store, id, last.attempt),
                last,
            )
        if snapshot is None:
            raise ResultNotFound(f"There is neither a message nor a result {id} on '{queue.name}'. {_WHY}")
    return _of_message(queue, store, snapshot)


_WHY = "It was never sent, or rolled back with its transaction, or its result has expired, or its command keeps none."


def _of_message(queue: BaseQueue, store: Store, snapshot: Snapshot) -> CallState:
    """Return what a message tells that is still in the queue."""
    message = codec.decode(snapshot.data or b"", queue.name)
    refuse_keeping_none(message.command)
    failed = failed_attempts(store, snapshot.id, message.attempt + snapshot.attempts)
    status, live, error = ResultStatus.READY, None, None
    if snapshot.state == "dead":
        status, error = ResultStatus.FAILED, _of_dead_letter(snapshot.error)
    elif snapshot.owner is not None and (live := _live(queue, snapshot.owner, snapshot.id)):
        status = ResultStatus.RUNNING
    return CallState(
        status, message.command, message.created, failed, None, live, error, message, snapshot.died
    )


def refuse_keeping_none(command: str) -> None:
    """Raise ``ResultNotKept`` if the command of this name is known here and keeps no results."""
    with suppress(MessageError):
        if not class_of(command).keeps_results():
            raise ResultNotKept(
                f"'{command}' keeps no results, so nothing is known of its calls. Declare it with result=True, or set "
                f"QUEUE_RESULTS."
            )


def failed_attempts(store: Store, id: str, attempt: int) -> tuple[Record, ...]:
    """Return the attempts before ``attempt`` that are kept."""
    names = [attempt_name(id, number) for number in range(1, attempt)]
    found = store.get(names) if names else {}
    return tuple(unpack(found[name], name) for name in names if name in found)


def _live(queue: BaseQueue, owner: int, id: str) -> Live | None:
    """Return what was published of a message that is lent to ``owner``; lent is not running."""
    if queue.store is None:
        return None
    key = running_key(owner)
    # Any program may have written it, and it is only shown.
    with suppress(ValueError, TypeError, KeyError, LookupError):
        worker, running = json.loads(queue.store.get([key])[key])
        started, progress = running[id]
        return Live(float(started), str(worker), Progress(*progress) if progress else None)
    return None


def _of_dead_letter(error: str) -> Failure:
    headline, _, trace = error.partition("\n\n")
    path, _, text = headline.partition(": ")
    is_path = path.replace(".", "_").isidentifier() and trace
    return Failure(path if is_path else "", text if is_path else headline, trace)


def value_of(record: Record) -> Any:
    """Return what the command of ``record`` returned. Raises ``UnknownCommand`` or ``NotUnpicklable``."""
    return class_of(record.command).load_value(record.value)


def class_of(command: str) -> type[Command]:
    """Return the class of a command. Raises ``UnknownCommand``."""
    with suppress(UnknownCommand):
        return registry.get_class(command)
    _discover()
    return registry.get_class(command)


def searched_queues() -> list[str]:
    """Return the names of the queues on which a call may be whose queue is not known."""
    _discover()
    return registry.queue_names()


@cache
def _discover() -> None:
    """Import every ``commands.py``, once: a process that only reads has not done so yet."""
    with suppress(Exception):  # an error in one is reported by a consumer
        autodiscover_modules("commands")


def exception_of(record: Record) -> BaseException | None:
    """Return the exception that ended the run; None if it was not kept, or cannot be made here."""
    with suppress(MessageError, InvalidMessage):
        error = codec.load(record.value) if record.value else None
        if isinstance(error, BaseException):
            return error
    return None
