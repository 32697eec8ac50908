"""What a backend with lanes guarantees for messages that are settled, given back, replayed and deleted."""

from __future__ import annotations

import pytest

from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.message import Rejection, Retrial, Stats
from djutils.testing.contract_fixtures import needs_delay
from djutils.testing.contract_lanes import ONE, ORDERED, TWO, LaneFixtures
from djutils.testing.contract_queue import until


class LaneOutcomes(LaneFixtures):
    """How messages in lanes are settled, given back, replayed and deleted."""

    def test_only_the_owner_can_settle_what_is_in_a_lane(
        self, queue: LeasedQueue, owner: int, other: int
    ) -> None:
        ids = self.line_up(queue, ONE, 3)
        self.lend(queue, owner)

        assert queue.settle_in_lanes(other, ids) == set()
        assert queue.settle_in_lanes(other, (), [Retrial(ids[0], 0.0)], [Rejection(ids[0], "no")]) == set()
        assert queue.stats() == Stats(leased=1, waiting=2)
        assert queue.settle_in_lanes(owner, [*ids, "unknown"]) == {ids[0]}

    def test_settling_again_admits_no_more(self, queue: LeasedQueue, owner: int) -> None:
        ids = self.line_up(queue, ONE, 3)
        self.lend(queue, owner)
        queue.settle_in_lanes(owner, ids[:1])

        assert queue.settle_in_lanes(owner, ids[:1]) == set()
        assert queue.admit([ONE.name]) == queue.sweep_lanes() == 0
        assert queue.stats() == Stats(ready=1, waiting=1)

    def test_a_retried_message_waits_in_its_lane_before_those_that_were_sent_later(
        self, queue: LeasedQueue, owner: int
    ) -> None:
        ids = self.line_up(queue, TWO, 4)
        self.lend(queue, owner)

        assert queue.settle_in_lanes(owner, (), [Retrial(ids[1], 0.0, "it failed")]) == {ids[1]}
        again = self.lend_one(queue, owner)
        assert (again.id, again.attempts, again.error) == (ids[1], 1, "it failed")

    def test_while_a_message_is_delayed_for_a_retry_its_successor_runs(
        self, queue: LeasedQueue, owner: int
    ) -> None:
        first, second, third = self.line_up(queue, ONE, 3)
        self.lend(queue, owner)

        assert queue.settle_in_lanes(owner, (), [Retrial(first, 60.0, "it failed")]) == {first}
        assert queue.stats() == Stats(ready=1, delayed=1, waiting=1)
        assert self.run_all(queue, owner) == [second, third]
        assert queue.stats() == Stats(delayed=1)

    def test_what_was_delayed_for_a_retry_waits_in_its_lane_when_it_is_due(
        self, queue: LeasedQueue, owner: int
    ) -> None:
        first, second = self.line_up(queue, ONE, 2)
        self.lend(queue, owner)
        queue.settle_in_lanes(owner, (), [Retrial(first, 0.05)])
        self.lend(queue, owner)

        until(lambda: not queue.sweep_lanes() and queue.stats().waiting, "it was due")
        assert self.lend(queue, owner) == []
        queue.settle_in_lanes(owner, [second])
        assert self.lend(queue, owner) == [first]

    def test_in_an_ordered_lane_no_message_overtakes_one_that_is_retried(
        self, queue: LeasedQueue, owner: int
    ) -> None:
        first, second = self.line_up(queue, ORDERED, 2)
        self.lend(queue, owner)

        assert queue.settle_in_lanes(owner, (), [Retrial(first, 0.05, "it failed")]) == {first}
        ready, delayed, *_, waiting = queue.stats()
        assert (ready + delayed, waiting) == (1, 1)  # a slow machine may need longer than the delay
        assert queue.admit([ORDERED.name]) == queue.sweep_lanes() == 0
        assert until(lambda: self.lend(queue, owner), "it was due") == [first]
        queue.settle_in_lanes(owner, [first])
        assert self.lend(queue, owner) == [second]

    def test_a_rejected_message_leaves_its_place_to_the_next(self, queue: LeasedQueue, owner: int) -> None:
        for lane in (ONE, ORDERED):
            first, second = self.line_up(queue, lane, 2)
            self.lend(queue, owner)

            assert queue.settle_in_lanes(owner, (), (), [Rejection(first, "it failed")]) == {first}
            assert [(one.id, one.error, one.attempts) for one in queue.dead_letters([first])] == [
                (first, "it failed", 1)
            ]
            assert self.lend(queue, owner) == [second]
            queue.settle_in_lanes(owner, [second])

    def test_a_replayed_message_waits_in_its_lane(self, queue: LeasedQueue, owner: int) -> None:
        ids = self.line_up(queue, ONE, 3)
        for id in ids[:2]:
            self.lend(queue, owner)
            queue.settle_in_lanes(owner, (), (), [Rejection(id, "it failed")])
        assert self.lend(queue, owner) == ids[2:]

        assert queue.replay() == 2
        assert queue.stats() == Stats(leased=1, waiting=2)
        queue.settle_in_lanes(owner, ids[2:])
        assert self.lend_one(queue, owner).attempts == 0
        assert queue.settle_in_lanes(owner, ids) == {ids[0]}
        assert self.run_all(queue, owner) == [ids[1]]

    def test_a_discarded_message_is_forgotten(self, queue: LeasedQueue, owner: int) -> None:
        first, second = self.line_up(queue, ONE, 2)
        self.lend(queue, owner)
        queue.settle_in_lanes(owner, (), (), [Rejection(first, "it failed")])

        assert queue.discard() == 1
        assert self.run_all(queue, owner) == [second]
        assert queue.stats() == Stats()

    def test_what_is_given_back_keeps_its_place(self, queue: LeasedQueue, owner: int, other: int) -> None:
        ids = self.line_up(queue, ONE, 3)
        self.lend(queue, owner)

        assert queue.release(owner, ids[:1]) == {ids[0]}
        assert queue.admit([ONE.name]) == queue.sweep_lanes() == 0
        assert self.lend(queue, owner) == ids[:1]
        assert queue.reap(owner) == 1
        assert queue.admit([ONE.name]) == queue.sweep_lanes() == 0
        assert self.lend(queue, other) == ids[:1]

    @needs_delay
    def test_what_is_sent_for_later_holds_up_nothing_until_then(self, queue: LeasedQueue, owner: int) -> None:
        (later,) = self.line_up(queue, ONE, delay=0.1)
        (now,) = self.line_up(queue, ONE)
        assert queue.stats().ready == 1

        assert self.lend(queue, owner) == [now]
        until(lambda: not queue.sweep_lanes() and queue.stats().waiting, "it was due")
        queue.settle_in_lanes(owner, [now])
        assert self.lend(queue, owner) == [later]

    @needs_delay
    def test_what_is_due_in_a_free_lane_is_admitted_by_a_sweep(self, queue: LeasedQueue, owner: int) -> None:
        ids = self.line_up(queue, ONE, delay=0.05)

        assert self.swept(queue, owner) == ids

    def test_a_message_that_waits_can_be_removed_and_an_admitted_one_too(
        self, queue: LeasedQueue, owner: int
    ) -> None:
        if type(queue).remove is LeasedQueue.remove:
            pytest.skip(f"{type(queue).__name__} cannot remove a waiting message")
        first, second, third, fourth = self.line_up(queue, ONE, 4)

        assert queue.remove([second, first, "unknown"]) == {first, second}
        assert self.lend(queue, owner) == [third]
        assert queue.remove([third]) == set()
        assert queue.settle_in_lanes(owner, [third]) == {third}
        assert self.lend(queue, owner) == [fourth]

    def test_reading_a_message_admits_the_next(self, queue: LeasedQueue) -> None:
        self.line_up(queue, ONE, 2)

        assert [queue.read(), queue.read(), queue.read()] == [b"data", b"data", None]

    def test_flush_empties_the_lanes_and_counts_what_is_lent_until_it_has_ended(
        self, queue: LeasedQueue, owner: int
    ) -> None:
        first, *_ = self.line_up(queue, ONE, 3)
        self.line_up(queue, TWO, 3, delay=60.0)
        plain = self.send(queue, 1)
        assert set(self.lend(queue, owner)) == {first, *plain}

        queue.flush()

        assert queue.stats() == Stats(leased=1)
        (id,) = self.line_up(queue, ONE)
        assert self.lend(queue, owner) == []
        assert queue.settle_in_lanes(owner, [first]) == {first}
        assert self.lend(queue, owner) == [id]

    def test_a_message_that_ended_otherwise_leaves_its_place_at_the_next_sweep(
        self, queue: LeasedQueue, owner: int
    ) -> None:
        first, second, third = self.line_up(queue, ONE, 3)
        self.lend(queue, owner)
        assert queue.ack(owner, [first]) == {first}
        assert self.swept(queue, owner) == [second]

        assert queue.reject(owner, [Rejection(second, "it failed")]) == {second}
        assert self.swept(queue, owner) == [third]
        assert queue.replay() == 1
        assert queue.stats() == Stats(leased=1, waiting=1, dead=0)
