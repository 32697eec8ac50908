"""Admitting: the safety net of lanes, and what lets messages of a lane in when the clock says so."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import inf

from djutils.queue.backends.border import border

from .chore import Chore, Stores

_EVERY = 1.0


class Admitting(Chore):
    """Sweeps the lanes of each queue, some at a time; a queue without messages in lanes costs it one look."""

    name = "admitting messages in lanes"

    def __init__(self, stores: Stores, clock: Callable[[], float] = time.monotonic) -> None:
        self._stores = stores
        self._clock = clock
        self._next = clock() + _EVERY

    def due_in(self) -> float:
        with_lanes = any(queue.supports_lanes for queue in self._stores.leased.values())
        return self._next - self._clock() if with_lanes else inf

    def do(self) -> None:
        self._stores.open()
        for queue in self._stores.leased.values():
            with border(queue):
                queue.sweep_lanes()
        self._next = self._clock() + _EVERY
