"""What a backend guarantees for release, retry and reject, and for the fencing of all three."""

from __future__ import annotations

import time

import pytest

from djutils.queue.backends.base import new_owner
from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.ids import new_id
from djutils.queue.message import Delivery, Envelope, Rejection, Retrial, Stats
from djutils.testing.contract_fixtures import SETTLE, LeaseFixtures, Settle, each_way_to_settle, ids_of
from djutils.testing.contract_queue import until


class Outcomes(LeaseFixtures):
    """release, retry, reject, and their fencing."""

    @each_way_to_settle
    def test_only_the_owner_can_settle(
        self, queue: LeasedQueue, owner: int, other: int, settle: Settle
    ) -> None:
        (id,) = self.send(queue)
        self.lend(queue, owner)

        assert settle(queue, other, id) == set()
        assert settle(queue, new_owner(), id) == set()
        assert queue.stats() == Stats(leased=1)
        assert settle(queue, owner, id) == {id}

    @each_way_to_settle
    def test_settling_again_changes_nothing(self, queue: LeasedQueue, owner: int, settle: Settle) -> None:
        (id,) = self.send(queue)
        self.lend(queue, owner)
        settle(queue, owner, id)
        settled = queue.stats()

        assert [settle(queue, owner, id) for settle in SETTLE.values()] == [set()] * len(SETTLE)
        assert queue.stats() == settled

    @each_way_to_settle
    def test_what_was_never_lent_cannot_be_settled(
        self, queue: LeasedQueue, owner: int, settle: Settle
    ) -> None:
        (id,) = self.send(queue)

        assert settle(queue, owner, id) == set()
        assert settle(queue, owner, new_id()) == set()
        assert queue.stats() == Stats(ready=1)

    @each_way_to_settle
    def test_a_late_owner_is_told_so_and_changes_nothing(
        self, queue: LeasedQueue, owner: int, other: int, settle: Settle
    ) -> None:
        (id,) = self.send(queue)
        self.lend(queue, owner)
        queue.reap(owner, running={})
        self.lend(queue, other)

        assert settle(queue, owner, id) == set()
        assert queue.stats() == Stats(leased=1)
        assert queue.adopt(other, []) == [Delivery(id, b"data 0")]
        assert queue.ack(other, [id]) == {id}

    def test_the_owners_part_of_a_mixed_lot_is_settled(
        self, queue: LeasedQueue, owner: int, other: int
    ) -> None:
        ours, theirs, waiting = self.send(queue, 3)
        self.lend(queue, owner, 1)
        self.lend(queue, other, 1)

        assert queue.ack(owner, [theirs, ours, waiting, ours]) == {ours}
        assert queue.stats() == Stats(ready=1, leased=1)

    def test_settling_an_id_twice_in_one_call_settles_it_once(self, queue: LeasedQueue, owner: int) -> None:
        retried, dead = self.send(queue, 2)
        self.lend(queue, owner)

        assert queue.retry(owner, [Retrial(retried, 0.0), Retrial(retried, 60.0)]) == {retried}
        assert queue.reject(owner, [Rejection(dead, "first"), Rejection(dead, "second")]) == {dead}

        assert queue.receive(owner, 1).deliveries == [Delivery(retried, b"data 0", 1, 0, 0)]
        assert [(letter.error, letter.attempts) for letter in queue.dead_letters()] == [("first", 1)]

    def test_ids_that_were_acked_too_late_are_answered(
        self, queue: LeasedQueue, owner: int, other: int
    ) -> None:
        ours, theirs, fresh = self.send(queue, 3)
        self.lend(queue, owner, 1)
        self.lend(queue, other, 1)

        batch = queue.receive(owner, 10, done=[ours, theirs, "unheard-of"])

        assert batch.late == {theirs, "unheard-of"}
        assert ids_of(batch.deliveries) == [fresh]
        assert queue.ack(other, [theirs]) == {theirs}

    def test_released_messages_are_the_next_to_be_lent_in_their_old_order(
        self, queue: LeasedQueue, owner: int, other: int
    ) -> None:
        ids = self.send(queue, 6)
        self.lend(queue, owner, 4)

        assert queue.release(owner, {ids[3], ids[1], ids[2]}) == set(ids[1:4])

        assert self.lend(queue, other) == ids[1:]

    def test_a_release_is_without_blame(self, queue: LeasedQueue, owner: int) -> None:
        (id,) = self.send(queue)
        for _ in range(3):
            self.lend(queue, owner)
            queue.release(owner, [id])

        assert queue.receive(owner, 1).deliveries == [Delivery(id, b"data 0", 0, 0, 0)]

    def test_a_retry_counts_an_attempt_and_nothing_else(self, queue: LeasedQueue, owner: int) -> None:
        (id,) = self.send(queue)
        for attempts in range(3):
            told = "it failed" if attempts else ""
            assert self.lend_one(queue, owner) == Delivery(id, b"data 0", attempts, 0, 0, told)
            assert queue.retry(owner, [Retrial(id, 0.0, "it failed")]) == {id}

    def test_an_offer_to_a_worker_that_does_not_know_it_is_no_attempt(
        self, queue: LeasedQueue, owner: int
    ) -> None:
        (id,) = self.send(queue)
        for offers in range(3):
            told = "unknown" if offers else ""
            assert self.lend_one(queue, owner) == Delivery(id, b"data 0", 0, 0, 0, told, offers)
            assert queue.retry(owner, [Retrial(id, 0.0, "unknown", 0)]) == {id}

        self.lend_one(queue, owner)
        queue.reject(owner, [Rejection(id, "unknown", 0)])
        assert queue.replay() == 1
        assert self.lend_one(queue, owner) == Delivery(id, b"data 0")

    def test_a_rejected_message_is_dead_with_its_error_and_its_charge(
        self, queue: LeasedQueue, owner: int
    ) -> None:
        tried, untried = self.send(queue, 2)
        self.lend(queue, owner, 1)
        queue.retry(owner, [Retrial(tried, 0.0, "first")])
        until(lambda: self.lend(queue, owner) and len(queue) == 0, "both were lent")

        rejections = [Rejection(tried, "second", 1), Rejection(untried, "bad bytes", 0)]
        assert queue.reject(owner, rejections) == {tried, untried}

        letters = {letter.id: letter for letter in queue.dead_letters()}
        assert (letters[tried].error, letters[tried].attempts) == ("second", 2)
        assert (letters[untried].error, letters[untried].attempts) == ("bad bytes", 0)
        assert self.lend(queue, owner) == []

    @pytest.mark.parametrize("odd", ["\x00", "\udcff"], ids=ascii)
    def test_a_retry_stands_an_error_of_odd_characters(
        self, queue: LeasedQueue, owner: int, odd: str
    ) -> None:
        (id,) = self.send(queue)
        self.lend(queue, owner)

        assert queue.retry(owner, [Retrial(id, 0.0, odd)]) == {id}
        self.lend_one(queue, owner)
        assert queue.reap(owner, running={id: odd}) == 1

    def test_the_newest_dead_letter_is_the_last_that_died(self, queue: LeasedQueue, owner: int) -> None:
        first, second = self.send(queue, 2)
        self.lend(queue, owner)
        queue.reject(owner, [Rejection(second, "no")])
        died = time.monotonic()
        until(lambda: time.monotonic() - died > 0.005, "the backend's clock went on")

        queue.reject(owner, [Rejection(first, "no")])

        assert [letter.id for letter in queue.dead_letters()] == [first, second]

    def test_a_replayed_message_begins_anew(self, queue: LeasedQueue, owner: int, other: int) -> None:
        (id,) = self.send(queue)
        self.lend(queue, owner)
        queue.reap(owner)
        self.lend(queue, other)
        queue.reject(other, [Rejection(id, "no", 2)])
        assert queue.dead_letters()[0].redeliveries == 1

        assert queue.replay([id]) == 1

        assert queue.receive(other, 1).deliveries == [Delivery(id, b"data 0", 0, 0, 0)]

    def test_only_the_dead_are_replayed_or_discarded(self, queue: LeasedQueue, owner: int) -> None:
        lent, ready = self.send(queue, 2)
        self.lend(queue, owner, 1)

        assert queue.replay([lent, ready]) == 0
        assert queue.discard([lent, ready]) == 0
        assert queue.dead_letters([lent, ready]) == []
        assert queue.stats() == Stats(ready=1, leased=1)

    def test_a_discarded_id_may_be_sent_again(self, queue: LeasedQueue, owner: int) -> None:
        id = self.kill(queue)
        queue.discard([id])

        queue.send([Envelope(id, b"again")])

        assert queue.receive(owner, 1).deliveries == [Delivery(id, b"again", 0, 0, 0)]
