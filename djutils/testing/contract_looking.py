"""What a backend guarantees when it is read without taking: every message is seen in its state, and none is taken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest

from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.ids import new_id
from djutils.queue.message import Envelope, Lane, Rejection, Retrial, Snapshot, StateName, Stats
from djutils.testing.contract_fixtures import LeaseFixtures, ids_of, needs_delay, needs_priority
from djutils.testing.contract_queue import until

STATES: tuple[StateName, ...] = get_args(StateName)
needs_looking = pytest.mark.usefixtures("can_look")
each_state = pytest.mark.parametrize("state", STATES)
either_way = pytest.mark.parametrize("newest", [False, True], ids=["oldest first", "newest first"])


def ids_seen(snapshots: list[Snapshot]) -> list[str]:
    return [snapshot.id for snapshot in snapshots]


def in_pages(queue: LeasedQueue, state: StateName, count: int, **options: Any) -> list[str]:
    """Return the ids of all messages in a state, read ``count`` at a time."""
    ids: list[str] = []
    after = ""
    while page := queue.peek(state, count=count, after=after, **options):
        assert len(page) <= count
        ids += ids_seen(page)
        after = page[-1].place
        assert len(ids) < 5000, "there is an end"
    return ids


class Peeking(LeaseFixtures):
    """peek, find, oldest."""

    @pytest.fixture
    def can_look(self, request: pytest.FixtureRequest, queue: LeasedQueue) -> None:
        if not queue.supports_peek:
            pytest.skip(f"{type(queue).__name__} cannot be looked into (supports_peek is False)")
        if "state" in request.fixturenames and request.getfixturevalue("state") not in queue.states:
            pytest.skip(f"{type(queue).__name__} has no lanes")

    def put(self, queue: LeasedQueue, owner: int, state: StateName, count: int) -> list[str]:
        """Put messages into a state; return their ids in the order in which they should be seen."""
        if state == "delayed":
            return self.send(queue, count, delay=60.0)
        if state == "waiting":
            return self.put_in_lane(queue, owner, count)
        ids = self.send(queue, count)
        if state != "ready":
            left = count
            while left:
                left -= len(queue.receive(owner, left).deliveries)
        if state == "dead":
            for start in range(0, count, 500):
                rejections = [Rejection(id, "it failed") for id in ids[start : start + 500]]
                assert len(queue.reject(owner, rejections)) == len(rejections)
        return ids

    def put_in_lane(self, queue: LeasedQueue, owner: int, count: int) -> list[str]:
        """Put messages into a lane whose only place is held by a message that has ended meanwhile, unnoticed."""
        lane, first, ids = Lane("full"), new_id(), [new_id() for _ in range(count)]
        queue.send_in_lanes([(Envelope(first, b"first"), lane)])
        assert ids_of(queue.receive(owner, 1).deliveries) == [first]
        queue.send_in_lanes([(Envelope(id, f"data {n}".encode()), lane) for n, id in enumerate(ids)])
        queue.ack(owner, [first])
        return ids

    @each_state
    @needs_delay
    @needs_looking
    def test_looking_takes_nothing(self, queue: LeasedQueue, owner: int, state: StateName) -> None:
        ids = self.put(queue, owner, state, 3)
        before = queue.stats()

        assert sorted(ids_seen(queue.peek(state))) == sorted(ids)
        assert ids_seen(queue.find(ids[0])) == ids[:1]
        queue.oldest()
        assert queue.stats() == before == Stats(**{state: 3})
        assert all(queue.peek(other) == [] for other in queue.states if other != state)

    @each_state
    @either_way
    @needs_delay
    @needs_looking
    def test_pages_show_each_message_once(
        self, queue: LeasedQueue, owner: int, state: StateName, newest: bool
    ) -> None:
        ids = self.put(queue, owner, state, 11)

        seen = in_pages(queue, state, 3, newest=newest)

        assert sorted(seen) == sorted(ids)
        assert seen == ids_seen(queue.peek(state, newest=newest)), "one large page has the same order"
        assert seen == in_pages(queue, state, 11, newest=not newest)[::-1]

    @each_state
    @needs_delay
    @needs_looking
    def test_thousands_are_seen_in_pages(self, queue: LeasedQueue, owner: int, state: StateName) -> None:
        ids = self.put(queue, owner, state, 1203)

        assert sorted(in_pages(queue, state, 600)) == sorted(ids)
        assert sorted(ids_seen(queue.peek(state, count=2000))) == sorted(ids)
        assert queue.peek(state, count=0) == []

    @either_way
    @needs_priority
    @needs_looking
    def test_ready_ones_are_seen_in_the_order_they_are_lent(
        self, queue: LeasedQueue, owner: int, newest: bool
    ) -> None:
        for priority in (0, 5, -5, 0, 5, -5, 100, -100):
            self.send(queue, 2, priority=priority)

        seen = in_pages(queue, "ready", 3, newest=newest)

        assert (seen[::-1] if newest else seen) == self.lend(queue, owner)

    @needs_delay
    @needs_looking
    def test_delayed_ones_are_seen_by_when_they_are_due(self, queue: LeasedQueue) -> None:
        (late,), (soon,) = self.send(queue, delay=120.0), self.send(queue, delay=60.0)

        first, second = queue.peek("delayed")

        assert (first.id, second.id) == (soon, late)
        assert first.due is not None
        assert abs(first.due - datetime.now(UTC)) < timedelta(minutes=1, seconds=30)
        assert second.due is not None
        assert timedelta(seconds=59) < second.due - first.due < timedelta(seconds=90)

    @needs_looking
    def test_pages_go_on_where_they_were_while_the_head_is_taken(
        self, queue: LeasedQueue, owner: int
    ) -> None:
        ids = self.send(queue, 10)
        page = queue.peek("ready", count=3)
        queue.ack(owner, self.lend(queue, owner, 5))

        rest = ids_seen(queue.peek("ready", after=page[-1].place))

        assert rest == ids[5:]

    @needs_looking
    def test_pages_go_on_where_they_were_while_more_are_sent(self, queue: LeasedQueue) -> None:
        ids = self.send(queue, 10)
        page = queue.peek("ready", newest=True, count=3)
        self.send(queue, 5)

        rest = queue.peek("ready", newest=True, after=page[-1].place)

        assert ids_seen(rest) == ids[6::-1]

    @each_state
    @needs_delay
    @needs_looking
    def test_a_payload_is_loaded_only_when_it_is_asked_for(
        self, queue: LeasedQueue, owner: int, state: StateName
    ) -> None:
        (id,) = self.put(queue, owner, state, 1)

        assert [one.data for one in queue.peek(state) + queue.find(id)] == [None, None]
        assert [one.data for one in queue.peek(state, data=True) + queue.find(id, data=True)] == [
            b"data 0"
        ] * 2

    @needs_looking
    def test_an_empty_payload_is_no_missing_one(self, queue: LeasedQueue) -> None:
        queue.send([Envelope(new_id(), b"")])
        assert [one.data for one in queue.peek("ready", data=True)] == [b""]

    @needs_delay
    @needs_looking
    def test_what_happened_to_it_is_seen(self, queue: LeasedQueue, owner: int, other: int) -> None:
        (id,) = self.send(queue)
        self.lend_one(queue, owner)
        queue.reap(owner, running={id: "Killed by signal 9."})
        self.lend_one(queue, other)
        queue.retry(other, [Retrial(id, 3600.0, "ValueError: no\nTraceback")])

        (found,) = queue.peek("delayed")

        assert (found.attempts, found.crashes, found.redeliveries, found.offers) == (1, 1, 0, 0)
        assert found.error == "ValueError: no\nTraceback"
        assert found._replace(place="", due=None) == queue.find(id)[0]._replace(due=None)

    @needs_looking
    def test_a_leased_one_names_its_owner(self, queue: LeasedQueue, owner: int, other: int) -> None:
        ids = self.send(queue, 2)
        for each in (owner, other):
            self.lend_one(queue, each)

        assert {one.id: one.owner for one in queue.peek("leased")} == {ids[0]: owner, ids[1]: other}
        assert queue.find(ids[1])[0].owner == other

    @needs_looking
    def test_a_dead_one_says_when_it_died(self, queue: LeasedQueue, owner: int) -> None:
        (id,) = self.put(queue, owner, "dead", 1)
        (letter,) = queue.dead_letters()

        assert [one.died for one in queue.peek("dead") + queue.find(id)] == [letter.died] * 2

    @needs_delay
    @needs_looking
    def test_one_that_has_become_due_is_ready(self, queue: LeasedQueue) -> None:
        (id,) = self.send(queue, delay=0.05)
        until(lambda: queue.peek("ready"), "it was due")

        assert queue.peek("delayed") == []
        assert queue.find(id)[0].state == "ready"
        oldest = queue.oldest()
        assert oldest is not None
        assert oldest.id == id

    @needs_looking
    def test_only_messages_of_this_queue_are_seen(self, queue: LeasedQueue, owner: int, name: str) -> None:
        neighbour: LeasedQueue = self.make_queue(f"{name}-neighbour")
        stranger = self.enroll(neighbour)
        for state in reversed(queue.states):  # otherwise the ready messages would be lent
            self.put(neighbour, stranger, state, 1)
        (id,) = (neighbour.peek("ready"))[:1]

        assert all(queue.peek(state) == [] for state in queue.states)
        assert queue.find(id.id) == queue.find("0") == queue.find("") == []
        assert queue.oldest() is None
        neighbour.flush()
        neighbour.discard()
        neighbour.reap(stranger)
        neighbour.close()

    @pytest.mark.parametrize("place", ["nonsense", "1:2", "x:y:z", "0:x:y"])
    @each_state
    @needs_looking
    def test_what_is_no_place_is_refused(self, queue: LeasedQueue, state: StateName, place: str) -> None:
        with pytest.raises(ValueError, match="place"):
            queue.peek(state, after=place)


class Finding(Peeking):
    """find, and oldest."""

    @each_state
    @needs_delay
    @needs_looking
    def test_one_is_found_in_whatever_state(self, queue: LeasedQueue, owner: int, state: StateName) -> None:
        (id,) = self.put(queue, owner, state, 1)

        for prefix in (id, id[:31], id[:20], id[:1], ""):
            assert [(one.id, one.state) for one in queue.find(prefix)] == [(id, state)]
        assert queue.find(id + "0") == queue.find("f" * 32) == queue.find("0" * 99) == []

    @needs_looking
    def test_what_is_acked_or_discarded_is_not_found(self, queue: LeasedQueue, owner: int) -> None:
        ids = self.send(queue, 2)
        self.lend(queue, owner)
        queue.ack(owner, ids[:1])
        queue.reject(owner, [Rejection(ids[1], "it failed")])
        queue.discard()

        assert queue.find(ids[0]) == queue.find(ids[1]) == queue.find(ids[0][:8]) == []

    @needs_looking
    def test_all_that_begin_alike_are_found_up_to_a_number(self, queue: LeasedQueue, owner: int) -> None:
        ids = [f"abc{n:029x}" for n in range(20)]
        queue.send([Envelope(id, b"data") for id in ids])
        self.lend(queue, owner, 5)

        assert sorted(ids_seen(queue.find("abc", 30))) == ids
        assert len(set(ids_seen(queue.find("abc", 6)))) == 6
        assert len(queue.find("abc")) == 10

    @needs_looking
    def test_the_beginning_to_find_is_meant_literally(self, queue: LeasedQueue) -> None:
        ids = ("ab1", "AB1", "a%1", "a_1", "a*1", "[a1", "a\\1", "ä1", "a 1")
        queue.send([Envelope(id, b"data") for id in ids])

        for id in ids:
            assert ids_seen(queue.find(id)) == ids_seen(queue.find(id[:-1])) == [id]
        assert queue.find("_b") == queue.find("%") == queue.find("[ab]") == queue.find("\0") == []

    @needs_looking
    def test_a_whole_id_is_not_the_beginning_of_another(self, queue: LeasedQueue) -> None:
        queue.send([Envelope(id, b"data") for id in ("ab", "abc")])

        assert ids_seen(queue.find("ab")) == ["ab"]

    @needs_looking
    def test_thousands_that_begin_alike_in_another_queue_hide_none(
        self, queue: LeasedQueue, owner: int, name: str
    ) -> None:
        neighbour: LeasedQueue = self.make_queue(f"{name}-neighbour")
        neighbour.send([Envelope(f"ab{n:030x}", b"data") for n in range(1203)])
        ids = [f"abf{n:029x}" for n in range(3)]
        queue.send([Envelope(id, b"data") for id in ids])
        self.lend(queue, owner, 1)

        assert sorted(ids_seen(queue.find("ab"))) == ids
        neighbour.flush()
        neighbour.close()

    @needs_priority
    @needs_looking
    def test_the_oldest_that_waits_is_found_whatever_its_priority(
        self, queue: LeasedQueue, owner: int
    ) -> None:
        def oldest() -> str | None:
            found = queue.oldest()
            return found and found.id

        assert oldest() is None
        low, middle, high = (self.send(queue, 2, priority=priority) for priority in (-7, 0, 7))
        assert oldest() == low[0]
        assert self.lend(queue, owner, 4) == high + middle
        assert oldest() == low[0]
        self.lend(queue, owner, 1)
        assert oldest() == low[1]
        newer = self.send(queue, priority=100)
        assert oldest() == low[1]
        queue.release(owner, high)
        queue.ack(owner, self.lend(queue, owner, 1))
        assert oldest() == low[1]
        queue.ack(owner, ids_of(queue.receive(owner, 9).deliveries))
        assert newer
        assert oldest() is None

    @needs_looking
    def test_the_oldest_says_when_it_was_sent(self, queue: LeasedQueue) -> None:
        self.send(queue)
        found = queue.oldest()

        assert found is not None
        assert found.sent is not None
        assert abs(datetime.now(UTC) - found.sent) < timedelta(minutes=1)
