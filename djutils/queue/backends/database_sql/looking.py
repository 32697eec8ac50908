"""Reading the message table without taking anything."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.db.models import F, QuerySet
from django.db.models.functions import Left

from djutils.models import Now, QueueMessage, QueueWorker, State
from djutils.queue.backends.looking import Place
from djutils.queue.message import Snapshot, StateName
from djutils.queue.stores.base import as_bytes, slices

from .connected import ConnectedQueue
from .rows import in_state, whole

_NEAR = 1000
"""Most ids, of any queue, to look up by prefix; if more match, this queue's messages are searched instead."""
_MOST_NAMES = 20
_HEX = re.compile(r"[0-9a-f]+")
_AFTER = dict(zip("0123456789abcdef", "123456789abcdefg", strict=True))


class IndexRange(NamedTuple):
    """The messages of a state, or some of them, in the order of an index."""

    rows: QuerySet[Any]
    key: str
    """The column that they are ordered by; rows with equal values are ordered by primary key."""


class LookingQueue(ConnectedQueue):
    """The methods of a ``LeasedQueue`` that only read messages."""

    supports_peek = True

    def peek(
        self,
        state: StateName,
        *,
        newest: bool = False,
        after: str = "",
        count: int = 100,
        data: bool = False,
        lane: str | None = None,
    ) -> list[Snapshot]:
        place = Place.of(after) if after else None
        with self._database(), self._legible():
            if state == "leased":
                return self._peek_leased(int(place.id) if place else None, newest, count, data)
            found: list[Snapshot] = []
            for number, part in sorted(enumerate(self._parts(state)), reverse=newest, key=lambda one: one[0]):
                if place and (number > place.part if newest else number < place.part):
                    continue
                last = (int(place.key), int(place.id)) if place and place.part == number else None
                for rows in beyond(part, last, newest):
                    some = columns(rows, data)[: max(0, count - len(found))]
                    found += [snapshot_of(row, data, number, part.key) for row in some]
            return found

    def _parts(self, state: StateName) -> list[IndexRange]:
        delayed = self._messages(State.DELAYED)
        # Due messages that are not promoted yet count as ready: the next receive promotes them.
        parts = {
            "ready": [
                IndexRange(self._messages(State.READY), "rank"),
                IndexRange(delayed.filter(due__lte=Now()), "due"),
            ],
            "delayed": [IndexRange(delayed.filter(due__gt=Now()), "due")],
            "dead": [IndexRange(self._messages(State.DEAD).filter(died__isnull=False), "died")],
        }
        return parts[state]

    def _peek_leased(self, last: int | None, newest: bool, count: int, data: bool) -> list[Snapshot]:
        # All are loaded first: they are few, and no index has them in order.
        keys = [key for rows in self._leased() for key in rows.values_list("id", flat=True)]
        keys = [key for key in keys if last is None or (key < last if newest else key > last)]
        keys = sorted(keys, reverse=newest)[: max(count, 0)]
        found = self._by_key(keys, data)
        return [
            snapshot_of(found[key], data) for key in keys if key in found and found[key].state == State.LEASED
        ]

    def find(self, prefix: str, count: int = 10, *, data: bool = False) -> list[Snapshot]:
        if "\0" in prefix:  # not every database accepts such an id in a query
            return []
        with self._database(), self._legible():
            # In one query: a message that is admitted to the line meanwhile gets another primary key.
            whole = QueueMessage.objects.using(self._using).filter(message_id=prefix, queue=self.name)
            found = list(columns(whole, data)) if count > 0 else []
            rows = found or self._by_key(self._keys(prefix, count), data).values()
            return [snapshot_of(row, data)._replace(place="") for row in rows]

    def _keys(self, prefix: str, count: int) -> list[int]:
        """Return the primary keys of up to ``count`` messages whose id begins with ``prefix``."""
        rows = QueueMessage.objects.using(self._using)
        if _HEX.fullmatch(prefix):
            # Every collation agrees on the order of letters and digits.
            end = prefix[:-1] + _AFTER[prefix[-1]]
            near = rows.filter(message_id__gte=prefix, message_id__lt=end).order_by("message_id")
            seen = list(near.values_list("id", "queue", "message_id")[:_NEAR])
            if len(seen) < _NEAR:
                ours = [key for key, queue, id in seen if queue == self.name and id.startswith(prefix)]
                return ours[:count]
        keys: list[int] = []
        for part in self._findable():
            # Not startswith: on SQLite that is a case-insensitive LIKE.
            begins = (
                part.alias(begins=Left("message_id", len(prefix))).filter(begins=prefix) if prefix else part
            )
            keys += begins.values_list("id", flat=True)[: max(0, count - len(keys))]
        return keys

    def _findable(self) -> Iterator[QuerySet[QueueMessage]]:
        """Yield all messages of this queue, in parts for which there is an index."""
        yield from map(self._messages, (State.READY, State.DELAYED, State.DEAD))
        yield from self._leased()

    def oldest(self) -> Snapshot | None:
        with self._database(), self._legible():
            _, due = self._parts("ready")
            firsts = [snapshot_of(row, False, 0, "rank") for row in self._first_of_each_rank()]
            firsts += [
                snapshot_of(row, False, 1, "due") for row in columns(due.rows.order_by("due"), False)[:1]
            ]
        return min(firsts, key=lambda one: one.id, default=None)

    def _first_of_each_rank(self) -> Iterator[QueueMessage]:
        """Yield the first ready message of each rank: the index leads from one rank to the next."""
        ready, _ = self._parts("ready")
        rows = ready.rows.order_by("rank", "id")
        while row := columns(rows, False).first():
            yield row
            rank: object = row.rank
            if not isinstance(rank, int):  # spoilt by another program: no way leads on from it
                return
            rows = ready.rows.filter(rank__gt=rank).order_by("rank", "id")

    def _rank_of_oldest(self) -> int:
        """Return the rank of the ready message that has waited longest; 0 if there is none."""
        first = min(self._first_of_each_rank(), key=lambda row: row.id, default=None)
        return whole(first.rank) if first else 0

    def neighbours(self) -> list[str]:
        found: set[str] = set()
        with self._database() as connection, self._legible():
            # By the index of one state; where indexes cannot be of one state, that of all.
            rows = QueueMessage.objects.using(self._using)
            parts = [in_state(self._using, state) for state in (State.READY, State.DELAYED, State.DEAD)]
            for part in parts if connection.features.supports_partial_indexes else [rows]:
                found |= set(_names(part))
            workers = QueueWorker.objects.using(self._using).order_by("queue").distinct()
            found |= set(workers.values_list("queue", flat=True)[:_MOST_NAMES])
        return sorted(found - {self.name})

    def _by_key(self, keys: Collection[int], data: bool) -> dict[int, QueueMessage]:
        rows = QueueMessage.objects.using(self._using)
        return {row.id: row for some in slices(keys) for row in columns(rows.filter(id__in=some), data)}


