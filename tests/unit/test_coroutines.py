"""Calls that a coroutine makes: what waits in a thread, what runs at once, and what a cancellation leaves."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connections
from django.test import TestCase, override_settings
from pytest_django import Settings

from djutils.queue.backends import queues
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.command import Command
from djutils.queue.exceptions import EnqueueError, NotPicklable, TimeLimitExceeded, WrongArguments
from djutils.queue.queue import Invoker, invoker
from djutils.queue.results import Result
from djutils.queue.signals import command_enqueued
from tests.project.app.models import Note

from .commands_for_tests import (
    Greeting,
    Unpicklable,
    copy_notes,
    fail,
    note_atomically,
    note_later,
    record,
    record_later,
    spin_later,
)
from .conftest import Declare
from .helpers import ListQueue, take, until


def test_acall_enqueues_as_the_plain_call_does(memory: MemoryQueue, ran: list[Any]) -> None:
    result = asyncio.run(record.using(priority=3).acall("x", times=2))

    assert result == (result.id, "tests.unit.commands_for_tests.record", memory.name)
    command = take()
    assert command is not None
    assert (command.data, ran) == ((("x",), {"times": 2}), [])


def test_aenqueue_and_aenqueue_many_send_commands(memory: MemoryQueue) -> None:
    async def view() -> list[Result]:
        return [
            await invoker.aenqueue(Greeting("you")),
            *await invoker.aenqueue_many(record.command(n) for n in range(2)),
            *await invoker.aenqueue_many(several()),
        ]

    async def several() -> AsyncIterator[Command]:
        for number in range(2, 4):
            await asyncio.sleep(0)
            yield record.command(number)

    results = asyncio.run(view())

    taken = [take() for _ in results]
    assert [command and command.data for command in taken] == ["you", *(((n,), {}) for n in range(4))]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: UNTYPED.acall("x", colour="red"), WrongArguments),
        (lambda: record.acall(Unpicklable()), NotPicklable),
        (lambda: invoker.aenqueue_many([record.command(1), record.command(Unpicklable())]), NotPicklable),
    ],
)
def test_what_cannot_be_sent_raises_where_it_is_awaited(
    memory: MemoryQueue, call: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        asyncio.run(call())
    assert len(memory) == 0


UNTYPED: Any = record


def test_the_plain_call_works_in_a_coroutine_where_no_database_is_needed(
    memory: MemoryQueue, ran: list[Any]
) -> None:
    async def view() -> list[Result]:
        return [record("x"), invoker.enqueue(Greeting("x")), *invoker.enqueue_many([record.command("y")])]

    assert len(asyncio.run(view())) == len(memory) == 3


def test_asynchronous_receivers_hear_of_a_plain_call_in_a_coroutine(memory: MemoryQueue) -> None:
    heard: list[Any] = []

    async def listen(**facts: Any) -> None:
        heard.append(facts["message"].id)

    async def view() -> Result:
        return record("x")

    command_enqueued.connect(listen)
    try:
        result = asyncio.run(view())
    finally:
        command_enqueued.disconnect(listen)

    assert heard == [result.id]


def test_of_several_queues_none_is_sent_to_when_one_is_in_a_database(
    memory: MemoryQueue, settings: Settings
) -> None:
    settings.QUEUE_BACKEND = "djutils.queue.backends.database.DatabaseQueue"
    commands = [record.command(1), record.using(queue_name="unit.database").command(2)]

    async def view() -> None:
        Invoker(memory).enqueue_many(commands)

    with pytest.raises(
        EnqueueError, match=r"nothing was sent\. Write 'await invoker\.aenqueue_many\(commands\)'"
    ):
        asyncio.run(view())
    assert len(memory) == 0


class QueueInTheDatabase(ListQueue):
    """A user's backend with four methods, on Django's models."""

    def write(self, data: bytes) -> None:
        Note.objects.create(text="message")


def test_a_backend_of_four_methods_that_uses_the_database_is_explained_too(memory: MemoryQueue) -> None:
    async def view() -> None:
        Invoker(QueueInTheDatabase("unit.notes")).enqueue(record.command("x"))

    with pytest.raises(EnqueueError, match=r"Write 'await record\.acall\(\.\.\.\)' instead of 'record\("):
        asyncio.run(view())


class Rows:
    """Asks for its rows when it is pickled, as a QuerySet does."""

    def __reduce__(self) -> tuple[type, tuple[list[str]]]:
        return list, ([note.text for note in Note.objects.all()],)


@pytest.mark.parametrize(
    "send", [lambda: record(Rows()), lambda: invoker.enqueue_many([record.command(Rows())])]
)
def test_an_argument_that_asks_the_database_is_explained(memory: MemoryQueue, send: Any) -> None:
    async def view() -> None:
        send()

    with pytest.raises(
        EnqueueError, match=r"nothing was sent\. Write 'await (record\.acall|invoker\.aenqueue_many)"
    ):
        asyncio.run(view())
    assert len(memory) == 0


# What eager mode runs


def test_eager_runs_an_async_command_in_a_coroutine(eager: MemoryQueue, ran: list[Any]) -> None:
    async def view() -> None:
        record_later("plain")
        await record_later.acall("awaited")
        await invoker.aenqueue_many([record_later.command("one of many")])

    asyncio.run(view())

    assert ran == ["plain", "awaited", "one of many"]
    assert len(eager) == 0


def test_eager_runs_an_async_command_whose_module_was_imported_in_the_running_loop(
    eager: MemoryQueue, declare: Declare, ran: list[Any]
) -> None:
    # As a server imports a site. What runs the command must not wait for that loop, which waits for it.
    async def serve() -> None:
        module = declare(
            """
            from tests.unit.commands_for_tests import ran
            @queue_command
            async def one(value):
                ran.append(value)
            """
        )
        module.one("plain")
        await module.one.acall("awaited")

    asyncio.run(serve())

    assert ran == ["plain", "awaited"]


def test_eager_lets_exceptions_out_of_a_coroutines_calls(eager: MemoryQueue) -> None:
    async def view(call: Any) -> None:
        result = call()
        await result

    for call in (lambda: fail(LookupError("mine")), lambda: fail.acall(LookupError("mine"))):
        with pytest.raises(LookupError, match="mine"):
            asyncio.run(view(call))
    for call in (lambda: spin_later(5), lambda: spin_later.acall(5)):
        with pytest.raises(TimeLimitExceeded):
            asyncio.run(view(call))


@pytest.mark.parametrize("awaited", [False, True])
@pytest.mark.django_db(transaction=True)
def test_eager_commands_use_the_database_in_a_coroutine_and_leave_no_connection(
    eager: MemoryQueue, ran: list[Any], awaited: bool
) -> None:
    async def view() -> None:
        for command in (note_later, note_atomically):
            await command.acall("x") if awaited else command("x")

    async_to_sync(view)()

    assert [*Note.objects.values_list("text", flat=True)] == ["x", "x"]
    (used,) = ran
    here = connections["default"]
    assert used is here if awaited else (used is not here and used.connection is None)


class TestInATransactionOfATestCase(TestCase):
    """What is awaited shares the connection of the test, and so its transaction."""

    @override_settings(QUEUE_EAGER=True)
    async def test_an_awaited_command_sees_what_the_test_wrote(self) -> None:
        await Note.objects.acreate(text="the test's")
        await copy_notes.acall()
        assert await Note.objects.acount() == 2

    @override_settings(QUEUE_BACKEND="djutils.queue.backends.database.DatabaseQueue")
    async def test_an_awaited_call_is_visible_in_the_test(self) -> None:
        await record.acall("x")
        assert await sync_to_async(len)(invoker) == 1


def test_dequeue_runs_an_async_command_in_a_coroutine(memory: MemoryQueue, ran: list[Any]) -> None:
    async def view() -> Result | None:
        record_later("x")
        return invoker.dequeue()

    assert asyncio.run(view())
    assert ran == ["x"]


# What a cancellation leaves


@contextmanager
def held_after_sending() -> Iterator[tuple[threading.Event, threading.Event]]:
    """Each sending waits, when its message is stored, until the second event is set."""
    stored, go_on = threading.Event(), threading.Event()

    def hold(**facts: Any) -> None:
        stored.set()
        go_on.wait(10)

    command_enqueued.connect(hold)
    try:
        yield stored, go_on
    finally:
        go_on.set()
        command_enqueued.disconnect(hold)


def test_what_is_cancelled_while_it_is_sent_is_sent_as_a_whole(memory: MemoryQueue) -> None:
    other = queues[f"{memory.name}.other"]
    commands = [record.command(1), record.using(queue_name=other.name).command(2)]

    async def view(stored: threading.Event) -> None:
        sending = asyncio.ensure_future(invoker.aenqueue_many(commands))
        await asyncio.to_thread(stored.wait, 10)
        assert (len(memory), len(other)) == (1, 0)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending

    with held_after_sending() as (stored, _):
        asyncio.run(view(stored))

    until(lambda: (len(memory), len(other)) == (1, 1))


def test_what_is_cancelled_before_its_turn_is_never_sent(memory: MemoryQueue) -> None:
    async def view(busy: threading.Event, go_on: threading.Event) -> None:
        before = asyncio.ensure_future(sync_to_async(occupy)(busy, go_on))
        await asyncio.to_thread(busy.wait, 10)
        waiting = asyncio.ensure_future(record.acall("x"))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        go_on.set()
        await before
        await record.acall("y")

    asyncio.run(view(threading.Event(), threading.Event()))

    command = take()
    assert command is not None
    assert (command.data[0], len(memory)) == (("y",), 0)


def occupy(busy: threading.Event, go_on: threading.Event) -> None:
    busy.set()
    go_on.wait(10)


def test_djangos_own_error_is_left_alone_where_it_is_not_ours(eager: MemoryQueue) -> None:
    async def view() -> None:
        await fail.acall(SynchronousOnlyOperation("the command's own"))

    with pytest.raises(SynchronousOnlyOperation, match="the command's own"):
        asyncio.run(view())
