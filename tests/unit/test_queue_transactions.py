"""The invoker inside transactions: what is sent when, and what never."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from django.db import connections, transaction
from django.test import TestCase
from pytest_django import Settings

from djutils.queue import codec
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.exceptions import (
    NotPicklable,
)
from djutils.queue.message import Envelope, Message
from djutils.queue.queue import Invoker, invoker
from djutils.queue.signals import command_enqueued

from .commands_for_tests import (
    Greeting,
    Unpicklable,
    record,
)
from .helpers import take


class OnOther(MemoryQueue):
    """Takes part in the transactions of 'other'."""

    transaction_alias = "other"


@pytest.fixture
def other(sqlite_alias: str) -> Iterator[str]:
    """A second database."""
    connections.settings["other"] = connections.settings["default"] | {"NAME": ":memory:"}
    with connections["other"].cursor():
        yield "other"
    connections["other"].close()
    del connections["other"]
    del connections.settings["other"]


def test_inside_a_transaction_it_is_sent_on_commit_and_the_handle_is_valid_at_once(
    memory: MemoryQueue, sqlite_alias: str
) -> None:
    heard: list[str] = []

    def listen(message: Message, **_: Any) -> None:
        heard.append(message.id)

    command_enqueued.connect(listen)
    try:
        with transaction.atomic():
            result = record("x")
            assert (len(result.id), len(memory), heard) == (32, 0, [])
    finally:
        command_enqueued.disconnect(listen)
    data = memory.read()
    assert data is not None
    assert codec.decode(data, memory.name).id == result.id
    assert heard == [result.id]


def test_rolled_back_it_is_never_sent(memory: MemoryQueue, sqlite_alias: str) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        record("x")
        1 / 0  # noqa: B018
    with transaction.atomic():
        pass
    assert len(memory) == 0


def test_a_rolled_back_savepoint_takes_its_calls_with_it(memory: MemoryQueue, sqlite_alias: str) -> None:
    with transaction.atomic():
        record("outer")
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            record("inner")
            1 / 0  # noqa: B018
        record("after")
        assert len(memory) == 0
    assert [command.data[0][0] for command in iter(take, None)] == ["outer", "after"]


class Counting(MemoryQueue):
    """Remembers how many it was given at a time."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.sent: list[int] = []

    def send(self, envelopes: Sequence[Envelope]) -> None:
        self.sent.append(len(envelopes))
        super().send(envelopes)


def test_what_one_transaction_calls_is_sent_together(memory: MemoryQueue, sqlite_alias: str) -> None:
    queue = Counting("unit.together")
    numbered = Invoker(queue)
    with transaction.atomic():
        for number in range(3):
            numbered.enqueue(Greeting(number))
        with transaction.atomic():
            numbered.enqueue(Greeting(3))
        numbered.enqueue_many([Greeting(4), Greeting(5)])
        numbered.enqueue(Greeting(6))
    assert sum(queue.sent) == 7
    assert queue.sent[0] == 3
    assert [command.data for command in iter(lambda: take(numbered), None)] == list(range(7))


def test_it_is_not_sent_before_what_was_to_happen_first(memory: MemoryQueue, sqlite_alias: str) -> None:
    seen: list[int] = []
    with transaction.atomic():
        record(1)
        transaction.on_commit(lambda: seen.append(len(memory)))
        record(2)
        transaction.on_commit(lambda: seen.append(len(memory)))
    assert seen == [1, 2]


class OneByOne(TestCase):
    """What Django's own test case captures is what was called meanwhile."""

    __test__ = False  # by itself it has the project's queue, whose database is the test's own

    databases = frozenset({"default"})

    def runTest(self) -> None:  # noqa: N802
        with transaction.atomic():
            record("before")
            with self.captureOnCommitCallbacks(execute=True) as callbacks:
                record("captured")
            assert len(callbacks) == 1


def test_a_test_case_captures_each_call(memory: MemoryQueue, sqlite_alias: str) -> None:
    OneByOne().debug()
    assert [command.data[0][0] for command in iter(take, None)] == ["captured"]


def test_what_is_wrong_is_said_at_the_call_and_not_on_commit(memory: MemoryQueue, sqlite_alias: str) -> None:
    with transaction.atomic():
        with pytest.raises(NotPicklable):
            record(Unpicklable())
        record("x")
    assert len(memory) == 1


def test_the_arguments_are_those_of_the_call_not_of_the_commit(
    memory: MemoryQueue, sqlite_alias: str
) -> None:
    items = ["then"]
    with transaction.atomic():
        record(items)
        items.append("now")
    command = take()
    assert command is not None
    assert command.data[0] == (["then"],)


def test_a_transaction_elsewhere_counts_too(memory: MemoryQueue, other: str) -> None:
    with transaction.atomic(using=other):
        record("x")
        assert len(memory) == 0
    assert len(memory) == 1


@pytest.mark.parametrize("aliases", [("default", "other"), ("other", "default")])
def test_with_two_transactions_it_is_sent_when_both_have_committed(
    memory: MemoryQueue, other: str, aliases: tuple[str, str]
) -> None:
    outer, inner = aliases
    with transaction.atomic(using=outer):
        with transaction.atomic(using=inner):
            record("x")
        assert len(memory) == 0
    assert len(memory) == 1


@pytest.mark.parametrize("aliases", [("default", "other"), ("other", "default")])
@pytest.mark.parametrize("which", ["inner", "outer"])
def test_with_two_transactions_it_is_not_sent_if_one_is_rolled_back(
    memory: MemoryQueue, other: str, aliases: tuple[str, str], which: str
) -> None:
    outer, inner = aliases
    with transaction.atomic(using=outer):
        with transaction.atomic(using=inner):
            record("x")
            transaction.set_rollback(which == "inner", using=inner)
        transaction.set_rollback(which == "outer", using=outer)
    assert len(memory) == 0


def test_a_queue_inside_the_transaction_is_written_at_once(other: str) -> None:
    queue = OnOther("unit.on-other")
    with transaction.atomic(using=other):
        Invoker(queue).enqueue(Greeting(1))
        assert len(queue) == 1
    with transaction.atomic():
        Invoker(queue).enqueue(Greeting(2))
        assert len(queue) == 1
    assert len(queue) == 2


def test_on_its_own_database_a_database_queue_takes_part_in_the_transaction(
    settings: Settings, sqlite_alias: str
) -> None:
    settings.QUEUE_BACKEND = "djutils.queue.backends.database.DatabaseQueue"
    settings.QUEUE_NAME = "unit.transactions"
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        record("x")
        assert len(invoker) == 1
        1 / 0  # noqa: B018
    assert len(invoker) == 0
    with transaction.atomic():
        record("y")
    assert [command.data[0] for command in iter(take, None)] == [("y",)]
