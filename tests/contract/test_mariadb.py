from __future__ import annotations

import pytest

from djutils.queue.backends.database import DatabaseQueue
from djutils.testing.contract_machine import ModelContract

from .frozen import FrozenContract


class TestMariaDB(FrozenContract, ModelContract):
    prompt = False

    @pytest.fixture(autouse=True)
    def server(self, mariadb_alias: str) -> None:
        self.alias = mariadb_alias

    def make_queue(self, name: str = "contract") -> DatabaseQueue:
        return DatabaseQueue(name, self.alias)
