"""Bringing back messages that were put aside because their command was paused."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import QuerySet
from django.db.models.functions import Left

from djutils.models import LaneState, Now, QueueLaneMessage, QueueMessage, State
from djutils.queue.deadlocks import retry_on_deadlock
from djutils.queue.stores.base import AT_ONCE, slices

from .laning import LaningQueue
from .rows import text


class BringingBackQueue(LaningQueue):
    """The method of a ``LeasedQueue`` that lets delayed messages wait no longer."""

    def bring_back(self, error: str, count: int = 500) -> int:
        brought = self._bring_back(text(error), count)
        return brought + (self._bring_back_to_lanes(text(error), count - brought) if brought < count else 0)

    @retry_on_deadlock
    def _bring_back(self, error: str, count: int) -> int:
        with self._transaction() as connection:
            delayed = self._messages(State.DELAYED)
            due_later = _beginning(delayed.filter(due__gt=Now()), error).order_by("due")
            keys = [*due_later.values_list("id", flat=True)[:count]]
            # In the order of their keys, as every other statement locks rows.
            brought = sum(
                delayed.filter(id__in=some).update(state=State.READY, due=None)
                for some in slices(sorted(keys))
            )
            if brought:
                self._wake(connection)
            return brought

    def _bring_back_to_lanes(self, error: str, count: int) -> int:
        with self._database() as connection:
            brought, names = 0, set[str]()
            for page in self._put_aside_in_lanes():
                waiting = _beginning(self._messages(State.WAITING).filter(message_id__in=[*page]), error)
                chosen = [*waiting.values_list("message_id", flat=True)][: count - brought]
                if chosen:
                    brought += self._wait_again(chosen)
                    names |= {page[id] for id in chosen}
                if brought >= count:
                    break
            if names:
                self._admit_when_committed(connection, dict.fromkeys(sorted(names)))
            return brought

    def _put_aside_in_lanes(self) -> Iterator[dict[str, str]]:
        """Yield the delayed messages that are in lanes, message id -> lane, those that are due first in the first page."""
        found = self._own_entries().filter(state=LaneState.LATER).order_by("due", "id")
        last: int | None = 0
        while page := [*found.filter(due__gte=last).values_list("message_id", "lane", "due")[:AT_ONCE]]:
            yield {id: lane for id, lane, _ in page}
            if len(page) < AT_ONCE or page[-1][2] == last:
                return
            last = page[-1][2]

    @retry_on_deadlock
    def _wait_again(self, ids: list[str]) -> int:
        rows = QueueLaneMessage.objects.using(self._using)
        later = rows.filter(message_id__in=ids, state=LaneState.LATER)
        return later.update(state=LaneState.WAITING, due=None)


def _beginning(rows: QuerySet[QueueMessage], error: str) -> QuerySet[QueueMessage]:
    # Not startswith: on SQLite that is a case-insensitive LIKE.
    return rows.alias(begins=Left("error", len(error))).filter(begins=error)
