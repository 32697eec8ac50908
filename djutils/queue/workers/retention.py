"""Retention: discards dead letters that are older than ``QUEUE_DEAD_LETTERS_KEPT``."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from djutils.queue import dead_letters
from djutils.queue.backends.base import BaseQueue
from djutils.queue.backends.border import border
from djutils.queue.conf import settings

from .chore import Chore, Stores

_FIRST = 600.0
_EVERY = 3600.0
_PAUSE = 0.1
_AT_ONCE = 500
_EVERYTHING = 10**9


class Retention(Chore):
    """Discards old dead letters, a few hundred at a time.

    There is an hour between two rounds. The first one begins ten minutes after the start: a machine
    whose clock was wrong at boot has the right time by then.
    """

    name = "discarding old dead letters"

    def __init__(
        self,
        stores: Stores,
        now: Callable[[], float] = lambda: time.time(),  # noqa: PLW0108  (a test may change the process's time)
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stores = stores
        self._now = now
        self._monotonic = monotonic
        self._next = monotonic() + _FIRST
        self._before = datetime.fromtimestamp(0, UTC)
        self._left: list[tuple[BaseQueue, list[str] | None]] = []

    def due_in(self) -> float:
        return self._next - self._monotonic()

    def do(self) -> None:
        """Discard one part of the old dead letters, or begin a round."""
        self._stores.open()
        if not self._left:
            self._begin()
        if self._left:
            queue, ids = self._left[-1]
            with border(queue):
                dead_letters.discard(queue, ids, self._by(), before=self._before)
            self._left.pop()
        self._next = self._monotonic() + (_PAUSE if self._left else _EVERY)

    def _begin(self) -> None:
        """Record the ids of the current dead letters, in parts."""
        kept = settings.QUEUE_DEAD_LETTERS_KEPT
        if kept is None:
            return
        self._before = datetime.fromtimestamp(self._now(), UTC) - dead_letters.as_age(kept)
        left: list[tuple[BaseQueue, list[str] | None]] = []
        for queue in self._stores.queues.values():
            if not queue.supports_leases:
                left.append((queue, None))
                continue
            with border(queue):
                ids = queue.dead_ids("", _EVERYTHING)
            left += [(queue, ids[at : at + _AT_ONCE]) for at in range(0, len(ids), _AT_ONCE)]
        self._left = left

    def _by(self) -> str:
        return f"The consumer of {dead_letters.operator()} (QUEUE_DEAD_LETTERS_KEPT)"
