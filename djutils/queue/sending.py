"""When what was called is sent: at once, or together when the transaction around it has committed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from .backends.base import BaseQueue, LeasedQueue
from .command import Command
from .message import Envelope, Message
from .signals import command_enqueued


class Parcel(NamedTuple):
    """One call, ready to be sent, and what receivers of the signal are told of it."""

    envelope: Envelope
    message: Message
    command_class: type[Command]


class Shipment:
    """Parcels for one queue; calling it sends them."""

    def __init__(self, queue: BaseQueue, parcels: Sequence[Parcel]) -> None:
        self.queue = queue
        self.parcels = list(parcels)

    def __call__(self) -> None:
        _send_now(self.queue, self.parcels)


def send(queue: BaseQueue, parcels: Sequence[Parcel]) -> None:
    """Send ``parcels`` when every open transaction has committed; never if one does not.

    A transaction that the queue takes part in does not count: there they are sent at once.
    """
    opened = _open_transactions(queue.transaction_alias)
    if not opened:
        _send_now(queue, parcels)
    elif len(opened) > 1 or not _joins(opened[0], queue, parcels):
        _send_after(opened, Shipment(queue, parcels))


def _send_now(queue: BaseQueue, parcels: Sequence[Parcel]) -> None:
    if isinstance(queue, LeasedQueue):
        queue.send([parcel.envelope for parcel in parcels])
    else:
        for parcel in parcels:
            queue.write(parcel.envelope.data)
    if command_enqueued.receivers:
        for _, message, command_class in parcels:
            command_enqueued.send_robust(sender=command_class, message=message)


def _open_transactions(own: str | None) -> list[str]:
    """Answer the aliases with an open transaction that a send does not take part in by itself."""
    if connections.settings.keys() <= {own}:
        return []
    # Only those that are in use: the driver of another one need not even be installed here.
    used = connections.all(initialized_only=True)
    return [connection.alias for connection in used if connection.in_atomic_block and connection.alias != own]


def _joins(alias: str, queue: BaseQueue, parcels: Sequence[Parcel]) -> bool:
    """Put ``parcels`` to those of the call before, if nothing else is to happen between them."""
    connection = connections[alias]
    if not connection.run_on_commit or _is_of_a_test(connection):
        return False
    savepoints, last, *_ = connection.run_on_commit[-1]
    # Not across a savepoint: what was called inside it is rolled back with it.
    if savepoints != set(connection.savepoint_ids):
        return False
    if not isinstance(last, Shipment) or last.queue is not queue:
        return False
    last.parcels.extend(parcels)
    return True


def _is_of_a_test(connection: BaseDatabaseWrapper) -> bool:
    """Is this the transaction of a TestCase? It captures hooks by their place in the list."""
    return any(getattr(block, "_from_testcase", False) for block in connection.atomic_blocks)


def _send_after(aliases: list[str], shipment: Shipment) -> None:
    if len(aliases) == 1:
        transaction.on_commit(shipment, using=aliases[0])
        return
    open_ones = set(aliases)

    def committed(alias: str) -> None:
        open_ones.discard(alias)
        if not open_ones:
            shipment()

    for alias in aliases:
        transaction.on_commit(partial(committed, alias), using=alias)
