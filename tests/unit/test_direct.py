"""Eager mode and ``dequeue``: a command runs as in a worker, and the caller hears what it raised."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pytest_django import Settings

from djutils.queue.backends.base import new_owner
from djutils.queue.backends.database import DatabaseQueue
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.current import Lease
from djutils.queue.direct import DirectExecutor
from djutils.queue.exceptions import (
    InvalidMessage,
    MessageTooLarge,
    OwnerLost,
    Retry,
    TimeLimitExceeded,
    TooDangerous,
    UnknownCommand,
    UnsupportedOption,
)
from djutils.queue.ids import new_id
from djutils.queue.message import Action
from djutils.queue.queue import QueueCommand, invoker
from tests.project.app.models import Note

from .commands_for_tests import (
    ask_again,
    fail,
    look_at_myself,
    note_atomically,
    record,
    record_later,
    refuse,
    spin,
)
from .conftest import Heard
from .helpers import ListQueue, make_delivery, make_envelope, make_message


def names(heard: Heard) -> list[str]:
    return [name for name, _ in heard]


# Eager mode comes in by the same door...


def test_eager_sends_the_signals_of_a_worker(eager: MemoryQueue, heard: Heard, ran: list[Any]) -> None:
    result = record("x")

    assert names(heard) == ["command_enqueued", "command_started", "command_succeeded"]
    assert {(facts["sender"], facts["message"].id) for _, facts in heard} == {
        (record.command_class, result.id)
    }
    assert heard[-1][1]["result"] == "x"


@pytest.mark.parametrize("call", [fail, lambda: refuse("why"), lambda: ask_again(5), lambda: spin(10.0)])
def test_eager_tells_receivers_that_a_command_failed_for_good(
    eager: MemoryQueue, heard: Heard, log: pytest.LogCaptureFixture, call: Any
) -> None:
    with pytest.raises(Exception, match=".") as caught:
        call()

    assert names(heard) == ["command_enqueued", "command_started", "command_died"]
    assert heard[-1][1]["exception"] is caught.value
    # The caller, which gets the exception, decides whether it is logged.
    assert not [record for record in log.records if record.levelname in {"WARNING", "ERROR"}]


def test_eager_refuses_what_a_queue_would_refuse(
    eager: MemoryQueue, settings: Settings, heard: Heard, ran: list[Any]
) -> None:
    settings.QUEUE_MAX_MESSAGE_SIZE = 1000
    with pytest.raises(MessageTooLarge):
        record("x" * 1000)
    with pytest.raises(MessageTooLarge):
        invoker.enqueue_many(record.command(text) for text in ("short", "x" * 1000))

    assert (ran, heard) == ([], [])


def test_eager_refuses_a_priority_where_the_backend_has_none(
    four_methods: ListQueue, settings: Settings, ran: list[Any]
) -> None:
    settings.QUEUE_EAGER = True
    with pytest.raises(UnsupportedOption, match="ListQueue has no priorities"):
        record.using(priority=1)("x")
    assert ran == []


def test_eager_refuses_atomic_where_the_backend_is_in_no_database(
    four_methods: ListQueue, settings: Settings
) -> None:
    settings.QUEUE_EAGER = True
    with pytest.raises(UnsupportedOption, match="ListQueue is in no database"):
        note_atomically("x")


@pytest.mark.usefixtures("four_methods", "declare")
def test_eager_runs_a_command_that_no_consumer_would_find(settings: Settings, ran: list[Any]) -> None:
    settings.QUEUE_EAGER = True
    typed = type("Typed", (QueueCommand,), {"__module__": "__main__", "execute": lambda self: ran.append(1)})
    invoker.enqueue(typed())
    assert ran == [1]


def test_eager_runs_what_is_not_due_yet(eager: MemoryQueue, ran: list[Any]) -> None:
    record.using(run_after=timedelta(hours=1))("x")
    assert ran == ["x"]


def test_eager_commands_see_their_message(eager: MemoryQueue, ran: list[Any]) -> None:
    result = look_at_myself()
    assert ran == [(result.id, eager.name, 1, 1, True)]


# ... and so does dequeue.


@pytest.mark.parametrize("kind", ["memory", "four_methods"])
def test_dequeue_sends_the_signals_of_a_worker(
    request: pytest.FixtureRequest, heard: Heard, ran: list[Any], kind: str
) -> None:
    queue = request.getfixturevalue(kind)
    record("x")
    assert invoker.dequeue()
    fail()
    with pytest.raises(ValueError, match="it failed") as caught:
        invoker.dequeue()

    sent = ["command_enqueued", "command_started"]
    assert names(heard) == [*sent, "command_succeeded", *sent, "command_died"]
    assert heard[-1][1]["exception"] is caught.value
    (letter,) = queue.dead_letters()
    assert letter.error.startswith("ValueError: it failed\n\nTraceback")


def test_dequeue_does_not_run_what_has_killed_too_many_workers(
    memory: MemoryQueue, settings: Settings, heard: Heard, ran: list[Any]
) -> None:
    settings.QUEUE_MAX_CRASHES = 1
    record("x")
    for _ in range(2):
        owner = new_owner()
        memory.enroll(owner)
        (delivery,) = memory.receive(owner, 1).deliveries
        memory.reap(owner, running={delivery.id: "It took the process with it."})
    heard.clear()

    with pytest.raises(TooDangerous):
        invoker.dequeue()

    assert (ran, names(heard)) == ([], ["command_died"])
    (letter,) = memory.dead_letters()
    assert letter.error.endswith("It took the process with it.")


def test_dequeue_does_not_run_a_message_under_another_id(memory: MemoryQueue, ran: list[Any]) -> None:
    envelope = make_envelope(record, "x", queue=memory.name)
    memory.send([envelope._replace(id=new_id())])

    with pytest.raises(InvalidMessage, match="not its own"):
        invoker.dequeue()

    assert (ran, memory.stats().dead) == ([], 1)


def test_an_atomic_command_is_acked_with_its_writes_by_dequeue(sqlite_alias: str, settings: Settings) -> None:
    settings.QUEUE_BACKEND = "djutils.queue.backends.database.DatabaseQueue"
    settings.QUEUE_NAME = f"unit.{new_id()}"
    note_atomically(text := new_id())
    note_atomically(other := new_id(), then=ValueError("no"))

    assert invoker.dequeue()
    with pytest.raises(ValueError, match="no"):
        invoker.dequeue()

    queue = invoker.queue
    assert isinstance(queue, DatabaseQueue)
    assert [Note.objects.filter(text=one).count() for one in (text, other)] == [1, 0]
    assert queue.stats() == (0, 0, 0, 1, 0)
    queue.flush()


def test_what_ends_the_process_gives_the_message_back(memory: MemoryQueue, heard: Heard) -> None:
    fail(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        invoker.dequeue()
    assert memory.stats() == (1, 0, 0, 0, 0)
    assert "command_died" not in names(heard)


# By itself


def test_it_raises_what_the_command_raised_after_it_was_settled(ran: list[Any]) -> None:
    settled: list[Any] = []
    DirectExecutor("unit").run(make_delivery(record, "x"), settled.append)
    for command, error in ((fail, ValueError), (ask_again, Retry), ("no.such", UnknownCommand)):
        with pytest.raises(error):
            DirectExecutor("unit").run(make_delivery(command), settled.append)
    assert [(one.action, one.charge) for one in settled] == [
        (Action.ACK, 1),
        (Action.REJECT, 1),
        (Action.REJECT, 1),
        (Action.REJECT, 0),
    ]


def test_without_a_consumer_the_time_limit_holds() -> None:
    with pytest.raises(TimeLimitExceeded):
        DirectExecutor("unit").run(make_delivery(spin, 10.0))


def test_a_message_that_was_taken_back_meanwhile_did_not_run(sqlite_alias: str) -> None:
    queue, owner = DatabaseQueue(f"unit.{new_id()}"), new_owner()
    message = make_message(note_atomically, text := new_id(), queue=queue.name)
    delivery = make_delivery(note_atomically, text, queue=queue.name, id=message.id)
    with pytest.raises(OwnerLost):
        DirectExecutor(queue.name, lease=Lease(queue, owner)).run(delivery)
    assert not Note.objects.filter(text=text).exists()


def test_an_async_command_runs_too(eager: MemoryQueue, heard: Heard) -> None:
    record_later("y")
    assert heard[-1][1]["result"] == "later y"
