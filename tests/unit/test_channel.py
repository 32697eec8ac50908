"""How a worker uses a queue: with leases, or by popping messages over four methods."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from typing import Any, ClassVar

import pytest

from djutils.queue import codec
from djutils.queue.backends.base import new_owner
from djutils.queue.backends.border import nothing
from djutils.queue.backends.channel import LeasedChannel, Settled
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.backends.popping import PopChannel
from djutils.queue.exceptions import BackendUnavailable, OwnerLost
from djutils.queue.ids import new_id
from djutils.queue.message import ACKED, RELEASED, Action, Delivery, Outcome
from djutils.queue.workers.dead_worker import DeadWorker
from djutils.queue.workers.worker import Died

from .commands_for_tests import record
from .helpers import FailingRead, FlakyQueue, ListQueue, make_delivery, make_envelope, until
from .rig import MakeRig

RETRY = Outcome(Action.RETRY, delay=0.0, error="ValueError: no\n\nTraceback")
REJECT = Outcome(Action.REJECT, error="ValueError: no\n\nTraceback")


@pytest.fixture
def leased() -> LeasedChannel:
    queue = FlakyQueue(f"unit.{new_id()}")
    queue.send([make_envelope(record, number, queue=queue.name) for number in range(3)])
    channel = LeasedChannel(queue, new_owner())
    channel.open()
    return channel


def queue_of(channel: LeasedChannel) -> FlakyQueue:
    assert isinstance(channel._queue, FlakyQueue)
    return channel._queue


def test_the_queue_says_through_which_channel_it_is_read(four_methods: ListQueue) -> None:
    lending = MemoryQueue("unit")
    leased, popped = lending.channel(1), four_methods.channel(1)
    assert isinstance(leased, LeasedChannel)
    assert isinstance(popped, PopChannel)
    assert lending.guarantee == "at least once"
    assert four_methods.guarantee.startswith("at most once under a kill")
    assert (leased.prefetches, popped.prefetches) == (True, False)
    assert (leased.name, popped.name) == ("unit", four_methods.name)


class Counted(LeasedChannel):
    """A project's own way of receiving."""

    received: ClassVar[list[str]] = []
    settled: ClassVar[list[str]] = []

    def settle(self, settled: list[Settled]) -> None:
        self.settled += [delivery.id for delivery, _ in settled]
        super().settle(settled)

    def receive(self, count: int, done: Collection[str], wait: float) -> list[Delivery]:
        deliveries = super().receive(count, done, wait)
        self.received += [delivery.id for delivery in deliveries]
        return deliveries


class CountedQueue(MemoryQueue):
    """A project's own backend."""

    def channel(self, owner: int, heard: Callable[[], object] = nothing) -> Counted:
        return Counted(self, owner, heard)


def test_a_queue_is_read_through_its_own_channel_also_for_a_worker_that_died(
    memory: MemoryQueue, ran: list[Any], rig: MakeRig
) -> None:
    queue = CountedQueue(memory.name)
    sent = [record(number).id for number in range(3)]
    worker = rig(queue)
    until(lambda: len(ran) == 3)
    worker.end()
    assert Counted.received == sent

    left = record(3).id
    dead = new_owner()
    queue.enroll(dead)
    queue.receive(dead, 1)
    died = Died({queue.name: dead}, {queue.name: [left]}, {}, {}, "killed")
    DeadWorker(died, queue.name).settle(queue)
    assert Counted.settled == [left]


# Leased


def test_it_lends_and_acks_in_one_call(leased: LeasedChannel) -> None:
    first = leased.receive(2, [], 0)
    assert len(first) == 2
    second = leased.receive(2, [delivery.id for delivery in first], 0)
    assert len(second) == 1
    assert queue_of(leased).stats() == (0, 0, 1, 0, 0)


def test_each_outcome_is_carried_out(leased: LeasedChannel) -> None:
    one, two, three = leased.receive(3, [], 0)
    release = Outcome(Action.RELEASE, delay=60)
    leased.settle([(one, RETRY._replace(delay=30)), (two, REJECT), (three, release)])
    queue = queue_of(leased)
    assert queue.stats() == (0, 2, 0, 1, 0)
    (dead,) = queue.dead_letters()
    assert (dead.id, dead.attempts, dead.reason) == (two.id, 1, "ValueError: no")
    assert queue._shared.entries[one.id].attempts == 1
    assert queue._shared.entries[three.id].attempts == 0


def test_what_never_ran_is_not_charged(leased: LeasedChannel) -> None:
    (one,) = leased.receive(1, [], 0)
    leased.settle([(one, REJECT._replace(charge=0))])
    assert queue_of(leased).dead_letters()[0].attempts == 0


