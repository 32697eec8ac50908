"""Commands at the top level of a module, where a consumer would find them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connection, connections, transaction

from djutils.queue.current import current_message
from djutils.queue.decorators import crontab, periodic_command, queue_command
from djutils.queue.exceptions import Postpone, Reject, Retry, TimeLimitExceeded
from djutils.queue.queue import PeriodicQueueCommand, QueueCommand
from tests.project.app.models import Note

ran: list[Any] = []
"""What ran, in order; the fixture ``nothing_ran`` empties it."""

gates: dict[str, threading.Event] = {}
"""What ``hold`` waits for."""


@queue_command
def record(value: Any, *, times: int = 1) -> Any:
    """Remember the value.

    And return it.
    """
    ran.extend([value] * times)
    return value


@queue_command
async def record_later(value: Any) -> str:
    """Remember the value, in a coroutine."""
    ran.append(value)
    return f"later {value}"


@queue_command
async def copy_notes() -> None:
    """Write again what is in the database."""
    async for note in Note.objects.all():
        await Note.objects.acreate(text=f"copy of {note.text}")


@queue_command
async def note_later(text: str) -> None:
    """Write into the database from a coroutine, and remember the connection."""
    await Note.objects.acreate(text=text)
    ran.append(await sync_to_async(lambda: connections["default"])())


@queue_command
def mutate(items: list[Any]) -> list[Any]:
    """Change the argument in place."""
    items.append("changed")
    ran.append(items)
    return items


@queue_command(max_attempts=3, backoff=(10.0, 15.0))
def fail(exception: Any = None) -> None:
    """Raise what was passed: an instance, or what a class makes."""
    raise exception or ValueError("it failed")


@queue_command(max_attempts=3, backoff=(10.0, 15.0))
def ask_again(delay: Any = None) -> None:
    raise Retry("not yet", delay=delay)


@queue_command(max_attempts=1)
def not_now(delay: Any) -> None:
    ran.append("asked")
    raise Postpone(delay, "the shop is closed")


@queue_command
def refuse(why: str) -> None:
    raise Reject(why)


@queue_command(max_attempts=3, backoff=0)
def fail_at_first(value: Any) -> None:
    """Fail the first time only."""
    ran.append(value)
    if ran.count(value) == 1:
        raise ValueError("the first time")


@queue_command
def hold(gate: str) -> None:
    """Run until the gate is opened."""
    ran.append(f"{gate} begins")
    if not gates[gate].wait(10):
        raise TimeoutError(gate)
    ran.append(f"{gate} ends")


@queue_command(time_limit=(0.05, 0.2))
def spin(seconds: float) -> None:
    """Be busy in Python."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


@queue_command(time_limit=(0.05, 0.2))
async def spin_later(seconds: float) -> None:
    """Wait in a coroutine."""
    await asyncio.sleep(seconds)


@queue_command(time_limit=0.05)
def spin_and_go_on(seconds: float) -> None:
    """Be busy, and tidy up when told that it takes too long."""
    try:
        spin.call(seconds)
    except TimeLimitExceeded:
        ran.append("tidied up")


@queue_command(atomic=True)
def note_atomically(
    text: str, *, then: Any = None, hook: Any = None, statement: str = "", rollback: bool = False
) -> None:
    """Write into the database, then do something else."""
    Note.objects.create(text=text)
    if statement:
        with connection.cursor() as cursor:
            cursor.execute(statement)
    if hook is not None:
        transaction.on_commit(lambda: fail.call(hook))
    if rollback:
        transaction.set_rollback(True)
    if then is not None:
        raise then


@queue_command
def look_at_myself() -> None:
    """Remember what the command can see of its message."""
    message = current_message()
    assert message is not None
    facts = (message.id, message.queue_name, message.attempt, message.fencing_token, message.still_ours())
    ran.append(facts)


def broken_backoff(attempt: int) -> float:
    raise ZeroDivisionError(attempt)


@queue_command(backoff=broken_backoff)
def fail_with_a_broken_backoff() -> None:
    raise ValueError("the command's own error")


@queue_command(queue_name="unit.other", priority=7)
def elsewhere(value: Any) -> None:
    ran.append(value)


class Greeting(QueueCommand):
    """The way of 2011."""

    def execute(self) -> str:
        ran.append(self.data)
        return f"hello {self.data}"


@periodic_command(crontab(month=2, day=29, hour=3, minute="7,8"))
def leap() -> str:
    """Run twice in four years."""
    ran.append("leap")
    return "leapt"


class LeapClass(PeriodicQueueCommand):
    def validate_datetime(self, when: datetime) -> bool:
        return (when.month, when.day, when.hour, when.minute) == (2, 29, 3, 7)

    def execute(self) -> None:
        ran.append("leap class")


class LeapError(PeriodicQueueCommand):
    def validate_datetime(self, when: datetime) -> bool:
        if (when.month, when.day) == (2, 29):
            raise ZeroDivisionError
        return False

    def execute(self) -> None:
        ran.append("never")


class Unspeakable(Exception):
    """Has no text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str]]:
        return open, (self.path, "w")


class Spoilt:
    """Is pickled well and cannot be unpickled."""

    def __getstate__(self) -> dict[str, int]:
        return {"a": 1}

    def __setstate__(self, state: dict[str, int]) -> None:
        raise LookupError("the class has changed")


class Unpicklable:
    def __reduce__(self) -> str:
        raise TypeError("not this one")
