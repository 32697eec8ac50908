"""The chore that removes what has expired in the stores beside the queues."""

from __future__ import annotations

from math import inf
from multiprocessing import Pipe

import pytest

from djutils.queue.backends.base import BaseQueue
from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.ids import new_id
from djutils.queue.workers import expiring as expiring_module
from djutils.queue.workers.arena import Arena
from djutils.queue.workers.chore import Stores
from djutils.queue.workers.expiring import Expiring
from djutils.queue.workers.maintainer import Maintainer
from djutils.queue.workers.options import ConsumerOptions

from .helpers import ListQueue, until
from .times import LEAP, Times

SOON, LONG = 0.02, 600.0


def only(*queues: BaseQueue) -> Stores:
    stores = Stores(())
    for queue in queues:
        stores.queues[queue.name] = queue
        if isinstance(queue, LeasedQueue):
            stores.leased[queue.name] = queue
    return stores


def fill(queue: LeasedQueue, count: int) -> None:
    """Put ``count`` values that have expired into the store of ``queue``, and one that has not."""
    store = queue.store
    assert store is not None
    store.set({str(number): b"value" for number in range(count)}, SOON)
    store.set({"kept": b"value"}, LONG)
    until(lambda: not store.get(["0"]))


def test_what_has_expired_is_removed_in_small_parts(memory: MemoryQueue) -> None:
    fill(memory, 1200)
    times = Times(LEAP)
    expiring = Expiring(only(memory), times.monotonic)
    assert expiring.due_in() == 60
    times.elapse(60)

    assert times.rounds(expiring) == 3
    assert expiring.due_in() == 60
    assert memory.store.remove_expired(1000) == 0
    assert memory.store.get(["kept"]) == {"kept": b"value"}


def test_every_queue_has_its_turn(memory: MemoryQueue) -> None:
    other = MemoryQueue(f"unit.{new_id()}")
    fill(memory, 1)
    fill(other, 600)
    times = Times(LEAP)
    expiring = Expiring(only(other, ListQueue("unit.four"), memory), times.monotonic)
    times.elapse(60)

    assert times.rounds(expiring) == 2
    assert memory.store.remove_expired(1000) == other.store.remove_expired(1000) == 0


def test_the_maintainer_of_a_consumer_removes_them(
    memory: MemoryQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(memory, 3)
    monkeypatch.setattr(expiring_module, "_EVERY", 0.0)
    supervisor, connection = Pipe()
    maintainer = Maintainer(ConsumerOptions((memory.name,)), connection, Arena(1, 1))

    for chore in maintainer._chores:
        chore.do_if_due()

    assert memory.store.remove_expired(1000) == 0
    supervisor.close()


def test_a_backend_without_a_store_has_nothing_to_remove(
    memory: MemoryQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MemoryQueue, "store", None)
    times = Times(LEAP)
    expiring = Expiring(only(memory), times.monotonic)
    expiring.do()

    assert expiring.due_in() == 60
    assert Expiring(only(ListQueue("unit.four")), times.monotonic).due_in() == inf
