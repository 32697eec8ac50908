"""What a backend guarantees for owners, including many at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from djutils.queue.backends.base import new_owner
from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.exceptions import OwnerLost
from djutils.queue.ids import new_id
from djutils.queue.message import Delivery, Envelope, Rejection, Retrial, Stats
from djutils.testing.contract_fixtures import LeaseFixtures, ids_of, needs_keys
from djutils.testing.contract_queue import THREADS, all_at_once


def open_here() -> tuple[int, int]:
    """Return how many open files, including sockets, and threads this process has."""
    return len([*Path("/dev/fd").iterdir()]), threading.active_count()


class Owning(LeaseFixtures):
    """enroll, beat, reap, adopt."""

    def test_a_stranger_is_lent_nothing_and_acks_nothing(self, queue: LeasedQueue, owner: int) -> None:
        lent, _ = self.send(queue, 2)
        self.lend(queue, owner, 1)

        with pytest.raises(OwnerLost):
            queue.receive(new_owner(), 10, done=[lent])

        assert queue.stats() == Stats(ready=1, leased=1)
        assert queue.ack(owner, [lent]) == {lent}

    def test_a_reaped_owner_is_a_stranger(self, queue: LeasedQueue, owner: int, other: int) -> None:
        ids = self.send(queue, 2)
        self.lend(queue, owner)
        queue.reap(owner, running={})

        with pytest.raises(OwnerLost):
            queue.receive(owner, 10, done=ids)
        assert self.lend(queue, other) == ids

    def test_enrolling_again_loses_nothing(self, queue: LeasedQueue, owner: int) -> None:
        (id,) = self.send(queue)
        self.lend(queue, owner)

        queue.enroll(owner)

        assert queue.ack(owner, [id]) == {id}

    def test_beats_advance_only_for_those_named(self, queue: LeasedQueue, owner: int, other: int) -> None:
        assert queue.owners() == {owner: 0, other: 0}

        queue.beat([owner])
        assert queue.beat([owner, other]) == {owner, other}

        assert queue.owners() == {owner: 2, other: 1}

    def test_an_owner_named_twice_beats_once(self, queue: LeasedQueue, owner: int) -> None:
        assert queue.beat([owner, owner]) == {owner}

        assert queue.owners() == {owner: 1}

    def test_a_beat_does_not_bring_back_who_was_reaped(self, queue: LeasedQueue, owner: int) -> None:
        queue.reap(owner)

        assert queue.beat([owner]) == set()
        assert queue.owners() == {}

    def test_owners_belong_to_one_queue(self, queue: LeasedQueue, owner: int, name: str) -> None:
        neighbour: LeasedQueue = self.make_queue(f"{name}-neighbour")

        assert neighbour.owners() == {}
        assert neighbour.beat([owner]) == set()
        with pytest.raises(OwnerLost):
            neighbour.receive(owner, 1)
        neighbour.close()

    def test_reaping_gives_everything_back_to_the_head(
        self, queue: LeasedQueue, owner: int, other: int
    ) -> None:
        ids = self.send(queue, 5)
        self.lend(queue, owner, 2)
        self.lend(queue, owner, 1)

        assert queue.reap(owner) == 3

        assert queue.owners() == {other: 0}
        assert self.lend(queue, other) == ids

    def test_reaping_again_finds_nothing(self, queue: LeasedQueue, owner: int, other: int) -> None:
        ids = self.send(queue)
        self.lend(queue, owner)
        queue.reap(owner)
        self.lend(queue, other)

        assert queue.reap(owner) == 0
        assert queue.reap(new_owner()) == 0
        assert queue.ack(other, ids) == set(ids)

    def test_an_owner_that_beats_is_not_reaped(self, queue: LeasedQueue, owner: int) -> None:
        ids = self.send(queue)
        self.lend(queue, owner)
        seen = queue.owners()[owner]
        queue.beat([owner])

        assert queue.reap(owner, beats=seen) == 0

        assert queue.owners() == {owner: seen + 1}
        assert queue.ack(owner, ids) == set(ids)

    def test_an_owner_that_stands_still_is_reaped(self, queue: LeasedQueue, owner: int) -> None:
        self.send(queue)
        self.lend(queue, owner)
        queue.beat([owner])

        assert queue.reap(owner, beats=1) == 1
        assert queue.owners() == {}
        assert queue.reap(owner, beats=1) == 0

    def test_what_ran_is_charged_a_crash_and_the_bystanders_nothing(
        self, queue: LeasedQueue, owner: int, other: int
    ) -> None:
        culprit, bystander, elsewhere = self.send(queue, 3)
        third = self.enroll(queue)
        self.lend(queue, owner, 2)
        self.lend(queue, third, 1)

        assert queue.reap(owner, running={culprit: "killed by signal 9", elsewhere: "no"}) == 2

        assert queue.receive(other, 10).deliveries == [
            Delivery(culprit, b"data 0", 0, 1, 0, "killed by signal 9"),
            Delivery(bystander, b"data 1", 0, 0, 0),
        ]
        assert queue.ack(third, [elsewhere]) == {elsewhere}

    def test_what_went_wrong_last_time_is_told_with_the_delivery(
        self, queue: LeasedQueue, owner: int, other: int
    ) -> None:
        (id,) = self.send(queue)
        assert self.lend_one(queue, owner).error == ""
        queue.retry(owner, [Retrial(id, 0.0, "ValueError: é\n\nTraceback")])
        assert self.lend_one(queue, owner).error == "ValueError: é\n\nTraceback"
        queue.reap(owner, running={id: "was killed"})
        assert self.lend_one(queue, other).error == "was killed"
        assert [delivery.error for delivery in queue.adopt(other, ())] == ["was killed"]

    def test_an_owner_can_ask_what_it_still_holds(self, queue: LeasedQueue, owner: int, other: int) -> None:
        ids = self.send(queue, 3)
        self.lend(queue, owner)
        assert queue.held(owner, [*ids, "0" * 32]) == set(ids)
        assert queue.held(other, ids) == set()
        assert queue.held(owner, []) == set()
        queue.ack(owner, ids[:1])
        assert queue.held(owner, ids) == set(ids[1:])
        queue.reap(owner)
        assert queue.held(owner, ids) == set()

    def test_when_it_is_unknown_what_ran_everything_is_charged_a_redelivery(
        self, queue: LeasedQueue, owner: int, other: int
    ) -> None:
        ids = self.send(queue, 2)
        self.lend(queue, owner)
        queue.reap(owner)

        lent = queue.receive(other, 10).deliveries
        assert [delivery[2:] for delivery in lent] == [(0, 0, 1, "", 0)] * 2
        assert ids_of(lent) == ids

    def test_counters_add_up_and_lie_with_the_dead(self, queue: LeasedQueue) -> None:
        (id,) = self.send(queue)
        for charge in ({id: "signal 9"}, None, {id: "signal 11"}, {}):
            owner = self.enroll(queue)
            self.lend_one(queue, owner)
            queue.retry(owner, [Retrial(id, 0.0, "it failed")])
            self.lend_one(queue, owner)
            queue.reap(owner, running=charge)
        owner = self.enroll(queue)
        assert self.lend_one(queue, owner)[2:] == (4, 2, 1, "it failed", 0)

        queue.reject(owner, [Rejection(id, "enough")])

        (letter,) = queue.dead_letters()
        assert (letter.attempts, letter.crashes, letter.redeliveries) == (5, 2, 1)
        assert letter.error == "enough"

    def test_a_lost_reply_is_adopted(self, queue: LeasedQueue, owner: int, other: int) -> None:
        ids = self.send(queue, 4)
        heard = self.lend(queue, owner, 1)
        self.lend(queue, owner, 2)  # pretend that this reply is lost
        self.lend(queue, other, 1)

        adopted = queue.adopt(owner, heard)

        assert {Delivery(ids[1], b"data 1"), Delivery(ids[2], b"data 2")} == set(adopted)
        assert queue.adopt(owner, ids) == []
        assert queue.ack(owner, ids[:3]) == set(ids[:3])

    def test_adoption_shows_the_counters_and_changes_none(
        self, queue: LeasedQueue, owner: int, other: int
    ) -> None:
        (id,) = self.send(queue)
        self.lend(queue, owner)
        queue.reap(owner, running={id: "signal 9"})
        self.lend(queue, other)

        assert (
            queue.adopt(other, []) == queue.adopt(other, []) == [Delivery(id, b"data 0", 0, 1, 0, "signal 9")]
        )
        assert queue.adopt(new_owner(), []) == []

    def test_a_closed_queue_leaves_nothing_open_to_those_who_are_forked(
        self, queue: LeasedQueue, owner: int
    ) -> None:
        # The first queue to open may create what all queues of the process share.
        queue.open()
        queue.close()
        before = open_here()
        queue.open()
        assert queue.owners() == {owner: 0}

        queue.close()

        assert open_here() == before


class Sharing(LeaseFixtures):
    """Many owners at once, each with its own queue object."""

    def test_threads_are_never_lent_the_same_and_lose_nothing(self, queue: LeasedQueue, name: str) -> None:
        each = 60

        def work(number: int) -> list[str]:
            own: LeasedQueue = self.make_queue(name)
            own.open()
            try:
                for _ in range(each // 20):
                    self.send(own, 20, priority=number % 3 - 1)
                return list(self._consume(own))
            finally:
                own.close()

        lent = [id for part in all_at_once(work) for id in part]

        assert len(lent) == len(set(lent)) == THREADS * each
        assert queue.stats() == Stats()

    def _consume(self, queue: LeasedQueue) -> Iterator[str]:
        owner, done = self.enroll(queue), list[str]()
        while len(queue) or done:
            batch = queue.receive(owner, 7, done)
            assert not batch.late
            done = ids_of(batch.deliveries)
            yield from done
        assert queue.reap(owner) == 0

    def test_of_many_reapers_one_takes_back(self, queue: LeasedQueue, owner: int, name: str) -> None:
        self.send(queue, 10)
        self.lend(queue, owner)

        def reap(_: int) -> int:
            own: LeasedQueue = self.make_queue(name)
            try:
                return own.reap(owner, beats=0)
            finally:
                own.close()

        assert sorted(all_at_once(reap)) == [0] * (THREADS - 1) + [10]
        assert queue.stats() == Stats(ready=10)

    @needs_keys
    def test_of_many_with_one_key_one_sends(self, queue: LeasedQueue, name: str) -> None:
        def send(_: int) -> bool:
            own: LeasedQueue = self.make_queue(name)
            try:
                return own.send_once("2026-11-24T06:00", Envelope(new_id(), b"data"))
            finally:
                own.close()

        assert sorted(all_at_once(send)) == [False] * (THREADS - 1) + [True]
        assert len(queue) == 1

    @needs_keys
    def test_a_key_stays_used_when_its_message_is_done(self, queue: LeasedQueue, owner: int) -> None:
        assert queue.send_once("key", Envelope(new_id(), b"first"))
        assert queue.read() == b"first"

        assert not queue.send_once("key", Envelope(new_id(), b"second"))
        assert queue.read() is None

    @needs_keys
    def test_keys_are_told_apart_and_belong_to_one_queue(self, queue: LeasedQueue, name: str) -> None:
        neighbour: LeasedQueue = self.make_queue(f"{name}-neighbour")
        keys = ["app.nightly 2026-11-24T06:00", "app.nightly 2026-11-24T06:01", "ä{b}:%"]

        assert all(queue.send_once(key, Envelope(new_id(), b"data")) for key in keys)
        assert neighbour.send_once(keys[0], Envelope(new_id(), b"data"))

        assert (len(queue), len(neighbour)) == (3, 1)
        neighbour.flush()
        neighbour.close()
