"""What a backend with lanes guarantees: how many messages of a lane may be lent, which come next, and that none is stuck."""

from __future__ import annotations

import time

import pytest

from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.exceptions import UnsupportedOption
from djutils.queue.ids import new_id
from djutils.queue.message import Envelope, Lane, Stats
from djutils.testing.contract_fixtures import LeaseFixtures, needs_priority
from djutils.testing.contract_names import each_pair
from djutils.testing.contract_queue import until

ONE = Lane("one")
TWO = Lane("two", width=2)
ORDERED = Lane("ordered", ordered=True)


class LaneFixtures(LeaseFixtures):
    """Helpers of the tests of lanes."""

    def line_up(
        self, queue: LeasedQueue, lane: Lane, count: int = 1, *, delay: float = 0.0, priority: int = 0
    ) -> list[str]:
        ids = [new_id() for _ in range(count)]
        queue.send_in_lanes([(Envelope(id, b"data", delay, priority), lane) for id in ids])
        return ids

    def run_all(self, queue: LeasedQueue, owner: int) -> list[str]:
        """Lend and settle one message after the other until nothing is ready; return their ids."""
        ids: list[str] = []
        while lent := self.lend(queue, owner, 1):
            assert queue.settle_in_lanes(owner, lent) == set(lent)
            ids += lent
        return ids

    def swept(self, queue: LeasedQueue, owner: int) -> list[str]:
        """Sweep until a message is ready, and lend it."""

        def look() -> list[str]:
            queue.sweep_lanes()
            return self.lend(queue, owner)

        return until(look, "it was admitted by a sweep")


class Laning(LaneFixtures):
    """Sending to lanes, and settling."""

    def test_it_says_that_it_has_lanes(self, queue: LeasedQueue) -> None:
        assert queue.supports_lanes

    def test_no_more_messages_of_a_lane_are_lent_than_it_is_wide(
        self, queue: LeasedQueue, owner: int, other: int
    ) -> None:
        ids = self.line_up(queue, TWO, 5)

        assert self.lend(queue, owner, 1) + self.lend(queue, other) == ids[:2]
        assert queue.stats() == Stats(leased=2, waiting=3)
        assert len(queue) == 3

    def test_each_end_admits_the_next_in_the_order_in_which_they_were_sent(
        self, queue: LeasedQueue, owner: int
    ) -> None:
        ids = self.line_up(queue, ONE, 2) + self.line_up(queue, ONE, 2)

        assert self.run_all(queue, owner) == ids
        assert queue.stats() == Stats()

    def test_lanes_and_messages_without_one_do_not_wait_for_each_other(
        self, queue: LeasedQueue, owner: int
    ) -> None:
        first, *_ = self.line_up(queue, ONE, 3)
        second, *_ = self.line_up(queue, ORDERED, 3)
        plain = self.send(queue, 2)

        assert self.lend(queue, owner) == [first, second, *plain]

    def test_a_long_lane_delays_another_one_by_no_more_than_its_width(
        self, queue: LeasedQueue, owner: int
    ) -> None:
        self.line_up(queue, TWO, 100)
        (id,) = self.line_up(queue, ONE)

        assert self.run_all(queue, owner).index(id) <= TWO.width

    @needs_priority
    def test_the_most_urgent_of_a_lane_is_admitted_first(self, queue: LeasedQueue, owner: int) -> None:
        first, usual = self.line_up(queue, ONE, 2)
        (urgent,) = self.line_up(queue, ONE, priority=5)

        assert self.run_all(queue, owner) == [first, urgent, usual]

    def test_the_rule_of_a_lane_is_that_of_the_message_sent_last(
        self, queue: LeasedQueue, owner: int
    ) -> None:
        ids = self.line_up(queue, ONE, 3)
        assert self.lend(queue, owner) == ids[:1]

        ids += self.line_up(queue, ONE._replace(width=3))
        assert self.lend(queue, owner) == ids[1:3]
        ids += self.line_up(queue, ONE, 1)
        assert queue.settle_in_lanes(owner, ids[:2]) == {*ids[:2]}
        assert self.lend(queue, owner) == []

    def test_an_id_that_is_there_is_not_sent_again(self, queue: LeasedQueue, owner: int) -> None:
        sent = [(Envelope(id, b"data"), ONE) for id in (new_id(), new_id())]
        queue.send_in_lanes([*sent, *sent])
        queue.send_in_lanes(sent)

        assert queue.stats() == Stats(ready=1, waiting=1)
        assert self.run_all(queue, owner) == [envelope.id for envelope, _ in sent]
        assert queue.stats() == Stats()

    def test_many_lanes_are_settled_at_once(self, queue: LeasedQueue, owner: int) -> None:
        lanes = [Lane(f"lane {n}", width=1 + n % 2) for n in range(150)]
        ids = [new_id() for _ in range(600)]
        queue.send_in_lanes([(Envelope(id, b"data"), lanes[n % 150]) for n, id in enumerate(ids)])

        turns = []
        while lent := self.lend(queue, owner, 1000):
            assert queue.settle_in_lanes(owner, lent) == set(lent)
            turns.append(len(lent))
        assert turns == [225, 225, 75, 75]
        assert queue.stats() == Stats()

    def test_nothing_is_nothing(self, queue: LeasedQueue, owner: int) -> None:
        queue.send_in_lanes([])
        assert queue.settle_in_lanes(owner) == set()
        assert queue.start_in_lanes(owner, []) == set()
        assert queue.admit([]) == queue.admit(["unknown"]) == queue.sweep_lanes() == 0
        assert queue.stats() == Stats()

    @pytest.mark.parametrize(
        "lane",
        [
            Lane("x", width=0),
            Lane("x", width=1_000_001),
            Lane("x", burst=0),
            Lane("x", width=1.5),  # type: ignore[arg-type]
            Lane("x", pace=-1.0),
            Lane("x", pace=float("nan")),
            Lane("x", pace=float("inf")),
            Lane("x", pace="fast"),  # type: ignore[arg-type]
            Lane(b"x"),  # type: ignore[arg-type]
        ],
        ids=str,
    )
    def test_a_rule_that_cannot_be_kept_is_refused_and_nothing_is_sent(
        self, queue: LeasedQueue, lane: Lane
    ) -> None:
        with pytest.raises(UnsupportedOption, match=r"nothing was sent\."):
            queue.send_in_lanes([(Envelope(new_id(), b"data"), ONE), (Envelope(new_id(), b"data"), lane)])
        assert queue.stats() == Stats()

    # Names

    @each_pair
    def test_lanes_of_similar_names_are_different(
        self, queue: LeasedQueue, owner: int, names: tuple[str, str]
    ) -> None:
        ids = [self.line_up(queue, Lane(name), 2) for name in names]

        assert self.lend(queue, owner) == [ids[0][0], ids[1][0]]

    @pytest.mark.parametrize(
        "text", ["🚀", "nul \0", "", "line\nbreak", "\udcff", "\1\2", "n" * 5000], ids=ascii
    )
    def test_any_text_is_a_name(self, queue: LeasedQueue, owner: int, text: str) -> None:
        ids = self.line_up(queue, Lane(text), 2)

        assert self.run_all(queue, owner) == ids

    def test_long_names_are_told_apart_to_their_last_character(self, queue: LeasedQueue, owner: int) -> None:
        ids = [self.line_up(queue, Lane(end.rjust(500, "n")), 2) for end in "ab"]

        assert self.lend(queue, owner) == [ids[0][0], ids[1][0]]

    def test_lanes_of_different_queues_are_different(self, queue: LeasedQueue, owner: int, name: str) -> None:
        neighbour: LeasedQueue = self.make_queue(f"{name}-neighbour")
        (ours,), (theirs,) = self.line_up(queue, ONE), self.line_up(neighbour, ONE)

        assert self.lend(queue, owner) == [ours]
        assert self.lend(neighbour, self.enroll(neighbour)) == [theirs]
        neighbour.flush()
        neighbour.close()


