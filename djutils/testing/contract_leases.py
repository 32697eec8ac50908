"""What a leased backend guarantees: a message is removed only when its owner settles it."""

from __future__ import annotations

import threading
import time
from functools import partial

import pytest

from djutils.queue.backends.base import new_owner
from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.exceptions import OwnerLost
from djutils.queue.ids import new_id
from djutils.queue.message import Batch, Delivery, Envelope, Rejection, Retrial, Stats
from djutils.testing.contract_fixtures import LeaseFixtures, Settle, each_way_to_settle, ids_of, needs_waiting
from djutils.testing.contract_queue import PATIENCE, until


class Lending(LeaseFixtures):
    """send, receive, ack."""

    def test_it_says_what_it_can(self, queue: LeasedQueue) -> None:
        assert isinstance(queue, LeasedQueue)
        assert queue.supports_leases

    def test_what_is_lent_carries_its_id_its_data_and_no_blame(self, queue: LeasedQueue, owner: int) -> None:
        id = new_id()
        queue.send([Envelope(id, bytes(range(256)))])

        assert queue.receive(owner, 1).deliveries == [Delivery(id, bytes(range(256)), 0, 0, 0)]

    def test_what_is_lent_is_not_lent_again(self, queue: LeasedQueue, owner: int, other: int) -> None:
        ids = self.send(queue, 3)

        assert self.lend(queue, owner, 2) == ids[:2]
        assert self.lend(queue, other) == ids[2:]
        assert self.lend(queue, owner) == []

    def test_an_empty_queue_gives_an_empty_batch(self, queue: LeasedQueue, owner: int) -> None:
        assert queue.receive(owner, 10) == ([], frozenset())

    def test_no_owner_is_given_more_than_requested(self, queue: LeasedQueue, owner: int) -> None:
        ids = self.send(queue, 3)

        assert self.lend(queue, owner, 0) == []
        assert self.lend(queue, owner, 1) == ids[:1]

    def test_a_large_batch_keeps_its_order(self, queue: LeasedQueue, owner: int) -> None:
        ids = self.send(queue, 2500)

        lent: list[str] = []
        while batch := self.lend(queue, owner, 2500):
            lent += batch
        assert lent == ids
        assert queue.ack(owner, ids) == set(ids)
        assert queue.stats() == Stats()

    def test_what_was_asked_for_is_lent_and_done_when_the_answer_is_heard(
        self, queue: LeasedQueue, owner: int, other: int
    ) -> None:
        ids = self.send(queue, 3)
        done = self.lend(queue, owner, 1)

        answer = self.prefetch(queue, owner, 1, [*done, "unknown"])
        batch = answer()
        assert ids_of(batch.deliveries) == [ids[1]]
        assert batch.late == {"unknown"}
        assert self.lend(queue, other) == [ids[2]]
        assert queue.stats().leased == 2

    def test_an_answer_may_be_heard_in_another_thread(self, queue: LeasedQueue, owner: int) -> None:
        ids = self.send(queue, 2)
        answer = self.prefetch(queue, owner, 10)
        heard: list[Batch] = []

        def listen() -> None:
            heard.append(answer())
            queue.close()

        listener = threading.Thread(target=listen)
        listener.start()
        listener.join()
        assert ids_of(heard[0].deliveries) == ids
        assert queue.ack(owner, ids) == set(ids)

    def test_who_asks_without_being_enrolled_hears_of_it_in_the_answer(self, queue: LeasedQueue) -> None:
        self.send(queue)
        answer = self.prefetch(queue, new_owner(), 1)

        with pytest.raises(OwnerLost):
            answer()
        assert queue.stats().ready == 1

    def test_huge_messages_are_lent_a_few_at_a_time_but_never_none(
        self, queue: LeasedQueue, owner: int
    ) -> None:
        data = b"\xff" * (3 * 1024 * 1024)
        envelopes = [Envelope(new_id(), data) for _ in range(3)]
        for envelope in envelopes:
            queue.send([envelope])

        lent: list[Delivery] = []
        while batch := queue.receive(owner, 10).deliveries:
            lent += batch
        assert ids_of(lent) == [envelope.id for envelope in envelopes]
        assert all(delivery.data == data for delivery in lent)

    def test_sending_nothing_is_nothing(self, queue: LeasedQueue) -> None:
        queue.send([])

        assert queue.stats() == Stats()

    def test_an_id_that_waits_is_not_sent_again(self, queue: LeasedQueue, owner: int) -> None:
        id = new_id()
        queue.send([Envelope(id, b"first"), Envelope(id, b"second")])
        queue.send([Envelope(id, b"third")])

        assert [delivery.data for delivery in queue.receive(owner, 10).deliveries] == [b"first"]

    def test_an_id_that_is_lent_or_dead_is_not_sent_again(self, queue: LeasedQueue, owner: int) -> None:
        (id,) = self.send(queue)
        self.lend(queue, owner)

        queue.send([Envelope(id, b"again")])
        assert queue.stats() == Stats(leased=1)
        assert self.lend(queue, owner) == []

        queue.reject(owner, [Rejection(id, "no")])
        queue.send([Envelope(id, b"again")])
        assert queue.stats() == Stats(dead=1)

    def test_a_new_id_beside_a_known_one_is_sent(self, queue: LeasedQueue, owner: int) -> None:
        (known,) = self.send(queue)
        fresh = new_id()

        queue.send([Envelope(known, b"again"), Envelope(fresh, b"fresh")])

        assert self.lend(queue, owner) == [known, fresh]

    def test_what_is_acked_is_gone(self, queue: LeasedQueue, owner: int) -> None:
        ids = self.send(queue, 3)
        self.lend(queue, owner)

        assert queue.ack(owner, ids[:2]) == set(ids[:2])
        assert queue.stats() == Stats(leased=1)
        queue.reap(owner)
        assert self.lend(queue, self.enroll(queue)) == ids[2:]

    def test_receive_acks_and_lends_in_one_call(self, queue: LeasedQueue, owner: int) -> None:
        ids = self.send(queue, 4)
        self.lend(queue, owner, 2)

        batch = queue.receive(owner, 2, done=ids[:2])

        assert ids_of(batch.deliveries) == ids[2:]
        assert batch.late == frozenset()
        assert queue.stats() == Stats(leased=2)

    def test_what_was_given_back_is_late_when_it_is_done_and_lent_anew(
        self, queue: LeasedQueue, owner: int
    ) -> None:
        (id,) = self.send(queue)
        self.lend(queue, owner)
        queue.release(owner, [id])

        batch = queue.receive(owner, 1, done=[id])

        assert batch.late == {id}
        assert ids_of(batch.deliveries) == [id]
        assert queue.adopt(owner, []) == batch.deliveries

    def test_receive_acks_though_nothing_is_there_or_wanted(self, queue: LeasedQueue, owner: int) -> None:
        ids = self.send(queue, 3)
        self.lend(queue, owner, 2)

        assert queue.receive(owner, 0, done=ids[:1]).deliveries == []
        assert queue.stats() == Stats(ready=1, leased=1)

    def test_settling_nothing_is_nothing(self, queue: LeasedQueue, owner: int) -> None:
        self.send(queue)

        assert queue.ack(owner, []) == set()
        assert queue.release(owner, []) == set()
        assert queue.retry(owner, []) == set()
        assert queue.reject(owner, []) == set()
        assert queue.beat([]) == set()
        assert queue.stats() == Stats(ready=1)

    def test_len_counts_what_waits_and_stats_counts_all(self, queue: LeasedQueue, owner: int) -> None:
        dead, _ = self.send(queue, 2)
        self.lend(queue, owner)
        queue.reject(owner, [Rejection(dead, "no")])
        self.send(queue, 3)
        self.send(queue, 4, delay=60.0)

        assert queue.stats() == Stats(ready=3, delayed=4, leased=1, dead=1)
        assert len(queue) == 7

    def test_flush_forgets_the_lent_the_delayed_and_the_dead(self, queue: LeasedQueue, owner: int) -> None:
        self.kill(queue)
        ids = self.send(queue, 5)
        self.lend(queue, owner, 2)
        queue.retry(owner, [Retrial(ids[0], 60.0)])

        queue.flush()

        assert queue.stats() == Stats()
        assert queue.dead_letters() == []

    @each_way_to_settle
    def test_settling_after_a_flush_brings_nothing_back(
        self, queue: LeasedQueue, owner: int, settle: Settle
    ) -> None:
        (id,) = self.send(queue)
        self.lend(queue, owner)
        queue.flush()

        assert settle(queue, owner, id) == set()
        assert queue.adopt(owner, []) == []
        assert queue.reap(owner) == 0
        assert queue.stats() == Stats()

    def test_a_flush_leaves_the_owners_enrolled(self, queue: LeasedQueue, owner: int) -> None:
        queue.flush()
        ids = self.send(queue)

        assert self.lend(queue, owner) == ids

    def test_a_closed_queue_opens_again_when_it_is_used(self, queue: LeasedQueue, owner: int) -> None:
        queue.open()
        ids = self.send(queue)

        queue.close()

        assert self.lend(queue, owner) == ids

    @needs_waiting
    def test_a_waiting_owner_hears_of_each_message_that_is_sent(
        self, queue: LeasedQueue, owner: int, name: str
    ) -> None:
        heard: list[str] = []
        enough = threading.Event()

        def listen() -> None:
            own: LeasedQueue = self.make_queue(name)
            own.open()
            while not enough.is_set():
                heard.extend(ids_of(own.receive(owner, 1, heard[-1:], wait=5.0).deliveries))
            own.close()

        begun = time.monotonic()
        listener = threading.Thread(target=listen)
        listener.start()
        try:
            for _ in range(5):
                (id,) = self.send(queue)
                until(partial(heard.count, id), "the waiting owner heard of it")
            assert time.monotonic() - begun < PATIENCE, "it did not hear: it looked from time to time"
        finally:
            enough.set()
            self.send(queue)
            listener.join()

    def test_waiting_in_vain_ends_in_an_empty_batch(self, queue: LeasedQueue, owner: int) -> None:
        (id,) = self.send(queue)
        self.lend(queue, owner)
        begun = time.monotonic()

        assert queue.receive(owner, 10, done=[id, "late"], wait=0.1) == ([], frozenset(["late"]))
        assert time.monotonic() - begun < 5
