"""Rows of the message table: how they are found, and what they represent."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

from django.db.models import F, QuerySet
from django.db.models.expressions import RawSQL

from djutils.models import QueueMessage, State
from djutils.queue.message import DeadLetter, Delivery
from djutils.queue.stores.base import as_bytes


def messages(alias: str, queue: str, state: State) -> QuerySet[QueueMessage]:
    """Return the messages of ``queue`` in ``state``."""
    return in_state(alias, state).filter(queue=queue)


def in_state(alias: str, state: State) -> QuerySet[QueueMessage]:
    """Return the messages of every queue in ``state``."""
    # A literal, not a parameter: a partial index is used only where the state is known.
    literal = RawSQL(str(int(state)), ())  # noqa: S611  (our own number)
    return QueueMessage.objects.using(alias).filter(state=literal)


def by_key(alias: str, keys: Collection[int], state: State) -> QuerySet[QueueMessage]:
    """Return the messages with these primary keys that are in ``state``."""
    # With a plain condition on the state the planner might use the index of that state instead of the key.
    rows = QueueMessage.objects.using(alias).alias(state_now=F("state") + 0)
    return rows.filter(id__in=keys, state_now=state)


def delivery(row: QueueMessage) -> Delivery:
    """Return a leased row as a ``Delivery``."""
    counters = (row.attempts, row.crashes, row.redeliveries)
    return Delivery(row.message_id, bytes(row.message), *counters, row.error or "", row.offers)


def dead_letter(row: QueueMessage) -> DeadLetter:
    """Return a dead row as a ``DeadLetter``, even if another program has written into it."""
    died = row.died_at or datetime.now(UTC)
    counters = map(whole, (row.attempts, row.crashes, row.redeliveries))
    return DeadLetter(str(row.message_id), as_bytes(row.message), str(row.error or ""), died, *counters)


def whole(value: object) -> int:
    """Return what the database gave for a number; SQLite keeps any type there as well."""
    return value if isinstance(value, int) else 0


def text(error: str) -> str:
    """Return ``error`` without the characters that databases refuse in text: NUL and lone surrogates."""
    return error.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()


def plain(error: str) -> str:
    """Return ``error`` as every database can store it: non-ASCII characters are escaped."""
    return error.encode("ascii", "backslashreplace").decode()