def test_what_was_not_begun_goes_back_to_the_head_without_blame(leased: LeasedChannel) -> None:
    deliveries = leased.receive(2, [], 0)
    leased.settle([(delivery, RELEASED) for delivery in deliveries])
    assert leased.receive(2, [], 0) == deliveries


def test_closing_gives_back_all_it_holds(leased: LeasedChannel) -> None:
    deliveries = leased.receive(3, [], 0)
    leased.close({})
    queue = queue_of(leased)
    assert queue.stats().ready == 3
    assert queue.owners() == {}
    queue.enroll(1)
    assert queue.receive(1, 3).deliveries == deliveries


def test_what_came_too_late_is_said(leased: LeasedChannel, caplog: pytest.LogCaptureFixture) -> None:
    one, two, three = leased.receive(3, [], 0)
    queue_of(leased).reap(leased._owner)
    leased.open()
    with caplog.at_level(logging.WARNING, "djutils.queue.backends.channel"):
        leased.receive(0, [one.id], 0)
        leased.settle([(two, RETRY), (three, REJECT)])
    assert f"{one.id} succeeded here, but had already been taken back: it may run again." in caplog.text
    assert f"{two.id} failed here" in caplog.text
    assert f"{three.id} failed here" in caplog.text
    assert queue_of(leased).stats().ready == 3


def test_an_ack_whose_reply_was_lost_is_not_called_late(
    leased: LeasedChannel, caplog: pytest.LogCaptureFixture
) -> None:
    (one,) = leased.receive(1, [], 0)
    queue_of(leased).plan["receive"] = ["after"]
    with pytest.raises(BackendUnavailable):
        leased.receive(0, [one.id], 0)
    leased.receive(0, [one.id], 0)
    assert caplog.text == ""


def test_a_retry_whose_reply_was_lost_counts_once_and_is_not_called_late(
    leased: LeasedChannel, caplog: pytest.LogCaptureFixture
) -> None:
    (one,) = leased.receive(1, [], 0)
    queue_of(leased).plan["retry"] = ["after"]
    with pytest.raises(BackendUnavailable):
        leased.settle([(one, RETRY)])
    leased.settle([(one, RETRY)])
    assert queue_of(leased)._shared.entries[one.id].attempts == 1
    assert caplog.text == ""


def test_it_adopts_what_was_lent_in_a_lost_reply(leased: LeasedChannel) -> None:
    (known,) = leased.receive(1, [], 0)
    queue_of(leased).plan["receive"] = ["after"]
    with pytest.raises(BackendUnavailable):
        leased.receive(1, [], 0)
    (adopted,) = leased.adopt({known.id})
    assert adopted.id != known.id
    assert leased.adopt({known.id, adopted.id}) == []


def test_an_owner_that_was_struck_off_hears_it(leased: LeasedChannel) -> None:
    queue_of(leased).reap(leased._owner)
    with pytest.raises(OwnerLost):
        leased.receive(1, [], 0)


# Popped


@pytest.fixture
def popped(four_methods: ListQueue) -> PopChannel:
    channel = PopChannel(four_methods)
    channel.open()
    return channel


def put(queue: ListQueue, *args: Any, **fields: Any) -> bytes:
    data = make_delivery(record, *args, queue=queue.name, **fields).data
    queue.write(data)
    return data


def test_it_pops_up_to_what_was_asked_for(popped: PopChannel, four_methods: ListQueue) -> None:
    written = [put(four_methods, number) for number in range(3)]
    assert [delivery.data for delivery in popped.receive(2, [], 0)] == written[:2]
    assert [delivery.data for delivery in popped.receive(2, [], 0)] == written[2:]
    assert popped.receive(2, [], 0) == []
    assert popped.receive(0, [], 0) == []


def test_a_retry_is_written_again_with_its_attempt_and_due_time(
    popped: PopChannel, four_methods: ListQueue
) -> None:
    put(four_methods, "x", attempt=2)
    (delivery,) = popped.receive(1, [], 0)
    before = codec.decode(delivery.data, popped.name)
    popped.settle([(delivery, RETRY._replace(delay=60))])
    assert popped.receive(1, [], 0) == []
    message = codec.decode(four_methods.read() or b"", popped.name)
    assert message._replace(eta=None) == before._replace(attempt=3)
    assert message.eta is not None
    assert 55 < message.eta - time.time() <= 60


def test_a_retry_without_delay_is_due_at_once(popped: PopChannel, four_methods: ListQueue) -> None:
    put(four_methods, "x", eta=time.time() - 5)
    (delivery,) = popped.receive(1, [], 0)
    popped.settle([(delivery, RETRY)])
    (again,) = popped.receive(1, [], 0)
    assert codec.decode(again.data, popped.name).eta is None


