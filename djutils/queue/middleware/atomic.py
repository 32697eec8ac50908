"""``@queue_command(atomic=True)``: the command's writes and its acknowledgement are one commit."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TypedDict

from django.db import connections, transaction

from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.command import Command
from djutils.queue.command_options import Option, is_name
from djutils.queue.current import Lease, running
from djutils.queue.exceptions import ConfigurationError, OwnerLost
from djutils.queue.keeping import kept_of_run
from djutils.queue.message import Message

from .base import Middleware

logger = logging.getLogger("djutils.queue.middleware.atomic")


class AtomicOptions(TypedDict, total=False):
    """The option of ``Atomic``."""

    atomic: Annotated[
        bool | str,
        Option(
            lambda value: isinstance(value, bool) or is_name(value),
            "True, False or the alias of the database it writes to",
        ),
    ]


class Atomic(Middleware):
    """Runs the command in a transaction of the database it writes to, and acks in the same transaction.

    Either both take effect or neither does, whatever is killed and whenever. Raises ``OwnerLost``, and
    rolls everything back, if the message was taken back meanwhile: another worker runs it. Raises
    ``ConfigurationError``, and runs nothing, if the queue is in another database.
    """

    options = AtomicOptions

    def applies_to(self, command_class: type[Command]) -> bool:
        return bool(command_class.atomic)

    def run(self, command: Command, message: Message) -> Iterator[None]:
        now = running.get()
        if now is None or now.lease is None:
            with transaction.atomic(using=command.atomic if isinstance(command.atomic, str) else None):
                yield
            return
        with _transaction(now.lease, command, message.id) as queue:
            yield
            if not _settle(queue, now.lease.owner, message.id):
                raise OwnerLost("It was taken back while it ran; what it did is rolled back.")


def _settle(queue: LeasedQueue, owner: int, id: str) -> set[str]:
    kept = kept_of_run()
    return queue.ack(owner, [id]) if kept is None else queue.finish(owner, kept.values, kept.ttl)


@contextmanager
def _transaction(lease: Lease, command: Command, id: str) -> Iterator[Any]:
    """Open a transaction and yield the queue as reached in it. Errors after its commit are only logged."""
    alias = command.atomic if isinstance(command.atomic, str) else lease.queue.project_alias
    queue = lease.queue.through(alias) if alias else None
    if alias is None or queue is None:
        raise ConfigurationError(
            f"'{command.name}' is atomic, and was not run: the queue '{lease.queue.name}' is not in the database "
            f"'{alias}' that it writes to. Name the right one, as in atomic='alias', or leave atomic out."
        )
    committed: list[str] = []
    connection = connections[alias]
    nested = connection.in_atomic_block
    by_hand = not (nested or connection.get_autocommit())
    if by_hand:
        # Checking the connection starts a transaction, inside which this cannot be changed.
        connection.close_if_health_check_failed()
        connection.rollback()
        connection.set_autocommit(True)
    try:
        with transaction.atomic(using=alias):
            if not nested:
                # The first hook of this transaction: any other hook runs, or fails, after it.
                transaction.on_commit(lambda: committed.append(id), using=alias)
            yield queue
        if not committed and not nested:
            raise transaction.TransactionManagementError(
                "It returned, but its transaction was rolled back (set_rollback): none of its writes were saved."
            )
    except BaseException:
        if not committed:
            raise
        logger.exception(
            "%s %s succeeded: it is committed and acknowledged. But one of its on_commit hooks failed, "
            "and those after it were not called.",
            id,
            command.name,
        )
    finally:
        if by_hand and connection.connection is not None:
            connection.set_autocommit(False)
