from __future__ import annotations

import pytest

from djutils.queue.backends.redis_backend import RedisQueue
from djutils.testing.contract import LaneContract, LeasedQueueContract
from djutils.testing.contract_machine import ModelContract
from tests.servers import Server

from .lane_races import LaneRaces


class TestRedis(LeasedQueueContract, ModelContract):
    @pytest.fixture(autouse=True)
    def server(self, redis_server: Server) -> None:
        self.url = redis_server.url

    def make_queue(self, name: str = "contract") -> RedisQueue:
        return RedisQueue(name, self.url)


class TestRedisLanes(LaneRaces, LaneContract):
    @pytest.fixture(autouse=True)
    def server(self, redis_server: Server) -> None:
        self.url = redis_server.url

    def make_queue(self, name: str = "contract") -> RedisQueue:
        return RedisQueue(name, self.url)