def test_what_is_released_is_written_again_as_it_was(popped: PopChannel, four_methods: ListQueue) -> None:
    data = [put(four_methods, number) for number in range(2)]
    popped.settle([(delivery, RELEASED) for delivery in popped.receive(2, [], 0)])
    assert [delivery.data for delivery in popped.receive(9, [], 0)] == data


def test_what_is_released_for_a_time_is_held_back_with_its_attempts(
    popped: PopChannel, four_methods: ListQueue
) -> None:
    put(four_methods, 1, attempt=2)
    four_methods.write(b"no message at all")
    popped.settle([(one, Outcome(Action.RELEASE, delay=60)) for one in popped.receive(2, [], 0)])
    # What cannot be read has nowhere to write the moment.
    assert [one.data for one in popped.receive(9, [], 0)] == [b"no message at all"]
    held = codec.decode(four_methods.read() or b"", popped.name)
    assert held.attempt == 2
    assert held.eta is not None
    assert 55 < held.eta - time.time() <= 60


def test_an_ack_needs_nothing(popped: PopChannel, four_methods: ListQueue) -> None:
    put(four_methods, 1)
    (delivery,) = popped.receive(1, [], 0)
    popped.settle([(delivery, ACKED)])
    popped.close({})
    assert len(four_methods) == 0
    assert popped.adopt([]) == []


def test_dead_letters_are_in_a_separate_queue_and_start_again_when_replayed(
    popped: PopChannel, four_methods: ListQueue
) -> None:
    put(four_methods, "x", attempt=3, eta=time.time() - 1)
    (delivery,) = popped.receive(1, [], 0)
    message = codec.decode(delivery.data, popped.name)
    popped.settle([(delivery, REJECT)])
    assert len(ListQueue.lists[f"{popped.name}.dead"]) == 1
    assert four_methods.stats() == (0, 0, 0, 1, 0)
    (letter,) = four_methods.dead_letters()
    assert (letter.id, letter.attempts, letter.reason) == (message.id, 3, "ValueError: no")
    assert letter.error == REJECT.error
    assert four_methods.replay([letter.id]) == 1
    (again,) = popped.receive(1, [], 0)
    assert codec.decode(again.data, popped.name) == message._replace(attempt=1, eta=None)
    assert four_methods.dead_letters() == []


@pytest.mark.parametrize("data", [b"", b"hello", b"djq\x02 from the future"])
def test_bytes_that_are_no_message_are_kept_as_they_are(
    popped: PopChannel, four_methods: ListQueue, data: bytes
) -> None:
    delivery = Delivery(new_id(), data)
    popped.settle([(delivery, REJECT._replace(charge=0))])
    (letter,) = four_methods.dead_letters()
    assert (letter.id, letter.data, letter.attempts) == (delivery.id, data, 0)


def test_a_message_that_killed_its_process_keeps_its_id_among_the_dead(
    popped: PopChannel, four_methods: ListQueue
) -> None:
    delivery = make_delivery(record, 1, queue=popped.name)._replace(id=new_id())
    popped.settle([(delivery, REJECT._replace(charge=0))])
    assert four_methods.dead_letters()[0].data == delivery.data


def test_dead_letters_can_be_looked_at_chosen_and_discarded(
    popped: PopChannel, four_methods: ListQueue
) -> None:
    deliveries = [make_delivery(record, number, queue=popped.name) for number in range(4)]
    popped.settle([(delivery, REJECT) for delivery in deliveries])
    ids = [delivery.id for delivery in deliveries]
    assert [letter.id for letter in four_methods.dead_letters()] == ids[::-1]
    assert [letter.id for letter in four_methods.dead_letters(count=2)] == [ids[3], ids[2]]
    assert [letter.id for letter in four_methods.dead_letters([ids[1]])] == [ids[1]]
    assert four_methods.discard([ids[0], "not there"]) == 1
    assert four_methods.replay([ids[2]]) == 1
    assert four_methods.stats() == (1, 0, 0, 2, 0)
    assert four_methods.discard() == 2


def test_what_was_read_before_the_backend_went_is_not_lost(four_methods: ListQueue) -> None:
    queue = FailingRead(four_methods.name)
    channel = PopChannel(queue)
    data = [put(queue, number) for number in range(3)]
    got: list[Delivery] = []
    for _ in range(4):
        try:
            got += channel.receive(3, [], 0)
        except BackendUnavailable:
            continue
    assert [delivery.data for delivery in got] == data


def test_opening_reaches_for_the_backend(four_methods: ListQueue) -> None:
    class Broken(ListQueue):
        def __len__(self) -> int:
            raise BackendUnavailable

    with pytest.raises(BackendUnavailable):
        PopChannel(Broken(four_methods.name)).open()
