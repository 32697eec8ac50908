"""Messages lent to an owner that no consumer can reap: an operator deleted its row, or restored only one table."""

from __future__ import annotations

import time
from collections.abc import Iterator

from django.db import connections
from django.db.models import F, QuerySet

from djutils.models import QueueMessage, State
from djutils.queue.deadlocks import retry_on_deadlock
from djutils.queue.stores.base import AT_ONCE

from .settling import SettlingQueue

_EVERY = 60.0
"""Seconds between two searches of one process."""


class SweepingQueue(SettlingQueue):
    """Gives back messages that no enrolled owner holds."""

    def __init__(self, name: str, connection: str = "") -> None:
        super().__init__(name, connection)
        self._swept = float("-inf")

    def sweep(self, seconds: float = 0.05) -> int:
        if time.monotonic() - self._swept < _EVERY:
            return 0
        back = self._sweep()
        # A few hundred at a time: the rest is left for the next call.
        self._swept = float("-inf") if back else time.monotonic()
        return back

    @retry_on_deadlock
    def _sweep(self) -> int:
        with self._transaction() as connection:
            for lost in self._lost():
                keys = list(lost.values_list("id", flat=True)[:AT_ONCE])
                locked = lost.filter(id__in=keys).select_for_update()
                if held := list(locked.values_list("id", flat=True)):
                    self._give_back(held, redeliveries=F("redeliveries") + 1)
                    self._wake(connection)
                    return len(held)
        return 0

    def _lost(self) -> Iterator[QuerySet[QueueMessage]]:
        """Yield the messages lent to owners that are not enrolled, owner by owner."""
        leased = self._messages(State.LEASED)
        yield leased.filter(owner=None)
        if not self._sql(connections[self._using]).finds_owners:
            yield leased.exclude(owner__in=self._workers().values("owner"))
            return
        for owner in self._unenrolled():
            yield leased.filter(owner=owner)
