"""How far a call of a command with ``resume()`` is, and what its message has been through up to there.

A process that dies after a kept milestone has done something for the call, so what was counted before is not held against it.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import NamedTuple

from .conf import settings
from .current import Lease, running
from .message import Delivery
from .retry import reason_to_refuse

_KEPT = 30 * 24 * 3600

_moved: ContextVar[bool] = ContextVar("djutils_moved", default=False)


class Milestone(NamedTuple):
    """Where a call goes on, with the counters and the owner of the delivery whose run came that far."""

    crashes: int
    redeliveries: int
    owner: int
    created: float
    """When the call was enqueued: a message whose arguments were replaced keeps its id, and not this moment."""
    last: str
    """The key of the last object that is done."""


def milestone_of(lease: Lease, id: str) -> Milestone | None:
    """Return the milestone of the call ``id``; None if none is kept. Raises ``BackendError``."""
    store = lease.queue.store
    kept = store.get([_name(id)]).get(_name(id)) if store else None
    if kept is None:
        return None
    crashes, redeliveries, owner, created, last = kept.decode().split(" ", 4)
    return Milestone(int(crashes), int(redeliveries), int(owner), float(created), last)


def keep_milestone(lease: Lease, delivery: Delivery, created: float, last: str) -> None:
    """Keep for 30 days that the run of ``delivery``, enqueued at ``created``, has come to ``last``. Raises ``BackendError``."""
    if (store := lease.queue.store) is not None:
        text = f"{delivery.crashes} {delivery.redeliveries} {lease.owner} {created!r} {last}"
        store.set({_name(delivery.id): text.encode()}, _KEPT)
        _moved.set(True)


def forget_milestone(lease: Lease, id: str) -> None:
    """Delete the milestone of the call ``id``. Raises ``BackendError``."""
    if (store := lease.queue.store) is not None:
        store.delete([_name(id)])


def reason_to_refuse_delivery(delivery: Delivery, lease: Lease | None) -> str:
    """Return why ``delivery`` must not be run again; '' if it may.

    The milestone is read only of what would be refused. Raises ``BackendError`` if that fails.
    """
    crashes, redeliveries, most = delivery.crashes, delivery.redeliveries, settings.QUEUE_MAX_CRASHES
    why = reason_to_refuse(crashes, redeliveries, most)
    if not why or lease is None or (milestone := milestone_of(lease, delivery.id)) is None:
        return why
    since = max(0, crashes - milestone.crashes), max(0, redeliveries - milestone.redeliveries)
    why = reason_to_refuse(*since, most)
    return f"{why} That was since it last kept how far it is." if why else ""


def has_moved(lease: Lease | None, id: str) -> bool:
    """Return whether the call ``id`` has kept a milestone in its run; asked in the run, or of one whose process was killed.

    Of a process that was killed only its owner is known, not which of its runs it was: if it ran the call twice, either
    counts. Raises ``BackendError``.
    """
    if running.get() is not None or lease is None:
        return _moved.get()
    milestone = milestone_of(lease, id)
    return milestone is not None and milestone.owner == lease.owner


def _name(id: str) -> str:
    return f"milestone {id}"
