"""What a backend guarantees for messages whose result is kept, and for removing what waits."""

from __future__ import annotations

import select
from collections.abc import Iterator

import pytest

from djutils.queue.backends.base import new_owner
from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.backends.subscription import Subscription
from djutils.queue.exceptions import BackendError, NotStorable
from djutils.queue.ids import new_id
from djutils.queue.message import Envelope, Rejection, Stats
from djutils.queue.stores.base import LARGEST, Store
from djutils.testing.contract_fixtures import LeaseFixtures, needs_delay
from djutils.testing.contract_queue import until


class Finishing(LeaseFixtures):
    """finish and remove."""

    def test_a_finished_message_is_gone_and_its_record_is_there(
        self, queue: LeasedQueue, owner: int, results: Store
    ) -> None:
        first, second, third = self.send(queue, 3)
        self.lend(queue, owner)

        assert queue.finish(owner, {first: b"one", second: bytes(range(256))}, 60) == {first, second}

        assert results.get([first, second, third]) == {first: b"one", second: bytes(range(256))}
        assert queue.stats() == Stats(leased=1)

    def test_several_hundred_are_finished_at_once(
        self, queue: LeasedQueue, owner: int, results: Store
    ) -> None:
        ids = self.send(queue, 700)
        self.lend(queue, owner, 700)
        records = {id: b"%d" % number for number, id in enumerate(ids)}

        assert queue.finish(owner, records, 60) == set(ids)

        assert results.get(ids) == records
        assert queue.stats() == Stats()

    def test_ids_that_another_program_chose_are_finished_and_acked_as_well(
        self, queue: LeasedQueue, owner: int, results: Store
    ) -> None:
        odd = ['a"b', "c\\d", "null", "e,f", "{g}", "h'i"]
        queue.send([Envelope(id, b"data") for id in odd])
        self.lend(queue, owner)

        assert queue.finish(owner, {odd[0]: b"first", odd[1]: b"second"}, 60) == {*odd[:2]}
        assert queue.receive(owner, 1, odd[2:]).late == frozenset()

        assert results.get(odd) == {odd[0]: b"first", odd[1]: b"second"}
        assert queue.stats() == Stats()

    def test_finishing_nothing_changes_nothing(self, queue: LeasedQueue, owner: int) -> None:
        assert queue.finish(owner, {}, 60) == set()

    def test_only_the_owner_can_finish(self, queue: LeasedQueue, owner: int, other: int) -> None:
        (id,) = self.send(queue)
        self.lend(queue, owner)

        assert queue.finish(other, {id: b"theirs"}, 60) == set()
        assert queue.finish(new_owner(), {id: b"theirs"}, 60) == set()
        assert queue.stats() == Stats(leased=1)
        assert queue.finish(owner, {id: b"ours"}, 60) == {id}
        assert queue.finish(owner, {id: b"again"}, 60) == set()

    def test_a_record_that_no_store_keeps_leaves_its_message(
        self, queue: LeasedQueue, owner: int, results: Store
    ) -> None:
        (id,) = self.send(queue)
        self.lend(queue, owner)

        with pytest.raises((NotStorable, BackendError)):
            queue.finish(owner, {id: bytes(LARGEST + 1)}, 60)

        assert queue.stats() == Stats(leased=1)
        assert results.get([id]) == {}

    def test_records_expire(self, queue: LeasedQueue, owner: int, results: Store) -> None:
        (id,) = self.send(queue)
        self.lend(queue, owner)
        queue.finish(owner, {id: b"short"}, 0.05)

        until(lambda: not results.get([id]), "it had expired")

    @pytest.mark.usefixtures("can_remove")
    def test_only_what_waits_can_be_removed(self, queue: LeasedQueue, owner: int) -> None:
        dead, lent = self.send(queue, 2)
        self.lend(queue, owner)
        queue.reject(owner, [Rejection(dead, "no")])
        ready, other = self.send(queue, 2)

        assert queue.remove([dead, lent, ready, ready, new_id()]) == {ready}

        assert queue.stats() == Stats(ready=1, leased=1, dead=1)
        assert self.lend(queue, owner) == [other]
        assert queue.remove([]) == set()

    @needs_delay
    @pytest.mark.usefixtures("can_remove")
    def test_a_delayed_message_is_removed(self, queue: LeasedQueue) -> None:
        (id,) = self.send(queue, delay=60)

        assert queue.remove([id]) == {id}
        assert queue.stats() == Stats()
        assert queue.remove([id]) == set()

    @pytest.fixture
    def subscription(self, queue: LeasedQueue) -> Iterator[Subscription]:
        """A subscription to the end of the first of two messages that wait."""
        self.first, self.second = self.send(queue, 2)
        subscription = queue.subscribe(self.first)
        if subscription is None:
            pytest.skip(f"{type(queue).__name__} cannot tell of ended messages")
        yield subscription
        subscription.close()

    @pytest.mark.parametrize("end", ["finish", "reject", "remove"])
    def test_who_has_subscribed_hears_of_the_end(
        self, queue: LeasedQueue, owner: int, results: Store, subscription: Subscription, end: str
    ) -> None:
        if end != "remove":
            self.lend(queue, owner)
        match end:
            case "finish":
                queue.finish(owner, {self.second: b"another", self.first: b"record"}, 60)
            case "reject":
                queue.reject(owner, [Rejection(self.first, "why")])
            case _:
                queue.remove([self.first])

        assert _is_readable(subscription, 10)
        assert subscription.wait(10)
        assert not _is_readable(subscription, 0)

    def test_several_subscribe_to_one_message(
        self, queue: LeasedQueue, owner: int, results: Store, subscription: Subscription
    ) -> None:
        second = queue.subscribe(self.first)
        assert second is not None
        self.lend(queue, owner)

        queue.finish(owner, {self.first: b"record"}, 60)

        assert _is_readable(subscription, 10)
        assert _is_readable(second, 10)
        second.close()

    def test_who_has_subscribed_to_one_message_does_not_hear_of_another(
        self, queue: LeasedQueue, owner: int, results: Store, subscription: Subscription
    ) -> None:
        self.lend(queue, owner)

        queue.finish(owner, {self.second: b"record"}, 60)

        assert not subscription.wait(0.2)
        queue.finish(owner, {self.first: b"record"}, 60)
        assert subscription.wait(10)

    def test_who_hears_of_nothing_waits_no_longer_than_asked(self, subscription: Subscription) -> None:
        assert not subscription.wait(0.01)

        assert not _is_readable(subscription, 0)


def _is_readable(subscription: Subscription, seconds: float) -> bool:
    return bool(select.select([subscription], [], [], seconds)[0])
