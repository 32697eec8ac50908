"""What a backend with lanes guarantees of messages that hold a key, and of lanes whose messages have ended elsewhere."""

from __future__ import annotations

import pytest

from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.ids import new_id
from djutils.queue.message import Envelope, Placement, Rejection, Stats
from djutils.testing.contract_lanes import ONE, LaneFixtures


class LaneKeys(LaneFixtures):
    """``send_unique`` into lanes, and ``admit``."""

    @pytest.fixture
    def ids(self, queue: LeasedQueue) -> list[str]:
        """Two messages in one lane, each with a key of its number; only the first one is admitted."""
        ids = [new_id(), new_id()]
        for number, id in enumerate(ids):
            placed = queue.send_unique(Envelope(id, b"data"), f"key {number}", "done", lane=ONE)
            assert placed == Placement(id, "sent")
        return ids

    def test_what_holds_a_key_waits_in_its_lane(self, queue: LeasedQueue, owner: int, ids: list[str]) -> None:
        assert queue.stats() == Stats(ready=1, waiting=1)

        again = queue.send_unique(Envelope(new_id(), b"again"), "key 1", "done", lane=ONE)

        assert again == Placement(ids[1], "held")
        assert self.run_all(queue, owner) == ids
        assert queue.stats() == Stats()

    def test_what_waits_in_a_lane_is_replaced_there(
        self, queue: LeasedQueue, owner: int, ids: list[str]
    ) -> None:
        placed = queue.send_unique(Envelope(new_id(), b"new"), "key 1", "started", lambda id: b"new", ONE)

        assert placed == Placement(ids[1], "replaced")
        assert self.lend(queue, owner) == ids[:1]
        assert queue.settle_in_lanes(owner, ids[:1]) == {ids[0]}
        (delivery,) = queue.receive(owner, 10).deliveries
        assert (delivery.id, delivery.data) == (ids[1], b"new")

    def test_what_is_delayed_in_a_lane_is_due_later_when_it_is_replaced(
        self, queue: LeasedQueue, owner: int
    ) -> None:
        id = new_id()
        queue.send_unique(Envelope(id, b"old", 0.2), "key", "started", lane=ONE)
        queue.send_unique(Envelope(new_id(), b"new", 600.0), "key", "started", lambda id: b"new", ONE)
        (probe,) = self.line_up(queue, ONE._replace(name="probe"), delay=0.3)

        assert self.swept(queue, owner) == [probe], "it was due before that"
        assert queue.find(id)[0].data is None
        assert queue.stats().waiting + queue.stats().delayed == 1

    def test_what_has_ended_without_its_lane_leaves_its_place_to_the_next_one(
        self, queue: LeasedQueue, owner: int
    ) -> None:
        ids = self.line_up(queue, ONE, 4)

        self.lend(queue, owner)
        assert queue.ack(owner, ids[:1]) == {ids[0]}
        assert queue.admit([ONE.name]) == 1
        assert self.lend(queue, owner) == ids[1:2]

        assert queue.reject(owner, [Rejection(ids[1], "no")]) == {ids[1]}
        assert queue.admit([ONE.name]) == 1
        assert queue.admit([ONE.name]) == 0
        assert self.lend(queue, owner) == ids[2:3]
        assert queue.stats() == Stats(leased=1, dead=1, waiting=1)
