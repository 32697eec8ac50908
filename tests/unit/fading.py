"""A queue whose store may be out of reach."""

from __future__ import annotations

from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.exceptions import BackendUnavailable
from djutils.queue.stores.memory_store import MemoryStore


class FadingStore(MemoryStore):
    """A store that is out of reach while ``down``."""

    down = False

    def _set(self, values: dict[str, bytes], ttl: float) -> None:
        if self.down:
            raise BackendUnavailable("The store is down.")
        super()._set(values, ttl)


class FadingQueue(MemoryQueue):
    """A queue with such a store."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.kept = FadingStore(name)

    @property
    def store(self) -> FadingStore:
        return self.kept
