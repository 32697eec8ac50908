"""Foreign messages on a queue: those of other sites, and messages under ids that are not their own."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import Settings

from djutils.queue import codec
from djutils.queue.backends.base import new_owner
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.backends.popping import PopChannel
from djutils.queue.current import Lease
from djutils.queue.exceptions import ForeignMessage
from djutils.queue.executor import Executor
from djutils.queue.ids import new_id
from djutils.queue.message import Action, Delivery, Envelope, Message, Retrial
from djutils.queue.retry import UNKNOWN

from .commands_for_tests import record
from .helpers import ListQueue, make_message


@pytest.fixture
def lease(memory: MemoryQueue) -> Lease:
    owner = new_owner()
    memory.enroll(owner)
    return Lease(memory, owner)


@pytest.fixture
def foreign(settings: Settings, memory: MemoryQueue) -> Message:
    """A message on the queue, by a site with another key."""
    settings.QUEUE_SIGNING_KEYS = ["the key of another site"]
    message = make_message(record, "x", queue=memory.name)
    memory.send([Envelope(message.id, codec.encode(message))])
    settings.QUEUE_SIGNING_KEYS = None
    return message


def receive(lease: Lease) -> Delivery:
    (delivery,) = lease.queue.receive(lease.owner, 1).deliveries
    return delivery


def execute(lease: Lease, delivery: Delivery) -> Any:
    return Executor(lease.queue.name, lease=lease).execute(delivery)


def test_a_message_of_another_site_is_left_for_who_has_its_key(
    lease: Lease, foreign: Message, settings: Settings, ran: list[Any], log: pytest.LogCaptureFixture
) -> None:
    delivery = receive(lease)
    outcome = execute(lease, delivery)
    assert (outcome.action, outcome.charge) == (Action.RETRY, 0)
    assert 15.0 <= outcome.delay <= 30.0
    assert f"{foreign.id} offered again in" in log.text
    lease.queue.retry(lease.owner, [Retrial(delivery.id, 0.0, outcome.error, outcome.charge)])
    delivery = receive(lease)
    assert (delivery.attempts, delivery.offers) == (0, 1)
    settings.QUEUE_SIGNING_KEYS = ["the key of another site"]
    assert execute(lease, delivery).action is Action.ACK
    assert ran == ["x"]


def test_after_a_long_time_without_its_key_it_is_an_uncharged_dead_letter(
    lease: Lease, foreign: Message
) -> None:
    delivery = receive(lease)
    last = UNKNOWN.max_attempts - 1
    actions = [execute(lease, delivery._replace(offers=offers)).action for offers in range(last + 1)]
    assert actions == [Action.RETRY] * last + [Action.REJECT]
    outcome = execute(lease, delivery._replace(offers=last))
    assert outcome.charge == 0
    assert outcome.error.startswith("djutils.queue.exceptions.ForeignMessage: Signed with a key this site")


def test_four_methods_cannot_leave_it_and_keep_it_as_it_is(
    four_methods: ListQueue, settings: Settings, ran: list[Any]
) -> None:
    settings.QUEUE_SIGNING_KEYS = ["the key of another site"]
    record("x")
    settings.QUEUE_SIGNING_KEYS = None
    (data,) = four_methods.lists[four_methods.name]
    channel = PopChannel(four_methods)
    (delivery,) = channel.receive(1, (), 0.0)
    channel.settle([(delivery, Executor(four_methods.name).execute(delivery))])
    (letter,) = four_methods.dead_letters()
    assert (letter.data, letter.attempts) == (data, 0)
    assert four_methods.replay() == 1
    assert four_methods.read() == data


def test_it_is_told_from_one_that_was_damaged(foreign: Message, memory: MemoryQueue) -> None:
    data = memory.read()
    assert data is not None
    with pytest.raises(ForeignMessage, match="give each its own QUEUE_NAME"):
        codec.decode(data, memory.name)


def test_a_message_under_an_id_that_is_not_its_own_is_rejected(
    lease: Lease, ran: list[Any], log: pytest.LogCaptureFixture
) -> None:
    message = make_message(record, "x", queue=lease.queue.name)
    stranger = new_id()
    lease.queue.send([Envelope(stranger, codec.encode(message))])
    outcome = execute(lease, receive(lease))
    assert (outcome.action, outcome.charge, ran) == (Action.REJECT, 0, [])
    assert f"{stranger} rejected: It is stored under an id that is not its own, {message.id}" in log.text


def test_a_genuine_message_can_be_carried_from_queue_to_queue(lease: Lease, ran: list[Any]) -> None:
    message = make_message(record, "x", queue=lease.queue.name)
    lease.queue.write(codec.encode(message))
    data = lease.queue.read()
    assert data is not None
    lease.queue.write(data)
    delivery = receive(lease)
    assert delivery.id == message.id
    assert execute(lease, delivery).action is Action.ACK


def test_bytes_that_are_no_message_get_an_id(memory: MemoryQueue) -> None:
    for _ in range(2):
        memory.write(b"hello")
    assert len(memory) == 2
