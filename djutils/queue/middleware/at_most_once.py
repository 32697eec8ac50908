"""``@queue_command(at_most_once=True)``: acknowledged before it runs, so that it never runs twice, and may be lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, TypedDict

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from djutils.queue.backends.border import border
from djutils.queue.command import Command
from djutils.queue.command_options import FLAG
from djutils.queue.current import Lease, begun_once, running
from djutils.queue.exceptions import BackendError, ConfigurationError, InvalidCommand, OwnerLost, Postpone
from djutils.queue.keeping import kept_of_begin
from djutils.queue.message import Message

from .base import Middleware

_AFTER_A_FAULT = 30.0
_EXCLUDED = ("atomic", "max_attempts", "backoff", "retry_on")


class AtMostOnceOptions(TypedDict, total=False):
    """The option of ``AtMostOnce``."""

    at_most_once: Annotated[bool, FLAG]


class AtMostOnce(Middleware):
    """Acknowledges the message, and then runs the command: whatever dies later, no worker has it to run again.

    Raises ``OwnerLost``, and runs nothing, if the message was taken back meanwhile: another worker runs it. Raises
    ``Postpone``, and runs nothing, if it is unknown whether the message is acknowledged: if it is, the call is lost.
    Raises ``ConfigurationError``, and runs nothing, inside a transaction, which could undo the acknowledgement.
    """

    options = AtMostOnceOptions

    def applies_to(self, command_class: type[Command]) -> bool:
        return command_class.at_most_once

    def run(self, command: Command, message: Message) -> Iterator[None]:
        now = running.get()
        if now is not None and now.lease is not None:
            _acknowledge(now.lease, command, message.id)
        # Reading from a queue with four methods has removed it.
        begun_once.set(True)
        yield


def refuse_retries(command_class: type[Command], where: str) -> None:
    """Raise ``InvalidCommand`` if a command of this class is to run at most once, and to be retried or atomic."""
    if not command_class.at_most_once:
        return
    # A backoff of 0 is one.
    given = [
        name
        for name in _EXCLUDED
        if (value := getattr(command_class, name)) is not None and value is not False
    ]
    if given:
        raise InvalidCommand(
            f"at_most_once and {', '.join(given)} of {where} exclude each other: a command that is acknowledged before it "
            f"runs cannot be retried, and what it writes cannot be one commit with its acknowledgement. Leave one of them out."
        )


def _acknowledge(lease: Lease, command: Command, id: str) -> None:
    queue, owner = lease.queue, lease.owner
    connection = connections[queue.transaction_alias] if queue.transaction_alias else None
    if connection is not None:
        _refuse_transaction(connection, command.name)
    kept = kept_of_begin(command)
    try:
        with border(queue):
            ours = queue.ack(owner, [id]) if kept is None else queue.finish(owner, kept.values, kept.ttl)
            if connection is not None and not (connection.in_atomic_block or connection.get_autocommit()):
                connection.commit()
    except BackendError as error:
        raise Postpone(_AFTER_A_FAULT, f"It could not be acknowledged, so it did not run: {error}") from error
    if not ours:
        raise OwnerLost("It was taken back before it began, and does not run here.")


def _refuse_transaction(connection: BaseDatabaseWrapper, name: str) -> None:
    """Raise ``ConfigurationError`` inside a transaction, but for that of a test, which undoes everything."""
    blocks = connection.atomic_blocks
    if connection.in_atomic_block and not (blocks and getattr(blocks[-1], "_from_testcase", False)):
        raise ConfigurationError(
            f"'{name}' is at_most_once, and was not run: a transaction is open on '{connection.alias}', perhaps of a "
            f"middleware, and could undo its acknowledgement. Let the command open a transaction itself."
        )
