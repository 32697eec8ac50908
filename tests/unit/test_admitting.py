"""The chore that admits messages in lanes."""

from __future__ import annotations

from math import inf

from djutils.queue.backends.base import new_owner
from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.ids import new_id
from djutils.queue.message import Envelope, Lane
from djutils.queue.workers.admitting import Admitting

from .test_expiring import only
from .times import LEAP, Times


class WithoutLanes(MemoryQueue):
    supports_lanes = False

    def sweep_lanes(self, most: int = 1000) -> int:
        raise AssertionError("it has no lanes")


def test_each_second_what_should_have_been_admitted_is_admitted(memory: MemoryQueue) -> None:
    owner, ids, times = new_owner(), [new_id(), new_id()], Times(LEAP)
    admitting = Admitting(only(memory), times.monotonic)
    memory.enroll(owner)
    memory.send_in_lanes([(Envelope(id, b"data"), Lane("one")) for id in ids])
    assert [one.id for one in memory.receive(owner, 10).deliveries] == ids[:1]
    memory.ack(owner, ids[:1])
    assert memory.receive(owner, 10).deliveries == []

    assert admitting.due_in() == 1
    times.elapse(1)
    admitting.do()
    assert admitting.due_in() == 1
    assert [one.id for one in memory.receive(owner, 10).deliveries] == ids[1:]


def test_where_no_queue_has_lanes_it_is_never_due() -> None:
    queue: LeasedQueue = WithoutLanes(f"unit.{new_id()}")

    assert Admitting(only(queue)).due_in() == inf
