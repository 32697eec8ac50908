"""Dead letters in the message table."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime

from django.db.models import Max, QuerySet
from django.db.models.functions import Left

from djutils.models import QueueMessage, State
from djutils.queue.message import DeadLetter
from djutils.queue.stores.base import AT_ONCE, slices

from .connected import ConnectedQueue
from .rows import by_key, dead_letter, whole

_LAST = (1 << 63) - 1


class LettersQueue(ConnectedQueue):
    """The methods of a ``LeasedQueue`` that concern dead letters."""

    def dead_letters(self, ids: Collection[str] | None = None, count: int = 100) -> list[DeadLetter]:
        with self._database(), self._legible():
            if ids is None:
                return [*map(dead_letter, _newest_first(self._messages(State.DEAD))[:count])]
            dead = self._messages(State.DEAD)
            found = [row for some in slices(ids) for row in dead.filter(message_id__in=some)]
        found.sort(key=lambda row: (whole(row.died), row.id), reverse=True)
        return [*map(dead_letter, found[:count])]

    def dead_ids(self, prefix: str, count: int = 10) -> list[str]:
        with self._database(), self._legible():
            dead = _newest_first(self._messages(State.DEAD))
            # Not startswith: on SQLite that is a case-insensitive LIKE.
            if prefix:
                dead = dead.alias(begins=Left("message_id", len(prefix))).filter(begins=prefix)
            return [*map(str, dead.values_list("message_id", flat=True)[:count])]

    def replay(self, ids: Collection[str] | None = None) -> int:
        replayed = 0
        with self._database() as connection:
            for dead in self._dead(ids, None):
                replayed += dead.update(
                    state=State.READY, died=None, error=None, attempts=0, crashes=0, redeliveries=0, offers=0
                )
            if replayed:
                self._wake(connection)
        return replayed

    def discard(self, ids: Collection[str] | None = None, *, before: datetime | None = None) -> int:
        with self._database():
            return sum(dead.delete()[0] for dead in self._dead(ids, before))

    def _dead(self, ids: Collection[str] | None, before: datetime | None) -> Iterator[QuerySet[QueueMessage]]:
        """Yield the dead letters in parts, each small enough for one statement; the caller removes them."""
        every = self._messages(State.DEAD)
        # Messages that die meanwhile are left out; otherwise this might never end.
        newest = every.filter(died__lte=_LAST).aggregate(newest=Max("died"))["newest"] or 0
        until = newest if before is None else min(newest, round(before.timestamp() * 1000) - 1)
        groups = [every.filter(died__lte=until)]
        if before is None:
            # SQLite keeps any type in the column: text and infinity are beyond the last number.
            groups.append(every.filter(died__gt=_LAST))
        for dead in groups:
            if ids is not None:
                for some in slices(ids):
                    yield dead.filter(message_id__in=some)
                continue
            while keys := list(dead.values_list("id", flat=True)[:AT_ONCE]):
                yield by_key(self._using, keys, State.DEAD)


def _newest_first(dead: QuerySet[QueueMessage]) -> QuerySet[QueueMessage]:
    return dead.order_by("-died", "-id")
