from __future__ import annotations

from djutils.queue.backends.memory import MemoryQueue
from djutils.testing.contract import LeasedQueueContract
from djutils.testing.contract_machine import ModelContract


class TestMemory(LeasedQueueContract, ModelContract):
    def make_queue(self, name: str = "contract") -> MemoryQueue:
        return MemoryQueue(name)
