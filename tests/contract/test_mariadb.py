from __future__ import annotations

import pytest

from djutils.queue.backends.database import DatabaseQueue
from djutils.testing.contract import LaneContract
from djutils.testing.contract_machine import ModelContract

from .frozen import FrozenContract
from .lane_races import LaneRaces
from .neighbours import EACH, NeighbourContract, connection_of


class TestMariaDB(FrozenContract, NeighbourContract, ModelContract):
    prompt = False
    NUMBERS = f"(SELECT seq AS n FROM seq_1_to_{EACH}) AS numbers"
    ANALYZE = "ANALYZE TABLE djutils_queuemessage, djutils_queuekey, djutils_queueworker"

    @pytest.fixture(autouse=True)
    def server(self, mariadb_alias: str) -> None:
        self.alias = mariadb_alias

    def make_queue(self, name: str = "contract") -> DatabaseQueue:
        return DatabaseQueue(name, self.alias)

    def text(self, prefix: str, number: str = "n") -> str:
        return f"concat('{prefix}', {number})"

    def work(self, queue: DatabaseQueue) -> int:
        with connection_of(queue).cursor() as cursor:
            cursor.execute("SHOW SESSION STATUS LIKE 'Handler_read%'")
            return sum(int(number) for _, number in cursor.fetchall())


class TestMariaDBLanes(LaneRaces, LaneContract):
    @pytest.fixture(autouse=True)
    def server(self, mariadb_alias: str) -> None:
        self.alias = mariadb_alias

    def make_queue(self, name: str = "contract") -> DatabaseQueue:
        return DatabaseQueue(name, self.alias)
