"""Commands that are acknowledged before they run, for the tests."""

from __future__ import annotations

from typing import Any

from djutils.queue import queue_command
from djutils.queue.current import current_message
from djutils.queue.queue import invoker
from tests.project.app.models import Note

from .commands_for_tests import ran


@queue_command(at_most_once=True)
def fire(value: Any) -> Any:
    """Remember the value, and whether the message is still there; raise it if it is an exception."""
    message = current_message()
    ran.append((value, message is not None and message.still_ours()))
    if isinstance(value, BaseException):
        raise value
    return value


@queue_command(at_most_once=True, result=True, discard_on=LookupError)
def fire_and_tell(value: Any) -> Any:
    return fire.call(value)


@queue_command(at_most_once=True)
async def fire_later(value: Any) -> None:
    ran.append(value)


@queue_command(at_most_once=True, result=True)
def look_at_result() -> None:
    """Remember what is known of this very run."""
    message = current_message()
    assert message is not None
    result = invoker.result(message.id)
    ran.append((result.status, result.is_finished, result.attempts, result.finished_at))


@queue_command(at_most_once=True, result=True)
def break_a_rule() -> None:
    ran.append("ran")
    first = Note.objects.create(text="first")
    Note(pk=first.pk, text="second").save(force_insert=True)
