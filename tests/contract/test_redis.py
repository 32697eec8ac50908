from __future__ import annotations

import pytest

from djutils.queue.backends.redis_backend import RedisQueue
from djutils.testing.contract import LeasedQueueContract
from djutils.testing.contract_machine import ModelContract
from tests.servers import Server


class TestRedis(LeasedQueueContract, ModelContract):
    @pytest.fixture(autouse=True)
    def server(self, redis_server: Server) -> None:
        self.url = redis_server.url

    def make_queue(self, name: str = "contract") -> RedisQueue:
        return RedisQueue(name, self.url)
