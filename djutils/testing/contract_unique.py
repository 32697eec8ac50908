"""What a backend guarantees for messages that hold a key: one at a time, and nothing to give back."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.ids import new_id
from djutils.queue.message import Envelope, Placement, Rejection, Retrial, Stats, Until
from djutils.queue.stores.base import Store
from djutils.testing.contract_fixtures import SETTLE, LeaseFixtures, each_way_to_settle, ids_of
from djutils.testing.contract_names import each_pair
from djutils.testing.contract_queue import THREADS, all_at_once, until

FREES = {name: SETTLE[name] for name in ("ack", "reject")}
KEEPS = {name: settle for name, settle in SETTLE.items() if name not in FREES}
RACES = 10
each_end = pytest.mark.parametrize("settle", FREES.values(), ids=FREES.keys())
each_way_back = pytest.mark.parametrize("settle", KEEPS.values(), ids=KEEPS.keys())


def other_data(id: str) -> bytes:
    return f"instead in {id}".encode()


@pytest.mark.usefixtures("can_be_unique")
class Unique(LeaseFixtures):
    """``send_unique``."""

    @pytest.fixture
    def can_be_unique(self, queue: LeasedQueue) -> None:
        if not queue.supports_unique:
            pytest.skip(f"{type(queue).__name__} knows no keys of messages (supports_unique is False)")

    def sends(
        self,
        queue: LeasedQueue,
        held: Until = "done",
        key: str = "key",
        replace: Callable[[str], bytes] | None = None,
        delay: float = 0.0,
    ) -> Placement:
        id = new_id()
        placed = queue.send_unique(Envelope(id, b"data", delay), key, held, replace)
        assert (placed.how == "sent") == (placed.id == id)
        return placed

    def test_of_two_messages_with_one_key_the_first_is_sent(self, queue: LeasedQueue, owner: int) -> None:
        first, second = self.sends(queue), self.sends(queue)

        assert second == Placement(first.id, "held")
        assert self.lend(queue, owner) == [first.id]
        assert self.sends(queue) == Placement(first.id, "held")

    @each_end
    def test_the_end_of_the_message_frees_its_key(
        self, queue: LeasedQueue, owner: int, settle: Callable[[LeasedQueue, int, str], set[str]]
    ) -> None:
        first = self.sends(queue)
        self.lend(queue, owner)
        settle(queue, owner, first.id)

        second = self.sends(queue)

        assert second.how == "sent"
        assert self.sends(queue) == Placement(second.id, "held")

    @each_way_back
    def test_a_message_that_comes_back_keeps_its_key(
        self, queue: LeasedQueue, owner: int, settle: Callable[[LeasedQueue, int, str], set[str]]
    ) -> None:
        first = self.sends(queue)
        self.lend(queue, owner)
        settle(queue, owner, first.id)

        assert self.sends(queue) == Placement(first.id, "held")
        assert self.sends(queue, "started") == Placement(first.id, "held")

    @pytest.mark.parametrize("gone", [LeasedQueue.flush, LeasedQueue.read], ids=["flush", "read"])
    def test_a_message_that_is_taken_away_frees_its_key(
        self, queue: LeasedQueue, gone: Callable[[LeasedQueue], object]
    ) -> None:
        self.sends(queue)
        getattr(queue, gone.__name__)()

        assert self.sends(queue).how == "sent"

    @pytest.mark.usefixtures("can_remove")
    def test_a_message_that_is_cancelled_frees_its_key(self, queue: LeasedQueue) -> None:
        queue.remove([self.sends(queue).id])

        assert self.sends(queue).how == "sent"

    def test_a_message_that_ends_with_a_result_frees_its_key(
        self, queue: LeasedQueue, owner: int, results: Store
    ) -> None:
        first = self.sends(queue)
        self.lend(queue, owner)
        queue.finish(owner, {first.id: b"result"}, 60)

        assert self.sends(queue).how == "sent"

    @pytest.mark.parametrize("crashed", [False, True], ids=["its host", "its process"])
    def test_a_message_that_lost_its_worker_keeps_its_key(
        self, queue: LeasedQueue, owner: int, crashed: bool
    ) -> None:
        first = self.sends(queue)
        self.lend(queue, owner)
        queue.reap(owner, running={first.id: "killed"} if crashed else None)

        assert self.sends(queue) == Placement(first.id, "held")

    def test_a_dead_letter_that_is_discarded_holds_no_key(self, queue: LeasedQueue, owner: int) -> None:
        self.dies(queue, owner)
        queue.discard()

        assert self.sends(queue).how == "sent"

    def test_a_dead_letter_that_is_replayed_holds_its_key_again(self, queue: LeasedQueue, owner: int) -> None:
        first = self.dies(queue, owner)
        queue.replay([first])

        assert self.sends(queue) == Placement(first, "held")

    def test_a_dead_letter_that_is_replayed_leaves_the_key_to_a_message_that_has_it(
        self, queue: LeasedQueue, owner: int
    ) -> None:
        first, second = self.dies(queue, owner), self.sends(queue)
        queue.replay([first])

        assert self.sends(queue) == Placement(second.id, "held")
        assert self.sends(queue, replace=other_data) == Placement(second.id, "replaced")
        assert len(self.lend(queue, owner)) == 2
        queue.ack(owner, [second.id])
        assert self.sends(queue).how == "sent"

    def test_until_started_a_message_that_is_lent_holds_no_key(self, queue: LeasedQueue, owner: int) -> None:
        first = self.sends(queue, "started")
        assert self.sends(queue, "started") == Placement(first.id, "held")
        self.lend(queue, owner)

        second = self.sends(queue, "started")

        assert second.how == "sent"
        assert self.sends(queue, "started") == Placement(second.id, "held")

    def test_for_a_period_a_message_holds_its_key_even_after_its_end(
        self, queue: LeasedQueue, owner: int
    ) -> None:
        first = self.sends(queue, 60.0)
        self.lend(queue, owner)
        queue.ack(owner, [first.id])

        assert self.sends(queue, 60.0) == Placement(first.id, "held")

    def test_after_its_period_a_key_is_free(self, queue: LeasedQueue) -> None:
        first = self.sends(queue, 0.05)

        second = until(
            lambda: next((one for one in [self.sends(queue, 60.0)] if one.how == "sent"), None), "it was over"
        )

        assert self.sends(queue, 60.0) == Placement(second.id, "held")
        assert {first.id, second.id} == {one.id for one in queue.find("")} or not queue.supports_peek

    def test_a_period_begins_when_the_message_of_another_duration_has_ended(
        self, queue: LeasedQueue, owner: int
    ) -> None:
        first = self.sends(queue)
        self.lend(queue, owner)
        queue.ack(owner, [first.id])

        second = self.sends(queue, 60.0)

        assert second.how == "sent"
        assert self.sends(queue, 60.0) == Placement(second.id, "held")

    def test_sending_the_same_envelope_again_sends_it_once(self, queue: LeasedQueue, owner: int) -> None:
        envelope = Envelope(new_id(), b"data")

        placed = {queue.send_unique(envelope, "key", held) for held in ("done", "started", "done")}

        assert placed == {Placement(envelope.id, "sent")}
        assert self.lend(queue, owner) == [envelope.id]

    def test_a_delay_and_a_priority_are_kept(self, queue: LeasedQueue, owner: int) -> None:
        later, low, high = (new_id() for _ in range(3))
        queue.send_unique(Envelope(later, b"data", 60.0), "later", "done")
        queue.send_unique(Envelope(low, b"data", priority=-5), "low", "done")
        queue.send_unique(Envelope(high, b"data", priority=5), "high", "done")

        assert self.lend(queue, owner) == [high, low]
        assert queue.stats() == Stats(delayed=1, leased=2)

    def test_a_message_that_waits_is_replaced_in_its_place(self, queue: LeasedQueue, owner: int) -> None:
        first, other = self.sends(queue), self.send(queue)[0]

        assert self.sends(queue, replace=other_data) == Placement(first.id, "replaced")

        lent = queue.receive(owner, 10).deliveries
        assert [(one.id, one.data) for one in lent] == [(first.id, other_data(first.id)), (other, b"data 0")]

    def test_a_message_that_is_replaced_is_due_when_the_last_one_would_be(
        self, queue: LeasedQueue, owner: int
    ) -> None:
        first = self.sends(queue, delay=60.0)
        assert self.sends(queue, replace=other_data, delay=120.0).how == "replaced"
        assert queue.stats() == Stats(delayed=1)

        assert self.sends(queue, replace=other_data) == Placement(first.id, "replaced")

        assert self.lend_one(queue, owner).id == first.id

    def test_a_message_that_is_replaced_counts_from_the_beginning(
        self, queue: LeasedQueue, owner: int
    ) -> None:
        first = self.sends(queue)
        self.lend(queue, owner)
        queue.retry(owner, [Retrial(first.id, 60.0, "it failed")])

        self.sends(queue, replace=other_data)

        delivery = self.lend_one(queue, owner)
        assert (delivery.id, delivery.attempts, delivery.error) == (first.id, 0, "")

    def test_what_is_lent_is_not_replaced_and_another_takes_the_key(
        self, queue: LeasedQueue, owner: int
    ) -> None:
        first = self.sends(queue)
        self.lend(queue, owner)

        second = self.sends(queue, replace=other_data)

        assert second.how == "sent"
        assert [one.data for one in queue.adopt(owner, ())] == [b"data"]
        assert self.sends(queue, replace=other_data) == Placement(second.id, "replaced")
        assert queue.ack(owner, [first.id]) == {first.id}
        assert self.sends(queue) == Placement(second.id, "held")

    def test_a_dead_letter_is_not_replaced(self, queue: LeasedQueue, owner: int) -> None:
        self.dies(queue, owner)

        assert self.sends(queue, replace=other_data).how == "sent"
        assert queue.stats() == Stats(ready=1, dead=1)

    @each_pair
    def test_keys_that_are_similar_do_not_keep_each_other_out(
        self, queue: LeasedQueue, names: tuple[str, str]
    ) -> None:
        assert [self.sends(queue, key=key).how for key in (*names, *names)] == [*["sent"] * 2, *["held"] * 2]

    @pytest.mark.parametrize("key", ["🚀", "nul \0", "", "line\nbreak", "k" * 5000])
    def test_any_text_can_be_held(self, queue: LeasedQueue, key: str) -> None:
        assert [self.sends(queue, key=key).how for _ in range(2)] == ["sent", "held"]

    def test_a_key_belongs_to_one_queue(self, queue: LeasedQueue, name: str) -> None:
        neighbour: LeasedQueue = self.make_queue(f"{name}-neighbour")

        assert [self.sends(one).how for one in (queue, neighbour)] == ["sent", "sent"]
        neighbour.flush()
        neighbour.close()

    @each_way_to_settle
    def test_keys_of_messages_cost_other_messages_nothing(
        self, queue: LeasedQueue, owner: int, settle: Callable[[LeasedQueue, int, str], set[str]]
    ) -> None:
        (id,) = self.send(queue)
        self.sends(queue)
        self.lend(queue, owner, 1)

        assert settle(queue, owner, id) == {id}

    @pytest.mark.parametrize("stale", [False, True], ids=["of a new key", "of a key whose message is gone"])
    def test_of_many_with_one_key_one_is_sent(
        self, queue: LeasedQueue, owner: int, name: str, stale: bool
    ) -> None:
        for race in range(RACES):
            key = f"race {race}"
            if stale:
                queue.ack(owner, [self.sends(queue, key=key).id, *self.lend(queue, owner)])
            placed = self.race(name, key)
            assert sorted(one.how for one in placed) == [*["held"] * (THREADS - 1), "sent"]
            assert len({one.id for one in placed}) == 1
            queue.ack(owner, self.lend(queue, owner))

    def test_of_many_that_replace_one_is_sent_and_no_data_are_mixed(
        self, queue: LeasedQueue, owner: int, name: str
    ) -> None:
        for race in range(RACES):
            placed = self.race(name, f"race {race}", other_data)
            (lent,) = queue.receive(owner, 10).deliveries
            assert {one.id for one in placed} == {lent.id}
            assert lent.data == other_data(lent.id)
            queue.ack(owner, ids_of([lent]))

    def dies(self, queue: LeasedQueue, owner: int) -> str:
        id = self.sends(queue).id
        self.lend(queue, owner)
        queue.reject(owner, [Rejection(id, "no")])
        return id

    def race(self, name: str, key: str, replace: Callable[[str], bytes] | None = None) -> list[Placement]:
        def send(_: int) -> Placement:
            own: LeasedQueue = self.make_queue(name)
            try:
                return self.sends(own, "done", key, replace)
            finally:
                own.close()

        return all_at_once(send)
