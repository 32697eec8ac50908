"""Sending with a key: now, or after the caller's transaction, and never inside it.

Sending with a key locks it for a moment. In a transaction of the caller all others with that key would wait for its end,
however long it takes.
"""

from __future__ import annotations

import logging
from typing import Any

from .backends.base import BaseQueue
from .exceptions import Duplicate
from .message import make
from .results import Result
from .sending import announce, open_transactions
from .shipment import Parcel, send_after
from .uniqueness import KeyedParcel

logger = logging.getLogger("djutils.queue.sending")


def send_unique(queue: BaseQueue, parcel: KeyedParcel) -> Result:
    """Send ``parcel`` with its key when all open transactions have committed, and return the handle of what holds the key.

    Until then the handle has a separate id; afterwards that of the message that holds the key. Raises ``Duplicate`` if the
    command says so, unless a transaction is open: then a duplicate is logged instead.
    """
    opened = open_transactions(queue.transaction_alias, with_own=True)
    if opened:
        send_after(opened, queue, [parcel], _place_all)
        return handle(parcel)
    _place(queue, parcel)
    return accepted(queue, parcel)


def send_once(queue: BaseQueue, key: str, parcel: Parcel) -> bool:
    """Send ``parcel`` now, unless ``key`` was used on ``queue`` within the last day; return whether it was sent.

    Of any number of callers with one key, exactly one sends; a queue that keeps no keys accepts what every
    caller sends.
    """
    if not queue.send_once(key, parcel.envelope):
        return False
    announce([parcel])
    return True


def _place_all(queue: BaseQueue, parcels: list[Any]) -> None:
    while parcels:
        _place(queue, parcels[0])
        parcel = parcels.pop(0)
        if parcel.call_key.is_duplicate and parcel.call_key.on_duplicate == "raise":
            logger.warning("%s", _told(queue, parcel))


def _place(queue: Any, parcel: KeyedParcel) -> None:
    call_key = parcel.call_key
    replace = parcel.data_as if call_key.on_duplicate == "replace" else None
    call_key.placement = queue.send_unique(
        parcel.envelope, call_key.key, call_key.until, replace, parcel.lane
    )
    if not call_key.is_duplicate:
        announce([parcel])


def accepted(queue: BaseQueue, parcel: KeyedParcel) -> Result:
    """Return the handle of what holds the key of ``parcel``; raise ``Duplicate`` if its command says so."""
    if parcel.call_key.is_duplicate and parcel.call_key.on_duplicate == "raise":
        raise Duplicate(_told(queue, parcel), id=handle(parcel).id)
    return handle(parcel)


def _told(queue: BaseQueue, parcel: KeyedParcel) -> str:
    message, holder = parcel.message, handle(parcel).id
    instead = f", or use invoker.result('{holder}')" if parcel.command_class.keeps_results() else ""
    return (
        f"This call of '{message.command}' on the queue '{queue.name}' was not sent: {holder} has the same key. "
        f"Call again when that key is free{instead}."
    )


def handle(parcel: KeyedParcel) -> Result:
    """Return the handle of the message that holds the key of ``parcel``, or will hold it."""
    id, command, queue_name, *_ = parcel.message
    placed = parcel.call_key.placement
    result = make(Result, (placed.id if placed else id, command, queue_name))
    result._call_key = parcel.call_key
    return result
