"""Expiring: removes what has expired in the stores beside the queues."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import inf

from djutils.queue.backends.border import border

from .chore import Chore, Stores

_EVERY = 60.0
_PAUSE = 0.1
_AT_ONCE = 500


class Expiring(Chore):
    """Removes expired keys, a few hundred at a time; what has expired is absent for every caller already.

    There is a minute between two rounds. Stores that expire by themselves have nothing to remove.
    """

    name = "removing expired keys"

    def __init__(self, stores: Stores, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._stores = stores
        self._monotonic = monotonic
        self._next = monotonic() + _EVERY

    def due_in(self) -> float:
        return self._next - self._monotonic() if self._stores.leased else inf

    def do(self) -> None:
        """Remove one part in each store."""
        self._stores.open()
        more = False
        for queue in self._stores.leased.values():
            for store in filter(None, {queue.store, queue.results}):
                with border(queue):
                    more = store.remove_expired(_AT_ONCE) >= _AT_ONCE or more
        self._next = self._monotonic() + (_PAUSE if more else _EVERY)
