"""The invoker: what enqueue and dequeue do, before any consumer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pytest_django import Settings

from djutils.queue import codec
from djutils.queue.backends import queues
from djutils.queue.backends.base import BaseQueue
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.exceptions import (
    BackendUnavailable,
    EnqueueError,
    InvalidMessage,
    MessageTooLarge,
    NotPicklable,
    NotUnpicklable,
    Reject,
    UnknownCommand,
    UnsupportedOption,
)
from djutils.queue.message import Message
from djutils.queue.queue import Invoker, QueueException, invoker
from djutils.queue.signals import command_enqueued
from tests.project.app.models import Note

from .commands_for_tests import (
    Greeting,
    Unpicklable,
    ask_again,
    elsewhere,
    fail,
    mutate,
    record,
    record_later,
    refuse,
)
from .helpers import ListQueue, make_message, take


def test_a_command_of_2011_travels(memory: MemoryQueue, ran: list[Any]) -> None:
    result = invoker.enqueue(Greeting("you"))
    assert result.command == "tests.unit.commands_for_tests.Greeting"
    assert (len(invoker), ran) == (1, [])
    assert invoker.dequeue() == result
    assert (len(invoker), ran) == (0, ["you"])


def test_many_are_sent_each_queue_in_one_go(memory: MemoryQueue, ran: list[Any]) -> None:
    commands = [record.command(1), elsewhere.command(3), record.command(2)]
    results = invoker.enqueue_many(iter(commands))
    assert [result.command for result in results] == [command.name for command in commands]
    assert [result.queue_name for result in results] == [memory.name, commands[1].queue_name, memory.name]
    assert ran == []
    assert [command.data[0][0] for command in iter(take, None)] == [1, 2]


def test_of_many_none_is_sent_when_one_cannot_be(memory: MemoryQueue) -> None:
    with pytest.raises(NotPicklable):
        invoker.enqueue_many([record.command(1), record.command(Unpicklable())])
    assert len(memory) == 0


def test_many_of_none_is_nothing(memory: MemoryQueue) -> None:
    assert invoker.enqueue_many([]) == []


def test_in_eager_mode_many_run_at_once(memory: MemoryQueue, settings: Settings, ran: list[Any]) -> None:
    settings.QUEUE_EAGER = True
    invoker.enqueue_many([record.command(1), record.command(2)])
    assert ran == [1, 2]


def test_dequeue_answers_none_when_there_is_nothing(memory: MemoryQueue) -> None:
    assert invoker.dequeue() is None


def test_commands_come_off_in_the_order_they_were_put_on(memory: MemoryQueue) -> None:
    for number in range(5):
        invoker.enqueue(Greeting(number))
    assert [command.data for command in iter(take, None)] == list(range(5))


def test_flush_forgets_everything(memory: MemoryQueue) -> None:
    record(1)
    invoker.flush()
    assert (len(invoker), invoker.dequeue()) == (0, None)
    assert bool(invoker), "an empty queue is still a queue"
    assert bool(memory)


def test_an_invoker_may_have_a_queue_of_its_own(memory: MemoryQueue) -> None:
    mine = Invoker(queues[f"{memory.name}.mine"])
    result = mine.enqueue(Greeting(1))
    assert (result.queue_name, len(mine), len(invoker)) == (f"{memory.name}.mine", 1, 0)


def test_a_command_that_names_its_queue_goes_there(memory: MemoryQueue) -> None:
    before = len(queues["unit.other"])
    assert elsewhere("x").queue_name == "unit.other"
    assert (len(queues["unit.other"]), len(memory)) == (before + 1, 0)
    queues["unit.other"].flush()


def test_a_model_instance_may_be_passed(memory: MemoryQueue) -> None:
    note = Note(pk=7, text="a line", written=datetime(2024, 2, 29, tzinfo=UTC))
    record(note, times=1)
    command = take()
    assert command is not None
    ((copy,), _) = command.data
    assert (copy, copy.text, copy.written) == (note, note.text, note.written)
    assert copy is not note


@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize(
    ("call", "culprit"),
    [
        (lambda: record(Unpicklable()), r"The argument 1 \(Unpicklable\)"),
        (lambda: record(lambda: 0), r"The argument 1 \(function\)"),
        (lambda: record(1, times=Unpicklable()), r"The argument 'times' \(Unpicklable\)"),
        (lambda: invoker.enqueue(Greeting({"a": Unpicklable()})), r"The command's data \(dict\)"),
    ],
)
def test_what_cannot_be_pickled_raises_at_the_call_and_nothing_is_enqueued(
    memory: MemoryQueue, settings: Settings, ran: list[Any], call: Any, culprit: str, eager: bool
) -> None:
    settings.QUEUE_EAGER = eager
    with pytest.raises(NotPicklable, match=culprit) as caught:
        call()
    assert isinstance(caught.value, (EnqueueError, QueueException))
    assert (len(memory), ran) == (0, [])


@pytest.mark.parametrize("eager", [False, True])
def test_a_message_up_to_the_limit_is_sent_and_one_byte_more_is_refused(
    memory: MemoryQueue, settings: Settings, ran: list[Any], eager: bool
) -> None:
    record(b"x" * 1000)
    data = memory.read()
    assert data is not None
    # The creation time is written with as many digits as it needs.
    settings.QUEUE_MAX_MESSAGE_SIZE = len(data) + 20
    settings.QUEUE_EAGER = eager
    record(b"x" * 1000)
    with pytest.raises(MessageTooLarge) as caught:
        record(b"x" * 1100)
    assert "'tests.unit.commands_for_tests.record' has" in str(caught.value)
    assert f"QUEUE_MAX_MESSAGE_SIZE is {len(data) + 20}; nothing was sent" in str(caught.value)
    assert len(memory) + len(ran) == 1


def test_priority_is_refused_by_a_queue_without(four_methods: ListQueue) -> None:
    with pytest.raises(UnsupportedOption, match="ListQueue has no priorities; nothing was sent"):
        record.using(priority=1)("x")
    assert len(four_methods) == 0
    record.using(priority=0)("x")
    assert len(four_methods) == 1


def test_four_methods_are_enough(four_methods: ListQueue, ran: list[Any]) -> None:
    record("x")
    assert invoker.dequeue()
    assert (ran, invoker.dequeue()) == (["x"], None)


def test_a_backend_that_fails_raises_at_the_call(four_methods: ListQueue) -> None:
    ListQueue.fails["write"] = 1
    with pytest.raises(BackendUnavailable):
        record("x")
    ListQueue.fails["read"] = 1
    with pytest.raises(BackendUnavailable):
        invoker.dequeue()


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"hello", InvalidMessage),
        (lambda: codec.encode(make_message(record, 1, queue="elsewhere")), InvalidMessage),
        (lambda: codec.encode(make_message("no.such", 1, queue=invoker.queue.name)), UnknownCommand),
        (lambda: codec.encode(make_message(record, queue=invoker.queue.name, body=b"x")), NotUnpicklable),
    ],
)
def test_dequeue_says_what_is_wrong_with_a_message(
    memory: MemoryQueue, data: Any, error: type[Exception]
) -> None:
    memory.write(data() if callable(data) else data)
    with pytest.raises(error):
        invoker.dequeue()
    assert len(memory) == 0


# Signals


def test_the_signal_tells_of_what_was_enqueued_and_a_failing_receiver_changes_nothing(
    memory: MemoryQueue,
) -> None:
    heard: list[tuple[Any, Message, int]] = []

    def listen(sender: Any, message: Message, **_: Any) -> None:
        heard.append((sender, message, len(memory)))

    def stumble(**_: Any) -> None:
        raise ValueError

    with_receivers = [command_enqueued.connect(receiver) for receiver in (stumble, listen)]
    try:
        result = record("x")
        with pytest.raises(NotPicklable):
            record(Unpicklable())
    finally:
        command_enqueued.disconnect(stumble)
        command_enqueued.disconnect(listen)
    assert len(with_receivers) == 2
    ((sender, message, waiting),) = heard
    assert (sender, message.id, message.queue, waiting) == (record.command_class, result.id, memory.name, 1)


# Eager


def test_eager_runs_the_call_at_once_and_answers_a_handle(eager: MemoryQueue, ran: list[Any]) -> None:
    result = record("x", times=2)
    assert ran == ["x", "x"]
    assert (len(result.id), result.queue_name, len(eager)) == (32, eager.name, 0)
    invoker.enqueue(Greeting("you"))
    record_later("y")
    assert ran[2:] == ["you", "y"]


def test_eager_serialises_so_that_mutations_do_not_reach_the_caller(
    eager: MemoryQueue, ran: list[Any]
) -> None:
    items = ["mine"]
    mutate(items)
    assert (items, ran) == (["mine"], [["mine", "changed"]])


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (fail, ValueError),
        (lambda: fail(KeyError("x")), KeyError),
        (lambda: refuse("why"), Reject),
        (lambda: ask_again(5), QueueException),
    ],
)
def test_eager_lets_exceptions_out(eager: MemoryQueue, call: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        call()
    assert len(eager) == 0


def test_eager_does_not_ask_the_backend(four_methods: ListQueue, settings: Settings, ran: list[Any]) -> None:
    settings.QUEUE_EAGER = True
    record("x")
    assert (ran, dict(ListQueue.calls)) == (["x"], {})


# Queues by name


def test_a_queue_is_made_once_per_name_and_again_for_other_settings(
    memory: MemoryQueue, settings: Settings
) -> None:
    assert queues[memory.name] is memory
    assert queues.fresh(memory.name) is not memory
    settings.QUEUE_CONNECTION = "another"
    assert queues[memory.name] is not memory


def test_a_base_queue_says_what_is_missing() -> None:
    queue = BaseQueue("unit")
    for call in (lambda: queue.write(b""), queue.read, queue.flush, lambda: len(queue)):
        with pytest.raises(NotImplementedError, match="BaseQueue must define"):
            call()
