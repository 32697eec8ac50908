"""Pausing: asks the stores which queues are paused, and sets the switches that the worker processes look at."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from math import inf

from djutils.queue import pausing
from djutils.queue.backends.border import border

from .chore import Chore, Stores
from .switches import OPEN, PAUSED

logger = logging.getLogger("djutils.queue.workers.pausing")

EVERY = 0.5
"""Seconds between two looks: with what a worker process needs to notice, a pause takes effect within one."""


class Pausing(Chore):
    """Looks twice a second. While a store cannot be reached, the switches of its queues stay as they are."""

    name = "looking which queues are paused"

    def __init__(
        self, stores: Stores, switches: memoryview, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._stores = stores
        self._switches = switches
        self._monotonic = monotonic
        self._next = monotonic()

    def due_in(self) -> float:
        return self._next - self._monotonic()

    def do(self) -> None:
        """Set each switch; log those that change."""
        self._stores.open()
        some = False
        for number, queue in enumerate(self._stores.queues.values()):
            with border(queue):
                some = some or queue.store is not None
                self._set(number, queue.name, pausing.find(queue))
        self._next = self._monotonic() + EVERY if some else inf

    def _set(self, number: int, name: str, pause: pausing.Pause | None) -> None:
        before, now = self._switches[number], OPEN if pause is None else PAUSED
        self._switches[number] = now
        if before != now and pause is not None:
            logger.warning(
                "The queue '%s' is paused%s: commands that run go on, and no other of its commands begins here until "
                "it is resumed.",
                name,
                str(pause).removeprefix("paused"),
            )
        elif before == PAUSED and pause is None:
            logger.info("The queue '%s' is resumed.", name)
