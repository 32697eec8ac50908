"""A class with only ``write``, ``read``, ``flush`` and ``__len__`` is a backend."""

from __future__ import annotations

from pathlib import Path

import pytest

from djutils.queue.exceptions import UnsupportedOption
from djutils.queue.ids import new_id
from djutils.queue.message import Envelope, Lane
from djutils.testing.contract import QueueContract
from tests.contract.four_methods import FolderQueue


class TestFourMethods(QueueContract):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.connection = str(tmp_path)

    def make_queue(self, name: str = "contract") -> FolderQueue:
        return FolderQueue(name, self.connection)

    def test_a_message_in_a_lane_is_refused_and_not_sent(self, queue: FolderQueue) -> None:
        assert not queue.supports_lanes
        with pytest.raises(UnsupportedOption, match="FolderQueue has no lanes.* nothing was sent"):
            queue.send_in_lanes([(Envelope(new_id(), b"data"), Lane("one"))])

        assert len(queue) == queue.sweep_lanes() == 0
