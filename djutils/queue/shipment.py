"""Calls that wait for a commit: they are sent once all transactions that were open have committed, or reported as lost."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import NamedTuple

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from .backends.base import BaseQueue
from .command import Command
from .exceptions import TimeLimitExceeded
from .message import Envelope, Lane, Message
from .signals import command_lost

# Where operators expect these lines: docs/how-to/monitor-and-alert.rst.
logger = logging.getLogger("djutils.queue.sending")


class Parcel(NamedTuple):
    """One call, ready to be sent, with the facts for receivers of the signal."""

    envelope: Envelope
    message: Message
    command_class: type[Command]


class LanedParcel(Parcel):
    """A call that waits in a lane until it is admitted."""

    lane: Lane


Send = Callable[[BaseQueue, list[Parcel]], None]
"""Sends parcels; after an error, those left in the list were not sent, or may not have been."""


class Shipment:
    """Parcels for one queue; calling it sends them once."""

    def __init__(self, queue: BaseQueue, parcels: list[Parcel], aliases: Collection[str], send: Send) -> None:
        self.queue = queue
        self.parcels = parcels
        self._open = set(aliases)
        self.send = send

    def committed(self, alias: str) -> None:
        """Send the parcels if the transaction of ``alias`` was the last one they waited for."""
        self._open.discard(alias)
        if not self._open:
            self()

    def __call__(self) -> None:
        """Send the parcels now that their transaction has committed.

        Errors are logged and not raised: the data are committed, and the project's own
        hooks for this commit must still run.
        """
        parcels, self.parcels = self.parcels, []
        try:
            self.send(self.queue, parcels)
        except BaseException as error:
            _report_lost(self.queue, parcels, error)
            # An exception that ends the caller from outside must not be swallowed.
            if not isinstance(error, Exception) or isinstance(error, TimeLimitExceeded):
                raise


def send_after(aliases: list[str], queue: BaseQueue, parcels: list[Parcel], send: Send) -> None:
    """Have ``send`` called with ``queue`` and ``parcels`` once the open transactions of ``aliases`` have committed."""
    if len(aliases) == 1 and _joins(aliases[0], queue, parcels, send):
        return
    shipment = Shipment(queue, parcels, aliases, send)
    if len(aliases) == 1:
        transaction.on_commit(shipment, using=aliases[0])
        return
    for alias in aliases:
        transaction.on_commit(partial(shipment.committed, alias), using=alias)


def _joins(alias: str, queue: BaseQueue, parcels: list[Parcel], send: Send) -> bool:
    """Add ``parcels`` to those of the previous call, if nothing else happens between them."""
    connection = connections[alias]
    if not connection.run_on_commit or _is_of_a_test(connection):
        return False
    savepoints, last, *_ = connection.run_on_commit[-1]
    # Not across a savepoint: what was called inside it is rolled back with it.
    if savepoints != set(connection.savepoint_ids):
        return False
    if not isinstance(last, Shipment) or last.queue is not queue or last.send is not send:
        return False
    last.parcels.extend(parcels)
    return True


def _is_of_a_test(connection: BaseDatabaseWrapper) -> bool:
    """Return whether a TestCase has opened this transaction: it captures hooks by their place in the list."""
    return bool(connection.atomic_blocks) and _is_opened_by_a_test(connection.atomic_blocks[0])


def is_only_of_a_test(connection: BaseDatabaseWrapper) -> bool:
    """Return whether nothing but Django's ``TestCase`` has opened the transactions of ``connection``."""
    return bool(connection.atomic_blocks) and _is_opened_by_a_test(connection.atomic_blocks[-1])


def _is_opened_by_a_test(block: object) -> bool:
    # They enclose the transactions that the project opens.
    return getattr(block, "_from_testcase", False)


def _report_lost(queue: BaseQueue, parcels: Sequence[Parcel], error: BaseException) -> None:
    """Log each command that did not reach ``queue``, without its arguments, and pass its message to the receivers."""
    for number, (_, message, command_class) in enumerate(parcels):
        logger.error(
            "%s %s is lost: its transaction has committed, but the queue '%s' did not take it (%s: %s). "
            "Call the command again; a receiver of the signal command_lost is given its message, which "
            "invoker.resend() sends again.",
            message.id,
            message.command,
            queue.name,
            type(error).__name__,
            error,
            exc_info=None if number else error,
        )
        command_lost.send_robust(sender=command_class, message=message, exception=error)
