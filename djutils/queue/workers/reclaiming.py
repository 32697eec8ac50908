"""Settling, on every queue, what dead worker processes left behind."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import inf

from .chore import Chore, Stores
from .crew import Crew
from .dead_worker import DeadWorker
from .worker import Died, Reclaimed


class Reclaiming(Chore):
    """Settles one dead worker process after the other, and reports each to the supervisor by ``tell``."""

    name = "giving back messages of dead workers"

    def __init__(self, stores: Stores, crew: Crew, tell: Callable[[Reclaimed], None]) -> None:
        self._stores = stores
        self._crew = crew
        self._tell = tell
        self._dead: deque[tuple[Died, dict[str, DeadWorker]]] = deque()

    def add(self, died: Died) -> None:
        """Settle what ``died`` left behind as soon as the backend responds."""
        self._dead.append((died, {name: DeadWorker(died, name) for name in self._stores.leased}))

    @property
    def is_over(self) -> bool:
        """Whether nothing is left of any dead worker process."""
        return not self._dead

    def due_in(self) -> float:
        return 0.0 if self._dead else inf

    def do(self) -> None:
        self._stores.open()
        while self._dead:
            died, on_queues = self._dead[0]
            for name, dead_worker in on_queues.items():
                dead_worker.settle(self._stores.leased[name])
            self._dead.popleft()
            self._crew.forget(died.owners)
            self._tell(Reclaimed(died.owners))
