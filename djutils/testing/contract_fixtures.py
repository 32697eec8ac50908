"""What the tests of leases share: owners, messages, and what a backend may be unable to do."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import pytest

from djutils.queue.backends.base import new_owner
from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.exceptions import BackendError
from djutils.queue.ids import new_id
from djutils.queue.message import Batch, Delivery, Envelope, Rejection, Retrial
from djutils.queue.stores.base import Store
from djutils.testing.contract_queue import QueueContract, until

Settle = Callable[[LeasedQueue, int, str], set[str]]

SETTLE: dict[str, Settle] = {
    "ack": lambda queue, owner, id: queue.ack(owner, [id]),
    "release": lambda queue, owner, id: queue.release(owner, [id]),
    "release later": lambda queue, owner, id: queue.release(owner, [id], delay=60),
    "retry": lambda queue, owner, id: queue.retry(owner, [Retrial(id, 0.0, "again")]),
    "reject": lambda queue, owner, id: queue.reject(owner, [Rejection(id, "never again")]),
}
needs_delay = pytest.mark.usefixtures("can_delay")
needs_priority = pytest.mark.usefixtures("can_rank")
needs_waiting = pytest.mark.usefixtures("can_wait")
needs_keys = pytest.mark.usefixtures("can_keep_keys")
each_way_to_settle = pytest.mark.parametrize("settle", SETTLE.values(), ids=SETTLE.keys())


def ids_of(deliveries: Sequence[Delivery]) -> list[str]:
    return [delivery.id for delivery in deliveries]


def keeps_keys(queue: LeasedQueue) -> bool:
    """Return whether ``queue`` tells callers of ``send_once`` with one key from each other."""
    return queue.store is not None or type(queue).send_once is not LeasedQueue.send_once


class LeaseFixtures(QueueContract):
    """Fixtures and helpers of the tests below."""

    @pytest.fixture
    def owner(self, queue: LeasedQueue) -> int:
        return self.enroll(queue)

    @pytest.fixture
    def other(self, queue: LeasedQueue) -> int:
        return self.enroll(queue)

    @pytest.fixture
    def can_delay(self, queue: LeasedQueue) -> None:
        if not queue.supports_delay:
            pytest.skip(f"{type(queue).__name__} cannot delay (supports_delay is False)")

    def can_bring_back(self, queue: LeasedQueue) -> None:
        if type(queue).bring_back is LeasedQueue.bring_back:
            pytest.skip(f"{type(queue).__name__} brings nothing back (it inherits bring_back)")

    @pytest.fixture
    def can_rank(self, queue: LeasedQueue) -> None:
        if not queue.supports_priority:
            pytest.skip(f"{type(queue).__name__} does not know priorities (supports_priority is False)")

    @pytest.fixture
    def can_wait(self, queue: LeasedQueue) -> None:
        if not queue.blocking:
            pytest.skip(f"{type(queue).__name__} does not wait (blocking is False)")

    @pytest.fixture
    def can_keep_keys(self, queue: LeasedQueue) -> None:
        if not keeps_keys(queue):
            pytest.skip(f"{type(queue).__name__} keeps no keys (store is None)")

    @pytest.fixture
    def results(self, queue: LeasedQueue) -> Store:
        if queue.results is None:
            pytest.skip(
                f"{type(queue).__name__} keeps no results (it has no store, or supports_peek is False)"
            )
        return queue.results

    @pytest.fixture
    def can_remove(self, queue: LeasedQueue) -> None:
        try:
            queue.remove([new_id()])
        except BackendError:
            pytest.skip(f"{type(queue).__name__} cannot remove what waits")

    def enroll(self, queue: LeasedQueue) -> int:
        owner = new_owner()
        queue.enroll(owner)
        return owner

    def send(self, queue: LeasedQueue, count: int = 1, **options: Any) -> list[str]:
        envelopes = [Envelope(new_id(), f"data {n}".encode(), **options) for n in range(count)]
        queue.send(envelopes)
        return [envelope.id for envelope in envelopes]

    def lend(self, queue: LeasedQueue, owner: int, count: int = 100) -> list[str]:
        return ids_of(queue.receive(owner, count).deliveries)

    def prefetch(
        self, queue: LeasedQueue, owner: int, count: int, done: Collection[str] = ()
    ) -> Callable[[], Batch]:
        answer = queue.prefetch(owner, count, done)
        if answer is None:
            pytest.skip(f"{type(queue).__name__} cannot prefetch (prefetch returns None)")
        return answer

    def lend_one(self, queue: LeasedQueue, owner: int) -> Delivery:
        deliveries: list[Delivery] = until(lambda: queue.receive(owner, 1).deliveries, "it was lent")
        return deliveries[0]

    def kill(self, queue: Any, data: bytes = b"data", error: str = "it failed") -> str:
        owner, id = self.enroll(queue), new_id()
        queue.send([Envelope(id, data)])
        queue.receive(owner, 1)
        assert queue.reject(owner, [Rejection(id, error)]) == {id}
        queue.reap(owner)
        return id
