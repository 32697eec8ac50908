"""What a backend guarantees for the time and the order of lending."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest

from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.ids import new_id
from djutils.queue.message import Delivery, Envelope, Rejection, Retrial, Stats
from djutils.testing.contract_fixtures import (
    LeaseFixtures,
    ids_of,
    needs_delay,
    needs_priority,
    needs_waiting,
)
from djutils.testing.contract_queue import PATIENCE, until

DELAY = 0.4
EARLY = 0.005
"""How much the clocks of backend and test may differ, in seconds."""


def _is_longer(values: list[int], length: int) -> bool:
    return len(values) > length


class Delaying(LeaseFixtures):
    """Messages held back until they are due."""

    @needs_delay
    def test_a_delayed_message_is_lent_when_it_is_due_and_not_before(
        self, queue: LeasedQueue, owner: int
    ) -> None:
        begun = time.monotonic()
        (id,) = self.send(queue, delay=DELAY)
        assert len(queue) == 1

        assert self.lend_one(queue, owner).id == id
        assert time.monotonic() - begun >= DELAY - EARLY

    @needs_delay
    def test_read_takes_a_delayed_message_when_it_is_due(self, queue: LeasedQueue) -> None:
        begun = time.monotonic()
        self.send(queue, delay=DELAY)

        assert until(queue.read, "it was read") == b"data 0"
        assert time.monotonic() - begun >= DELAY - EARLY

    @needs_delay
    def test_a_retry_comes_after_its_own_delay(self, queue: LeasedQueue, owner: int) -> None:
        later, sooner = self.send(queue, 2)
        self.lend(queue, owner)
        begun = time.monotonic()

        queue.retry(owner, [Retrial(later, 60.0), Retrial(sooner, DELAY)])

        assert self.lend_one(queue, owner).id == sooner
        assert time.monotonic() - begun >= DELAY - EARLY
        assert queue.stats() == Stats(delayed=1, leased=1)

    @needs_delay
    def test_a_release_may_be_delayed(self, queue: LeasedQueue, owner: int) -> None:
        (id,) = self.send(queue)
        self.lend(queue, owner)
        begun = time.monotonic()

        queue.release(owner, [id], delay=DELAY)

        assert self.lend_one(queue, owner) == Delivery(id, b"data 0", 0, 0, 0)
        assert time.monotonic() - begun >= DELAY - EARLY

    @needs_delay
    def test_others_do_not_wait_behind_a_delayed_one(self, queue: LeasedQueue, owner: int) -> None:
        self.send(queue, delay=60.0)
        prompt = self.send(queue, 2)

        assert self.lend(queue, owner) == prompt
        assert queue.stats() == Stats(delayed=1, leased=2)

    @needs_delay
    def test_what_is_due_counts_as_ready_before_anyone_asks_for_it(self, queue: LeasedQueue) -> None:
        self.send(queue, delay=0.05)
        sent = time.monotonic()
        until(lambda: time.monotonic() - sent > 0.05 + EARLY, "it was due")

        assert queue.stats() == Stats(ready=1)

    @needs_delay
    def test_an_id_that_is_delayed_is_not_sent_again(self, queue: LeasedQueue, owner: int) -> None:
        (id,) = self.send(queue, delay=60.0)

        queue.send([Envelope(id, b"now")])

        assert queue.stats() == Stats(delayed=1)
        assert self.lend(queue, owner) == []

    @needs_delay
    @needs_waiting
    def test_a_waiting_owner_is_woken_by_what_falls_due(self, queue: LeasedQueue, owner: int) -> None:
        ids = self.send(queue, delay=DELAY)
        begun = time.monotonic()

        lent: list[str] = []
        while not lent and time.monotonic() - begun < 10:
            lent = ids_of(queue.receive(owner, 1, wait=1.0).deliveries)
        assert lent == ids


class Beside(LeaseFixtures):
    """Waiting for a message of several queues at once."""

    @pytest.fixture
    def beside(self, queue: LeasedQueue, name: str) -> Iterator[LeasedQueue]:
        """Return a queue whose messages ``queue`` waits for as well."""
        other: LeasedQueue = self.make_queue(f"{name}-beside")
        queue.beside = [other.name]
        yield other
        other.flush()
        self.close(other)

    @needs_waiting
    def test_each_message_on_a_queue_beside_ends_the_wait(
        self, queue: LeasedQueue, owner: int, name: str, beside: LeasedQueue
    ) -> None:
        waits: list[int] = []
        enough = threading.Event()

        def wait() -> None:
            own: LeasedQueue = self.make_queue(name)
            own.beside = queue.beside
            own.open()
            while not enough.is_set():
                waits.append(len(own.receive(owner, 1, wait=5.0).deliveries))
            own.close()

        begun = time.monotonic()
        waiting = threading.Thread(target=wait)
        waiting.start()
        try:
            for _ in range(5):
                before = len(waits)
                beside.send([Envelope(new_id(), b"data")])
                until(partial(_is_longer, waits, before), "a wait has ended")
            assert time.monotonic() - begun < PATIENCE, "it did not hear: the time of its waits was up"
        finally:
            enough.set()
            beside.send([Envelope(new_id(), b"data")])
            waiting.join()
        assert set(waits) == {0}

    @needs_waiting
    def test_its_own_message_is_lent_while_it_listens_to_others(
        self, queue: LeasedQueue, owner: int, beside: LeasedQueue
    ) -> None:
        ids = self.send(queue)

        assert ids_of(queue.receive(owner, 1, wait=1.0).deliveries) == ids
        assert len(beside) == 0


class Ranking(LeaseFixtures):
    """Messages of larger priority are lent sooner."""

    @pytest.fixture
    def ranked(self, queue: LeasedQueue) -> list[str]:
        """Return waiting ids, in the order in which they should be lent."""
        priorities = [0, 7, -100, 100, 0, -1, 1, 100, -100, 7]
        envelopes = [Envelope(new_id(), b"data", priority=priority) for priority in priorities]
        for envelope in envelopes:
            queue.send([envelope])
        envelopes.sort(key=lambda envelope: -envelope.priority)
        return [envelope.id for envelope in envelopes]

    @needs_priority
    def test_the_largest_priority_is_first_then_the_oldest(
        self, queue: LeasedQueue, owner: int, ranked: list[str]
    ) -> None:
        assert queue.stats() == Stats(ready=len(ranked))
        assert self.lend(queue, owner, 4) + self.lend(queue, owner, 4) == ranked[:8]
        assert self.lend(queue, owner) == ranked[8:]

    @needs_priority
    def test_a_later_but_larger_one_overtakes(
        self, queue: LeasedQueue, owner: int, ranked: list[str]
    ) -> None:
        assert self.lend(queue, owner, 1) == ranked[:1]
        (urgent,) = self.send(queue, priority=100)

        assert self.lend(queue, owner, 2) == [ranked[1], urgent]

    @needs_priority
    def test_what_is_released_keeps_its_place(
        self, queue: LeasedQueue, owner: int, ranked: list[str]
    ) -> None:
        self.lend(queue, owner)
        queue.release(owner, ranked[::-1])

        assert self.lend(queue, owner) == ranked

    @needs_priority
    def test_what_is_reaped_keeps_its_place(
        self, queue: LeasedQueue, owner: int, other: int, ranked: list[str]
    ) -> None:
        self.lend(queue, owner, 6)
        queue.reap(owner)

        assert self.lend(queue, other) == ranked

    @needs_priority
    def test_priority_outlives_a_retry_and_a_death(
        self, queue: LeasedQueue, owner: int, ranked: list[str]
    ) -> None:
        first, last = ranked[0], ranked[-1]
        self.lend(queue, owner)
        queue.retry(owner, [Retrial(last, 0.0)])
        queue.reject(owner, [Rejection(first, "no")])
        queue.replay()
        (between,) = self.send(queue, priority=50)

        assert self.lend_one(queue, owner).id == first
        assert self.lend_one(queue, owner).id == between
        assert self.lend_one(queue, owner).id == last

    @needs_delay
    @needs_priority
    def test_priority_outlives_a_delay(self, queue: LeasedQueue, owner: int) -> None:
        (low,) = self.send(queue, priority=-5, delay=0.05)
        (high,) = self.send(queue, priority=5, delay=0.05)
        sent = time.monotonic()
        until(lambda: time.monotonic() - sent > 0.05 + EARLY, "both were due")

        assert self.lend_one(queue, owner).id == high
        assert self.lend_one(queue, owner).id == low
