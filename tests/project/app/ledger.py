"""Commands that write to databases which are set up in other ways than most."""

from __future__ import annotations

from time import sleep

from django.db import transaction

from djutils.queue.decorators import queue_command

from .models import Note


@queue_command(max_attempts=1)
def enter(text: str, *aliases: str, pause: float = 0.0) -> None:
    """Leave a line in the default database, or in each of ``aliases``, and hold on to the connection."""
    for alias in aliases or ("default",):
        Note.objects.using(alias).create(text=text)
    sleep(pause)


@queue_command(max_attempts=1)
async def enter_later(text: str, alias: str = "default") -> None:
    """Leave a line in a database, in a coroutine."""
    await Note.objects.using(alias).acreate(text=text)


@queue_command(max_attempts=1)
def enter_in_a_block(text: str, alias: str = "default") -> None:
    """Leave a line in a database, in a transaction of the command's own."""
    with transaction.atomic(using=alias):
        Note.objects.using(alias).create(text=text)


@queue_command(max_attempts=1)
def call_to_enter(text: str) -> None:
    """Call another command, and use no database otherwise."""
    enter(text)


@queue_command
def enter_and_leave_it_open(text: str) -> None:
    """Leave a line that counts only where autocommit is on."""
    Note.objects.create(text=text)


@queue_command
def enter_and_commit(text: str) -> None:
    """Leave a line where autocommit is off."""
    Note.objects.create(text=text)
    transaction.commit()


@queue_command(max_attempts=1, atomic=True)
def enter_atomically(text: str, alias: str = "default") -> None:
    """Leave a line that counts when the message is acknowledged, and only then."""
    Note.objects.using(alias).create(text=text)


@queue_command(max_attempts=3, backoff=0.01, atomic=True)
def enter_and_stumble(text: str) -> None:
    """Leave a line that must not count, because the command fails."""
    Note.objects.create(text=text)
    raise LookupError("it failed after it wrote")


@queue_command(max_attempts=3, backoff=0.01, atomic=True)
def enter_with_a_hook_that_fails(text: str) -> None:
    """Leave a line that counts; what is to happen at its commit fails."""
    Note.objects.create(text=text)
    transaction.on_commit(_fail_at_commit)


def _fail_at_commit() -> None:
    raise LookupError("the hook failed")


@queue_command(max_attempts=2, backoff=0.01, atomic="direct")
def enter_directly(text: str) -> None:
    """Leave a line in the database of the alias 'direct'."""
    Note.objects.using("direct").create(text=text)
