"""What a backend guarantees to messages of a low priority while more urgent ones keep coming."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from djutils.queue.backends.ageing import ONE_IN
from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.ids import new_id
from djutils.queue.message import Envelope, Retrial
from djutils.testing.contract_fixtures import LeaseFixtures, needs_delay, needs_priority
from djutils.testing.contract_queue import until

BACKLOG = 500
each_count = pytest.mark.parametrize("count", [1, 3, 10, 64])


class Ageing(LeaseFixtures):
    """The oldest message gets its share, whatever its priority."""

    def received(self, queue: LeasedQueue, owner: int, count: int, priority: int = 100) -> Iterator[str]:
        """Yield what is lent and done, ``count`` at once, while as many urgent ones are sent as are lent."""
        while lent := self.lend(queue, owner, count):
            yield from lent
            self.send(queue, len(lent), priority=priority)
            queue.ack(owner, lent)

    def lent_before(self, queue: LeasedQueue, owner: int, count: int, id: str) -> int:
        """Return how many messages are lent before ``id`` is."""
        for number, lent in enumerate(self.received(queue, owner, count)):
            assert number < 3 * BACKLOG, "it starves"
            if lent == id:
                return number
        raise AssertionError("it is not there")

    @each_count
    @needs_priority
    def test_the_lowest_is_lent_while_urgent_ones_keep_coming(
        self, queue: LeasedQueue, owner: int, count: int
    ) -> None:
        self.send(queue, BACKLOG, priority=100)
        (lowest,) = self.send(queue, priority=-100)

        assert BACKLOG <= self.lent_before(queue, owner, count, lowest) < BACKLOG + ONE_IN + count

    @each_count
    @needs_priority
    def test_the_oldest_is_lent_soon_whatever_is_more_urgent(
        self, queue: LeasedQueue, owner: int, count: int
    ) -> None:
        (oldest,) = self.send(queue)
        self.send(queue, BACKLOG, priority=1)

        assert self.lent_before(queue, owner, count, oldest) < ONE_IN + 2 * count

    @each_count
    @needs_priority
    def test_urgent_ones_keep_their_share(self, queue: LeasedQueue, owner: int, count: int) -> None:
        low = {*self.send(queue, 50, priority=-1), *self.send(queue, 50)}
        self.send(queue, BACKLOG, priority=1)

        lent = [id for id, _ in zip(self.received(queue, owner, count, priority=1), range(640), strict=False)]

        assert 640 // ONE_IN - 2 - count // ONE_IN <= len(low.intersection(lent)) <= 640 // ONE_IN

    @each_count
    @needs_priority
    def test_each_priority_keeps_its_order(self, queue: LeasedQueue, owner: int, count: int) -> None:
        sent = {priority: list[str]() for priority in (-3, 0, 2, 9)}
        for n in range(160):
            priority = (-3, 0, 2, 9)[n % 4 if n < 80 else 3 - n % 4]
            sent[priority] += self.send(queue, priority=priority)

        lent: list[str] = []
        while some := self.lend(queue, owner, count):
            ranks = [next(rank for rank, ids in sent.items() if id in ids) for id in some]
            assert ranks == sorted(ranks, reverse=True)
            lent += some
        for ids in sent.values():
            assert [id for id in lent if id in ids] == ids
        assert len(lent) == len({*lent}) == 160

    @needs_priority
    def test_the_oldest_is_first_among_all_that_are_not_the_most_urgent(
        self, queue: LeasedQueue, owner: int
    ) -> None:
        ids = [*self.send(queue, priority=-7), *self.send(queue, priority=3), *self.send(queue)]
        self.send(queue, BACKLOG, priority=50)

        turns = list(zip(self.received(queue, owner, 1), range(8 * ONE_IN), strict=False))

        assert [id for id, _ in turns if id in ids] == ids

    @needs_priority
    def test_each_process_lends_its_share_of_what_is_old(
        self, queue: LeasedQueue, owner: int, other: int, name: str
    ) -> None:
        second: LeasedQueue = self.make_queue(name)
        low = self.send(queue, BACKLOG, priority=-1)
        self.send(queue, BACKLOG)

        lent: list[str] = []
        for _ in range(8 * ONE_IN):
            lent += self.lend(queue, owner, 1) + self.lend(second, other, 1)

        assert [id for id in lent if id in low] == low[: 2 * 8]
        second.close()

    @needs_priority
    def test_one_that_failed_has_its_turn_again(self, queue: LeasedQueue, owner: int) -> None:
        (low,) = self.send(queue, priority=-1)
        self.send(queue, BACKLOG, priority=1)

        for _ in range(3):
            assert self.lent_before(queue, owner, 1, low) < 2 * ONE_IN
            assert queue.retry(owner, [Retrial(low, 0.0, "again")]) == {low}

    @needs_delay
    @needs_priority
    def test_one_that_was_delayed_has_its_turn_when_it_is_due(self, queue: LeasedQueue, owner: int) -> None:
        (low,) = self.send(queue, priority=-1, delay=0.05)
        self.send(queue, BACKLOG, priority=1)
        until(lambda: queue.stats().ready == BACKLOG + 1, "it was due")

        assert self.lent_before(queue, owner, 1, low) < 2 * ONE_IN

    @each_count
    @needs_priority
    def test_it_is_among_what_is_prefetched(self, queue: LeasedQueue, owner: int, count: int) -> None:
        (low,) = self.send(queue, priority=-1)
        self.send(queue, BACKLOG)

        batches = [self.prefetch(queue, owner, count)().deliveries for _ in range(2 + ONE_IN // count)]
        assert low in [delivery.id for batch in batches for delivery in batch]

    @needs_priority
    def test_it_is_among_what_is_read(self, queue: LeasedQueue) -> None:
        queue.send([Envelope(new_id(), b"low", priority=-1)])
        self.send(queue, BACKLOG)

        assert b"low" in [queue.read() for _ in range(ONE_IN + 1)]

    @needs_priority
    def test_large_messages_do_not_hold_it_back(self, queue: LeasedQueue, owner: int) -> None:
        (low,) = self.send(queue, priority=-1)
        for _ in range(8 * ONE_IN):
            queue.send([Envelope(new_id(), bytes(256 * 1024))])

        assert low in self.lend(queue, owner, 3 * ONE_IN) + self.lend(queue, owner, 3 * ONE_IN)
        assert queue.stats().ready > 0
