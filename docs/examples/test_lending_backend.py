import pytest
from lending_backend import LendingFileQueue  # shop.queues, in your project

from djutils.testing.contract import LeasedQueueContract


class TestLendingFileQueue(LeasedQueueContract):
    @pytest.fixture(autouse=True)
    def file(self, tmp_path):
        self.connection = str(tmp_path / "queue.sqlite3")

    def make_queue(self, name="contract"):
        return LendingFileQueue(name, self.connection)
