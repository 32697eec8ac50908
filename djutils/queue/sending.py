"""The only way from a command to a backend: check it, sign it, and send it at once or after a commit."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

from django.core.signals import setting_changed
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from . import codec
from .backends.base import BaseQueue
from .backends.memory import MemoryQueue
from .chain import CALLED, chain_of, pass_through, refuse_idle_options
from .command import Command
from .command_options import check_options
from .conf import settings
from .event_loops import apart
from .exceptions import EnqueueError, MessageTooLarge
from .message import Envelope, Message, make
from .middleware.base import Middleware
from .middleware.limits import is_limited, refuse_limits
from .refusals import refuse_elsewhere, refuse_priority, refuse_result
from .registry import registry
from .shipment import LanedParcel, Parcel, is_only_of_a_test, send_after
from .signals import command_enqueued
from .uniqueness import with_key


def pack(command: Command, queue: BaseQueue, *, runs_here: bool = False, id: str = "") -> Parcel:
    """Return ``command`` ready to be sent to ``queue``; raise ``EnqueueError`` or ``InvalidCommand`` if it cannot be sent.

    What ``runs_here``, in eager mode, no consumer has to find, and it may be atomic although a MemoryQueue,
    which tests put in the place of the project's own, is in no database. ``id`` is that of the message, by default a
    new one.
    """
    command_class = type(command)
    sent, encode, limit, has_key, has_lane = _constants(command_class, command.name, queue.name)  # type: ignore[arg-type]  # a class is hashable
    if command.priority and not queue.supports_priority:
        refuse_priority(queue)
    if command.atomic and not (runs_here and isinstance(queue, MemoryQueue)):
        refuse_elsewhere(command, queue)
    if command_class.result and queue.results is None:
        refuse_result(command, queue)
    if has_lane and not runs_here:
        refuse_limits(command, queue)
    if not runs_here and command_class not in registry.findable:
        registry.refuse_unfindable(command_class, queue)
    own = vars(command)
    if len(own) > 1 or "data" not in own:  # it may have options
        given = {name: own[name] for name in CALLED if own.get(name) is not None}
        check_options(given, CALLED, f"this '{command.name}'")
        sent = chain_of(command_class, carries=True).sent
        refuse_idle_options(command)
        has_key = has_key or command.idempotency_key is not None
    message = registry.get_message_for_command(command, queue.name)
    if id:
        message = message._replace(id=id)
    if sent:
        message = pass_through(sent, command, message)
    data = encode(message)
    if len(data) > limit:
        raise MessageTooLarge(
            f"The message for '{command.name}' has {len(data)} bytes, QUEUE_MAX_MESSAGE_SIZE is "
            f"{limit}; nothing was sent. Store the data and pass a reference to it."
        )
    parcel = seal(message, data, command_class)
    return with_key(parcel, command, queue) if has_key else parcel


@lru_cache(maxsize=1024)
def _constants(
    command_class: type[Command], name: str, queue: str
) -> tuple[tuple[Middleware, ...], Callable[[Message], bytes], int, bool, bool]:
    """Return what is the same for all calls of a command on a queue: middleware, encoder, size limit, if it is unique, or limited."""
    encode, is_unique = codec.encoder(name, queue), command_class.unique is not None
    limit = settings.QUEUE_MAX_MESSAGE_SIZE
    return chain_of(command_class).sent, encode, limit, is_unique, is_limited(command_class)


def _forget(**kwargs: Any) -> None:
    _constants.cache_clear()


setting_changed.connect(_forget)


def seal(message: Message, data: bytes, command_class: type[Command]) -> Parcel:
    """Return a signed message with the metadata that a backend may use."""
    delay = max(0.0, message.eta - time.time()) if message.eta else 0.0
    envelope = make(Envelope, (message.id, data, delay, message.priority))
    parts = (envelope, message, command_class)
    if message.extras_json and (lane := message.lane):
        parcel = make(LanedParcel, parts)
        parcel.lane = lane
        return parcel
    return make(Parcel, parts)


def send(queue: BaseQueue, parcels: list[Parcel]) -> None:
    """Send ``parcels`` when every open transaction has committed; never if one is rolled back.

    A transaction that the queue takes part in does not count: there they are sent at once. Nor do those
    that Django's ``TestCase`` opens around a test, which never commit.
    """
    opened = open_transactions(queue.transaction_alias)
    if opened:
        send_after(opened, queue, parcels, _send_now)
    else:
        _send_now(queue, parcels)


def _send_now(queue: BaseQueue, parcels: list[Parcel]) -> None:
    """Send ``parcels``; after an error, those left in the list were not sent, or may not have been."""
    if queue.supports_leases:  # it takes all or none
        plain = [parcel.envelope for parcel in parcels if type(parcel) is Parcel]
        if plain:
            queue.send(plain)
        if len(plain) < len(parcels):
            announce([parcel for parcel in parcels if type(parcel) is Parcel])
            parcels[:] = [parcel for parcel in parcels if type(parcel) is not Parcel]
            queue.send_in_lanes([(parcel.envelope, parcel.lane) for parcel in parcels])  # type: ignore[attr-defined]  # each has one
        announce(parcels)
        return
    sent = 0
    try:
        for parcel in parcels:
            queue.send([parcel.envelope])
            sent += 1
    finally:
        announce(parcels[:sent])
        del parcels[:sent]


def announce(parcels: Sequence[Parcel]) -> None:
    """Send the signal ``command_enqueued`` for each of ``parcels``."""
    if command_enqueued.receivers:
        # A signal cannot call its asynchronous receivers where an event loop runs.
        apart(partial(_tell, parcels))


def _tell(parcels: Sequence[Parcel]) -> None:
    for _, message, command_class in parcels:
        command_enqueued.send_robust(sender=command_class, message=message)


def open_transactions(own: str | None, *, with_own: bool = False) -> list[str]:
    """Return the aliases with an open transaction that a send does not take part in; ``with_own`` it takes part in none.

    Raises ``EnqueueError`` for a transaction that Django does not manage: no hook is called when it commits.
    """
    opened = []
    # What connections.all(initialized_only=True) looks up twice. Only connections in use: the driver of another
    # one need not even be installed here.
    in_use = connections._connections  # type: ignore[attr-defined]
    for alias in connections.settings:
        connection = None if alias == own and not with_own else getattr(in_use, alias, None)
        if connection is None:
            continue
        if _is_managed_by_hand(connection):
            raise EnqueueError(
                f"The connection '{connection.alias}' has an open transaction and autocommit is off, so "
                f"Django does not say when it commits, and the command cannot be sent then; nothing was "
                f"sent. Commit first, or leave autocommit on and use transaction.atomic()"
                f"{'' if alias == own else ', or keep the queue in that database'}."
            )
        if connection.in_atomic_block and not is_only_of_a_test(connection):
            opened.append(connection.alias)
    return opened


def _is_managed_by_hand(connection: BaseDatabaseWrapper) -> bool:
    """Return whether a transaction may be open that no ``atomic()`` will commit."""
    if connection.in_atomic_block:
        return not connection.commit_on_exit
    raw = connection.connection
    if raw is None or connection.autocommit:
        return False
    if connection.vendor == "postgresql":
        return bool(raw.info.transaction_status)  # 0: idle
    # MySQL's drivers do not report this: there a transaction counts as open.
    return bool(getattr(raw, "in_transaction", True))
