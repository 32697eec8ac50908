"""What a backend guarantees for messages that are put aside because their command is paused, and are brought back."""

from __future__ import annotations

from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.message import UNCOUNTED, Lane, Retrial, Stats
from djutils.testing.contract_fixtures import LeaseFixtures, ids_of, needs_delay
from djutils.testing.contract_lanes import LaneFixtures

WHY = "The command 'a' is paused."


def aside(ids: list[str], error: str = WHY, delay: float = 600.0) -> list[Retrial]:
    return [Retrial(id, delay, error, UNCOUNTED) for id in ids]


@needs_delay
class PuttingAside(LeaseFixtures):
    """Retrials that count nothing, and ``bring_back``."""

    def test_what_is_put_aside_waits_and_is_charged_nothing(self, queue: LeasedQueue, owner: int) -> None:
        ids = self.send(queue, 2)
        self.lend(queue, owner)

        assert queue.retry(owner, aside(ids)) == {*ids}

        assert queue.stats() == Stats(delayed=2)
        assert self.lend(queue, owner) == []
        for one in queue.peek("delayed") if queue.supports_peek else ():
            assert (one.attempts, one.crashes, one.redeliveries, one.offers) == (0, 0, 0, 0)
            assert one.error == WHY

    def test_put_aside_once_more_it_is_charged_nothing_either(self, queue: LeasedQueue, owner: int) -> None:
        (id,) = self.send(queue)
        self.lend(queue, owner)
        queue.retry(owner, [Retrial(id, 0.0, "boom")])
        self.lend(queue, owner)

        queue.retry(owner, aside([id], delay=0.0))

        (delivery,) = queue.receive(owner, 1).deliveries
        assert (delivery.attempts, delivery.offers, delivery.error) == (1, 0, WHY)

    def test_what_is_brought_back_is_lent_at_once_in_the_order_in_which_it_was_sent(
        self, queue: LeasedQueue, owner: int
    ) -> None:
        self.can_bring_back(queue)
        ids = self.send(queue, 7)
        self.lend(queue, owner)
        queue.retry(owner, aside(ids))

        assert queue.bring_back(WHY) == 7

        assert ids_of(queue.receive(owner, 10).deliveries) == ids
        assert queue.bring_back(WHY) == 0

    def test_only_so_many_are_brought_back_at_once(self, queue: LeasedQueue, owner: int) -> None:
        self.can_bring_back(queue)
        ids = self.send(queue, 5)
        self.lend(queue, owner)
        queue.retry(owner, aside(ids))

        assert [queue.bring_back(WHY, 3) for _ in range(3)] == [3, 2, 0]
        assert len(self.lend(queue, owner)) == 5

    def test_what_waits_for_another_reason_is_left_alone(self, queue: LeasedQueue, owner: int) -> None:
        self.can_bring_back(queue)
        later = self.send(queue, delay=60)
        one, two, three = self.send(queue, 3)
        self.lend(queue, owner)
        queue.retry(owner, [Retrial(one, 60, "boom"), *aside([two], "The command 'b' is paused.")])
        queue.retry(owner, aside([three], f"{WHY}\n\nboom"))

        assert queue.bring_back(WHY) == 1

        assert self.lend(queue, owner) == [three]
        assert queue.stats() == Stats(delayed=3, leased=1)
        assert later

    def test_those_behind_many_that_wait_for_another_reason_are_found(
        self, queue: LeasedQueue, owner: int
    ) -> None:
        self.can_bring_back(queue)
        self.send(queue, 450, delay=60)
        ids = self.send(queue, 3)
        self.lend(queue, owner)
        queue.retry(owner, aside(ids))

        assert queue.bring_back(WHY, 2) == 2
        assert queue.bring_back(WHY, 2) == 1
        assert self.lend(queue, owner) == ids

    def test_what_was_put_aside_can_be_removed(self, queue: LeasedQueue, owner: int) -> None:
        self.can_bring_back(queue)
        ids = self.send(queue, 2)
        self.lend(queue, owner)
        queue.retry(owner, aside(ids))

        assert queue.remove(ids[:1]) == {ids[0]}

        assert queue.bring_back(WHY) == 1
        assert self.lend(queue, owner) == ids[1:]


class PuttingAsideInLanes(LaneFixtures):
    """The same in lanes."""

    def test_what_is_put_aside_gives_up_its_place_and_waits_in_its_lane_when_it_is_brought_back(
        self, queue: LeasedQueue, owner: int
    ) -> None:
        self.can_bring_back(queue)
        first, second, third = self.line_up(queue, Lane("one"), 3)
        assert self.lend(queue, owner) == [first]

        assert queue.settle_in_lanes(owner, retrials=aside([first])) == {first}

        assert self.lend(queue, owner) == [second]
        assert queue.bring_back(WHY) == 1
        assert self.lend(queue, owner) == []
        queue.settle_in_lanes(owner, [second])
        (delivery,) = queue.receive(owner, 5).deliveries
        assert (delivery.id, delivery.attempts, delivery.offers) == (first, 0, 0)
        queue.settle_in_lanes(owner, [first])
        assert self.lend(queue, owner) == [third]

    def test_in_an_ordered_lane_it_keeps_its_place(self, queue: LeasedQueue, owner: int) -> None:
        self.can_bring_back(queue)
        ids = self.line_up(queue, Lane("ordered", ordered=True), 3)
        self.lend(queue, owner)

        queue.settle_in_lanes(owner, retrials=aside(ids[:1]))

        assert self.lend(queue, owner) == []
        assert queue.bring_back(WHY) == 1
        assert self.run_all(queue, owner) == ids

    def test_many_are_brought_back_to_their_lanes(self, queue: LeasedQueue, owner: int) -> None:
        self.can_bring_back(queue)
        ids = self.line_up(queue, Lane("wide", width=700), 600)
        while lent := self.lend(queue, owner, 250):
            queue.settle_in_lanes(owner, retrials=aside(lent))

        brought = [queue.bring_back(WHY, 500) for _ in range(3)]

        assert brought == [500, 100, 0]
        lent = []
        while some := self.lend(queue, owner, 250):
            lent += some
        assert sorted(lent) == sorted(ids)
