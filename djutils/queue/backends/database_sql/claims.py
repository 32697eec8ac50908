"""What the statements return: the messages of a claim, and what was seen or heard."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from operator import itemgetter
from typing import Any, NamedTuple

from djutils.queue.message import Delivery, make

Row = tuple[Any, ...]
Finished = tuple[str, str, bytes]
"""The id of a message that is done, the key under which its record is kept, and the record."""

COLUMNS = "prio_rank, id, message_id, message, attempts, crashes, redeliveries, error, offers"
"""The columns that a claim returns: the sort order first, then the fields of a Delivery."""


class Claim(NamedTuple):
    """The result of one claim."""

    enrolled: bool
    late: frozenset[str]
    """Ids among ``done`` that were no longer the owner's."""
    deliveries: list[Delivery]
    partial: bool = False
    """Whether there may be more messages although fewer than requested were lent."""
    due: bool = True
    """Whether there may be due messages that are not promoted."""


class Look(NamedTuple):
    """What was found in a queue without taking anything."""

    enrolled: bool
    ready: bool
    due: bool


class Heard(Enum):
    """The result of waiting for a message."""

    NOTHING = 0
    PERHAPS = 1
    """A message may have arrived unannounced: the queue should be checked."""
    CALL = 2
    CALL_BESIDE = 3
    """A queue beside was called: it should be checked."""


class Counts(NamedTuple):
    """The number of messages of a queue in each state; ``due`` is how many of the delayed ones are due."""

    ready: int
    delayed: int
    due: int
    leased: int
    dead: int
    waiting: int
    """In lanes, until earlier messages have ended."""
    later: int
    """In lanes, delayed."""


def in_order(rows: Sequence[Row]) -> list[Delivery]:
    """Return claimed rows, which arrive in any order, as deliveries in the order of the queue."""
    return [
        make(Delivery, (id, bytes(message), attempts, crashes, redeliveries, error or "", offers))
        for _, _, id, message, attempts, crashes, redeliveries, error, offers in sorted(rows, key=_order)
    ]


_order = itemgetter(0, 1)
