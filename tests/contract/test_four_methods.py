"""A class with only ``write``, ``read``, ``flush`` and ``__len__`` is a backend."""

from __future__ import annotations

from pathlib import Path

import pytest

from djutils.testing.contract import QueueContract
from tests.contract.four_methods import FolderQueue


class TestFourMethods(QueueContract):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.connection = str(tmp_path)

    def make_queue(self, name: str = "contract") -> FolderQueue:
        return FolderQueue(name, self.connection)