class Pacing(LaneFixtures):
    """Lanes in which messages start no more often than a pace allows."""

    def test_a_burst_is_admitted_at_once_and_the_others_in_their_turn(
        self, queue: LeasedQueue, owner: int
    ) -> None:
        ids = self.line_up(queue, Lane("paced", width=10, pace=30.0, burst=2), 4)

        assert self.lend(queue, owner) == ids[:2]
        assert queue.settle_in_lanes(owner, ids[:2]) == {*ids[:2]}
        assert self.lend(queue, owner) == []
        assert queue.stats() == Stats(waiting=2)
        assert queue.admit(["paced"]) == queue.sweep_lanes() == 0

    def test_the_next_starts_when_the_pace_lets_it(self, queue: LeasedQueue, owner: int) -> None:
        lane, began = Lane("paced", width=10, pace=0.2), time.monotonic()
        for id in self.line_up(queue, lane, 3):
            assert until(lambda: self.swept_or_lent(queue, owner), "it was lent") == [id]
            queue.settle_in_lanes(owner, [id])

        # The clock of the store and ours need not agree to the millisecond.
        assert time.monotonic() - began >= 2 * lane.pace - 0.02

    def test_what_is_lent_too_early_may_not_start_yet(self, queue: LeasedQueue, owner: int) -> None:
        lane = Lane("paced", width=10, pace=0.0001, burst=10)
        ids = self.line_up(queue, lane, 5)
        assert self.lend(queue, owner) == ids
        self.line_up(queue, lane._replace(pace=0.9, burst=2))

        # One after the other, as threads do.
        starting = [id for id in ids if queue.start_in_lanes(owner, [id])]

        assert starting == ids[:2]
        assert queue.held(owner, ids) == {*ids[:2]}
        # Each has a turn that no other one has; those whose turn is far away wait in their lane again.
        stats = queue.stats()
        assert (stats.ready + stats.delayed, stats.leased, stats.waiting) == (2, 2, 2)
        assert queue.start_in_lanes(owner, ids) == set()

    def test_where_there_is_no_pace_every_message_of_the_owner_may_start(
        self, queue: LeasedQueue, owner: int, other: int
    ) -> None:
        ids = self.line_up(queue, TWO, 2)
        self.lend(queue, owner)

        assert queue.start_in_lanes(owner, ids) == set(ids)
        assert queue.start_in_lanes(other, ids) == set()

    def swept_or_lent(self, queue: LeasedQueue, owner: int) -> list[str]:
        queue.sweep_lanes()
        return self.lend(queue, owner)
