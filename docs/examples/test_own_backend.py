import pytest
from own_backend import FileQueue  # shop.queues, in your project

from djutils.testing.contract import QueueContract


class TestFileQueue(QueueContract):
    @pytest.fixture(autouse=True)
    def file(self, tmp_path):
        self.connection = str(tmp_path / "queue.sqlite3")

    def make_queue(self, name="contract"):
        return FileQueue(name, self.connection)
