"""Sweeping: gives back messages that a store has lost track of."""

from __future__ import annotations

import logging
import time
from math import inf

from djutils.queue.backends.border import border

from .chore import Chore, Stores

logger = logging.getLogger("djutils.queue.workers.sweeping")

_EVERY = 5.0
_SECONDS = 0.05
"""Seconds to search the store at a time: the other chores wait meanwhile."""


class Sweeping(Chore):
    """Searches the queues repeatedly, a little at a time; in most stores there is nothing to find."""

    name = "sweeping for lost messages"

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._next = time.monotonic() + _EVERY

    def due_in(self) -> float:
        return self._next - time.monotonic() if self._stores.leased else inf

    def do(self) -> None:
        self._stores.open()
        for name, queue in self._stores.leased.items():
            with border(queue):
                back = queue.sweep(_SECONDS)
            if back:
                logger.warning(
                    "%d messages of queue %s were on no list of the store: they wait again.", back, name
                )
        self._next = time.monotonic() + _EVERY
