from __future__ import annotations

from djutils.queue.backends.memory import MemoryQueue
from djutils.testing.contract import LaneContract, LeasedQueueContract
from djutils.testing.contract_machine import ModelContract


class TestMemory(LeasedQueueContract, ModelContract):
    def make_queue(self, name: str = "contract") -> MemoryQueue:
        return MemoryQueue(name)


class TestMemoryLanes(LaneContract):
    def make_queue(self, name: str = "contract") -> MemoryQueue:
        return MemoryQueue(name)
