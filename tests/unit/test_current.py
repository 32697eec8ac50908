"""What a command is told of the message that asked for it."""

from __future__ import annotations

from typing import Any

from djutils.queue.backends.base import new_owner
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.current import Lease, current_message
from djutils.queue.executor import Executor
from djutils.queue.message import ACKED

from .commands_for_tests import look_at_myself
from .helpers import make_delivery, make_envelope


def test_outside_of_a_run_there_is_none() -> None:
    assert current_message() is None


def test_a_command_sees_its_id_its_queue_and_its_attempt(ran: list[Any]) -> None:
    delivery = make_delivery(look_at_myself, attempts=2)
    assert Executor("unit").execute(delivery) == ACKED
    assert ran == [(delivery.id, "unit", 3, 3, True)]
    assert current_message() is None


def test_the_fencing_token_grows_whenever_a_worker_was_lost(ran: list[Any]) -> None:
    for attempts, crashes, redeliveries in [(0, 0, 0), (0, 1, 0), (1, 1, 0), (1, 1, 1), (1, 2, 1)]:
        counters = {"attempts": attempts, "crashes": crashes, "redeliveries": redeliveries}
        Executor("unit").execute(make_delivery(look_at_myself, **counters))
    assert [token for _, _, _, token, _ in ran] == [1, 2, 3, 4, 5]


def test_a_command_whose_message_was_taken_back_can_find_out(memory: MemoryQueue, ran: list[Any]) -> None:
    owner = new_owner()
    memory.enroll(owner)
    memory.send([make_envelope(look_at_myself, queue=memory.name)])
    (delivery,) = memory.receive(owner, 1).deliveries
    executor = Executor(memory.name, lease=Lease(memory, owner))
    executor.execute(delivery)
    memory.reap(owner)
    executor.execute(delivery)
    assert [still_ours for *_, still_ours in ran] == [True, False]