def beyond(part: IndexRange, last: tuple[int, int] | None, newest: bool) -> Iterator[QuerySet[Any]]:
    """Yield the rows of ``part`` after the key ``last``: those with the same first part, then the others.

    A single condition for both would not use an index on every database.
    """
    sign, beyond = ("-", "lt") if newest else ("", "gt")
    order = (f"{sign}{part.key}", f"{sign}id")
    rows = part.rows
    if last:
        key, id = last
        same = rows.filter(**{part.key: key})
        if part.key == "due":
            # Its index does not contain the primary key, which the planner would scan instead.
            same = same.alias(number=F("id") + 0).filter(**{f"number__{beyond}": id})
        else:
            same = same.filter(**{f"id__{beyond}": id})
        yield same.order_by(*order)
        rows = rows.filter(**{f"{part.key}__{beyond}": key})
    yield rows.order_by(*order)


def columns(rows: QuerySet[QueueMessage], data: bool) -> QuerySet[QueueMessage]:
    """Return ``rows`` with what ``snapshot_of`` needs."""
    rows = rows.annotate(now=Now())
    return rows if data else rows.defer("message")


def snapshot_of(row: Any, data: bool, part: int = 0, key: str = "") -> Snapshot:
    """Return a row as a snapshot, even if another program has written into it."""
    is_due = row.state == State.DELAYED and isinstance(row.due, int) and row.due <= row.now
    state: StateName = "ready" if is_due else _NAMES.get(row.state, "ready")
    number = getattr(row, key, 0)
    died = row.died_at if state == "dead" else None
    payload = as_bytes(row.message) if data else None
    return Snapshot(
        id=str(row.message_id),
        state=state,
        place=str(Place(part, str(number), str(row.id))) if isinstance(number, int) else "",
        data=payload,
        due=moment(row.due) if state == "delayed" else None,
        died=died,
        attempts=whole(row.attempts),
        crashes=whole(row.crashes),
        redeliveries=whole(row.redeliveries),
        offers=whole(row.offers),
        error=str(row.error or ""),
        owner=row.owner if state == "leased" and isinstance(row.owner, int) else None,
    )


_NAMES: dict[int, StateName] = {
    State.READY: "ready",
    State.DELAYED: "delayed",
    State.LEASED: "leased",
    State.DEAD: "dead",
    State.WAITING: "waiting",
}


def _names(rows: QuerySet[QueueMessage]) -> Iterator[str]:
    """Return the names of queues in ``rows``, up to some; each is one step along an index."""
    names = rows.order_by("queue").values_list("queue", flat=True)
    last: Any = None
    for _ in range(_MOST_NAMES):
        name: Any = (names if last is None else names.filter(queue__gt=last)).first()
        if not isinstance(name, str) or name == last:
            return
        yield name
        last = name


def moment(milliseconds: Any) -> datetime | None:
    """Return milliseconds since the epoch as a datetime; None if no calendar has that date."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError, TypeError):
        return None
