"""Eager mode: a call runs at once instead of being sent, through the same checks, signals and limits of time."""

from __future__ import annotations

from functools import partial

from .backends.base import BaseQueue
from .direct import DirectExecutor, keep
from .message import Delivery, Placement, make
from .results import Result
from .sending import announce
from .sending_unique import accepted, handle
from .shipment import Parcel
from .uniqueness import KeyedParcel

_running_here: dict[tuple[str, str], str] = {}
"""The id of the call that holds a key of a queue, because it runs at the moment."""


def run_here(queue: BaseQueue, parcel: Parcel) -> Result:
    """Run a call, and return its handle; what the command raises is raised to the caller."""
    if isinstance(parcel, KeyedParcel):
        return _run_unique(queue, parcel)
    return _run(queue, parcel)


def _run_unique(queue: BaseQueue, parcel: KeyedParcel) -> Result:
    """Run a call at once, as in eager mode, unless its key is held: by a call that runs, or for a period."""
    call_key, id = parcel.call_key, parcel.message.id
    name, holder = (queue.name, call_key.key), id
    if not isinstance(call_key.until, str):
        holder = _holder_for(queue, call_key.key, id, call_key.until)
    elif call_key.until == "done" and call_key.on_duplicate != "replace":
        holder = _running_here.setdefault(name, id)
    call_key.placement = Placement(holder, "sent" if holder == id else "held")
    if call_key.is_duplicate:
        return accepted(queue, parcel)
    try:
        _run(queue, parcel)
    finally:
        if _running_here.get(name) == id:
            del _running_here[name]
    return handle(parcel)


def _run(queue: BaseQueue, parcel: Parcel) -> Result:
    envelope, message, _ = parcel
    announce([parcel])
    DirectExecutor(message.queue).run(Delivery(envelope.id, envelope.data), partial(keep, queue))
    return make(Result, message[:3])


def _holder_for(queue: BaseQueue, key: str, id: str, seconds: float) -> str:
    store, name = queue.store, f"djutils eager {key}"
    if store is None or store.add(name, id.encode(), seconds):
        return id
    return store.get([name]).get(name, id.encode()).decode()
