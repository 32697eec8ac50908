from __future__ import annotations

from djutils.queue.backends.memory import MemoryQueue
from djutils.testing.contract import LeasedQueueContract


class TestMemory(LeasedQueueContract):
    def make_queue(self, name: str = "contract") -> MemoryQueue:
        return MemoryQueue(name)
