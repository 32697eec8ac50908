"""What a leased backend guarantees for dead letters: found by id, discarded by age, replayed in order."""

from __future__ import annotations

from datetime import timedelta

from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.ids import new_id
from djutils.queue.message import Envelope, Rejection, Stats
from djutils.testing.contract_fixtures import LeaseFixtures, ids_of, needs_priority


class DeadLetters(LeaseFixtures):
    """dead_ids, discard, replay."""

    def kill_ids(self, queue: LeasedQueue, owner: int, *ids: str) -> None:
        queue.send([Envelope(id, b"data") for id in ids])
        for delivery in queue.receive(owner, len(ids)).deliveries:
            queue.reject(owner, [Rejection(delivery.id, "it failed")])

    def test_dead_letters_are_found_by_how_their_ids_begin(self, queue: LeasedQueue, owner: int) -> None:
        self.kill_ids(queue, owner, "ab1", "ab2", "b12")

        assert sorted(queue.dead_ids("ab")) == ["ab1", "ab2"]
        assert queue.dead_ids("ab2") == ["ab2"]
        assert queue.dead_ids("ab22") == queue.dead_ids("12") == queue.dead_ids("0" * 99) == []
        assert sorted(queue.dead_ids("")) == ["ab1", "ab2", "b12"]

    def test_only_so_many_ids_are_found(self, queue: LeasedQueue, owner: int) -> None:
        self.kill_ids(queue, owner, *(f"a{n:02}" for n in range(12)))

        assert len(set(queue.dead_ids("a"))) == 10
        assert len(set(queue.dead_ids("a", count=3))) == 3
        assert len(set(queue.dead_ids("a", count=99))) == 12

    def test_how_an_id_begins_is_meant_literally(self, queue: LeasedQueue, owner: int) -> None:
        self.kill_ids(queue, owner, "ab", "AB", "a%", "a_", "a*", "[a", "a\\", "ä", "a ")

        for prefix in ("AB", "a%", "a_", "a*", "[a", "a\\", "ä", "a "):
            assert queue.dead_ids(prefix) == [prefix]
        assert queue.dead_ids("_b") == queue.dead_ids("%") == queue.dead_ids("[ab]") == []

    def test_only_dead_letters_of_this_queue_are_found(
        self, queue: LeasedQueue, owner: int, name: str
    ) -> None:
        neighbour: LeasedQueue = self.make_queue(f"{name}-neighbour")
        self.kill_ids(neighbour, self.enroll(neighbour), "ab1")
        self.kill_ids(queue, owner, "ab2")
        queue.send([Envelope("ab3", b"ready"), Envelope("ab4", b"leased")])
        self.lend(queue, owner, 1)

        assert queue.dead_ids("ab") == ["ab2"]
        neighbour.discard()
        neighbour.flush()
        neighbour.close()

    def test_those_that_died_before_a_moment_are_forgotten(self, queue: LeasedQueue, owner: int) -> None:
        self.kill_ids(queue, owner, "a1", "a2")
        (newest,) = queue.dead_letters(count=1)

        assert queue.discard(before=newest.died - timedelta(hours=1)) == 0
        assert queue.discard(["a1", "b"], before=newest.died + timedelta(hours=1)) == 1
        assert queue.dead_ids("") == ["a2"]
        assert queue.discard(before=newest.died + timedelta(hours=1)) == 1
        assert queue.stats() == Stats()

    def test_one_that_died_at_the_moment_itself_is_kept(self, queue: LeasedQueue, owner: int) -> None:
        self.kill_ids(queue, owner, "a1")
        (letter,) = queue.dead_letters()

        assert queue.discard(before=letter.died) == 0
        assert queue.discard(before=letter.died + timedelta(milliseconds=1)) == 1

    def test_forgetting_leaves_what_is_not_dead(self, queue: LeasedQueue, owner: int) -> None:
        self.kill_ids(queue, owner, "a1")
        queue.send([Envelope("a2", b"leased"), Envelope("a3", b"ready")])
        self.lend(queue, owner, 1)

        assert queue.discard() == 1
        assert queue.stats() == Stats(ready=1, leased=1)

    def test_more_than_fit_into_one_statement_are_replayed_and_forgotten(
        self, queue: LeasedQueue, owner: int
    ) -> None:
        ids = [new_id() for _ in range(1203)]
        queue.send([Envelope(id, b"data") for id in ids])
        while lent := self.lend(queue, owner, 1000):
            assert queue.reject(owner, [Rejection(id, "it failed") for id in lent]) == set(lent)

        assert len(queue.dead_letters(ids, count=2000)) == 1203
        assert queue.replay() == 1203
        assert self.lend(queue, owner, 1000)[:3] == ids[:3]
        assert queue.held(owner, ids) >= set(ids[:250])
        queue.release(owner, ids)
        while lent := self.lend(queue, owner, 1000):
            queue.reject(owner, [Rejection(id, "it failed") for id in lent])
        assert queue.discard(ids[:700]) == 700
        assert queue.discard() == 503

    def test_what_is_replayed_goes_before_what_waits(self, queue: LeasedQueue, owner: int) -> None:
        self.kill_ids(queue, owner, "first", "second", "third")
        waiting = self.send(queue, 2)

        assert queue.replay(["third", "first"]) == 2
        assert self.lend(queue, owner) == ["first", "third", *waiting]

    def test_whatever_died_first_is_replayed_in_the_order_it_was_sent(
        self, queue: LeasedQueue, owner: int
    ) -> None:
        ids = self.send(queue, 3)
        self.lend(queue, owner)
        for id in (ids[2], ids[0], ids[1]):
            queue.reject(owner, [Rejection(id, "it failed")])
        waiting = self.send(queue)

        queue.replay()
        assert self.lend(queue, owner) == [*ids, *waiting]

    @needs_priority
    def test_what_is_replayed_keeps_its_priority(self, queue: LeasedQueue, owner: int) -> None:
        low = self.send(queue, 1, priority=-5)
        middle = self.send(queue, 1)
        self.lend(queue, owner)
        for id in (*low, *middle):
            queue.reject(owner, [Rejection(id, "it failed")])
        high, waiting, lowest = (
            self.send(queue, 1, priority=5),
            self.send(queue),
            self.send(queue, priority=-9),
        )

        queue.replay()
        lent = queue.receive(owner, 10).deliveries
        assert ids_of(lent) == [*high, *middle, *waiting, *low, *lowest]
