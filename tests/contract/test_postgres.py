from __future__ import annotations

import pytest

from djutils.queue.backends.database import DatabaseQueue
from djutils.testing.contract import LeasedQueueContract
from djutils.testing.contract_machine import ModelContract


class TestPostgres(LeasedQueueContract, ModelContract):
    prompt = False

    @pytest.fixture(autouse=True)
    def server(self, postgres_alias: str) -> None:
        self.alias = postgres_alias

    def make_queue(self, name: str = "contract") -> DatabaseQueue:
        return DatabaseQueue(name, self.alias)
