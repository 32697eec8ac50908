"""Sending with a key: now, or after the caller's transaction, and never inside it.

Sending with a key locks it for a moment. In a transaction of the caller all others with that key would wait for its end,
however long it takes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from .backends.base import BaseQueue
from .exceptions import Duplicate
from .message import Placement, make
from .results import Result
from .sending import announce, open_transactions
from .shipment import Parcel, send_after
from .uniqueness import KeyedParcel

logger = logging.getLogger("djutils.queue.sending")

_running_here: dict[tuple[str, str], str] = {}
"""In eager mode: the id of the call that holds a key of a queue, because it runs at the moment."""


def send_unique(queue: BaseQueue, parcel: KeyedParcel) -> Result:
    """Send ``parcel`` with its key when all open transactions have committed, and return the handle of what holds the key.

    Until then the handle has a separate id; afterwards that of the message that holds the key. Raises ``Duplicate`` if the
    command says so, unless a transaction is open: then a duplicate is logged instead.
    """
    opened = open_transactions(queue.transaction_alias, with_own=True)
    if opened:
        send_after(opened, queue, [parcel], _place_all)
        return _handle(parcel)
    _place(queue, parcel)
    return _accepted(queue, parcel)


def run_unique_here(
    queue: BaseQueue, parcel: KeyedParcel, run: Callable[[BaseQueue, Parcel], Result]
) -> Result:
    """Run a call at once, as in eager mode, unless its key is held: by a call that runs, or for a period."""
    call_key, id = parcel.call_key, parcel.message.id
    name, holder = (queue.name, call_key.key), id
    if not isinstance(call_key.until, str):
        holder = _holder_for(queue, call_key.key, id, call_key.until)
    elif call_key.until == "done" and call_key.on_duplicate != "replace":
        holder = _running_here.setdefault(name, id)
    call_key.placement = Placement(holder, "sent" if holder == id else "held")
    if call_key.is_duplicate:
        return _accepted(queue, parcel)
    try:
        run(queue, parcel)
    finally:
        if _running_here.get(name) == id:
            del _running_here[name]
    return _handle(parcel)


def _place_all(queue: BaseQueue, parcels: list[Any]) -> None:
    while parcels:
        _place(queue, parcels[0])
        parcel = parcels.pop(0)
        if parcel.call_key.is_duplicate and parcel.call_key.on_duplicate == "raise":
            logger.warning("%s", _told(queue, parcel))


def _place(queue: Any, parcel: KeyedParcel) -> None:
    call_key = parcel.call_key
    replace = parcel.data_as if call_key.on_duplicate == "replace" else None
    call_key.placement = queue.send_unique(parcel.envelope, call_key.key, call_key.until, replace)
    if not call_key.is_duplicate:
        announce([parcel])


def _holder_for(queue: BaseQueue, key: str, id: str, seconds: float) -> str:
    store, name = queue.store, f"djutils eager {key}"
    if store is None or store.add(name, id.encode(), seconds):
        return id
    return store.get([name]).get(name, id.encode()).decode()


def _accepted(queue: BaseQueue, parcel: KeyedParcel) -> Result:
    if parcel.call_key.is_duplicate and parcel.call_key.on_duplicate == "raise":
        raise Duplicate(_told(queue, parcel), id=_handle(parcel).id)
    return _handle(parcel)


def _told(queue: BaseQueue, parcel: KeyedParcel) -> str:
    message, holder = parcel.message, _handle(parcel).id
    instead = f", or use invoker.result('{holder}')" if parcel.command_class.keeps_results() else ""
    return (
        f"This call of '{message.command}' on the queue '{queue.name}' was not sent: {holder} has the same key. "
        f"Call again when that key is free{instead}."
    )


def _handle(parcel: KeyedParcel) -> Result:
    id, command, queue_name, *_ = parcel.message
    placed = parcel.call_key.placement
    result = make(Result, (placed.id if placed else id, command, queue_name))
    result._call_key = parcel.call_key
    return result
