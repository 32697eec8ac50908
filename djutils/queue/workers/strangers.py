"""Takes back messages lent to owners whose beat counters do not advance: their consumers are gone."""

from __future__ import annotations

import logging
import time

from djutils.queue.backends.border import border
from djutils.queue.backends.leased import LeasedQueue

from .chore import Chore, Stores
from .crew import Crew
from .options import ConsumerOptions
from .watch import Watch

logger = logging.getLogger("djutils.queue.workers.strangers")


class Strangers(Chore):
    """Watches all owners enrolled on the queues except our own, which the supervisor watches."""

    name = "watching other consumers"

    def __init__(self, stores: Stores, crew: Crew, options: ConsumerOptions) -> None:
        self._stores = stores
        self._crew = crew
        self._options = options
        self._watches = {name: Watch[int](2 * options.beat_every) for name in stores.leased}
        self._next = 0.0

    def due_in(self) -> float:
        return self._next - time.monotonic()

    def do(self) -> None:
        self._stores.open()
        for name, queue in self._stores.leased.items():
            with border(queue):
                self._look(name, queue)
        self._next = time.monotonic() + self._options.beat_every

    def _look(self, name: str, queue: LeasedQueue) -> None:
        beats, watch, lease = queue.owners(), self._watches[name], self._options.lease
        watch.look(beats, time.monotonic())
        ours = self._crew.owners_on(name)
        for owner, count in beats.items():
            if owner in ours or watch.stood_still(owner) < lease:
                continue
            back = queue.reap(owner, count)
            logger.warning(
                "A worker of queue %s missed its heartbeat for %.0f s: its %d messages go to others.",
                name,
                lease,
                back,
            )
