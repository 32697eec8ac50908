"""Running what waits inside a test, as users do."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from pytest_django import Settings

from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.current import current_message
from djutils.queue.decorators import queue_command
from djutils.queue.exceptions import InvalidMessage, QueueException, Reject, Retry, UnknownCommand
from djutils.queue.ids import new_id
from djutils.queue.message import Envelope
from djutils.queue.queue import invoker
from djutils.queue.signals import command_died, command_retried
from djutils.testing import assert_enqueued, drain, draining, enqueued

from .commands_for_tests import (
    Greeting,
    ask_again,
    elsewhere,
    fail,
    fail_at_first,
    look_at_myself,
    record,
    record_later,
    refuse,
)
from .conftest import Heard
from .helpers import ListQueue, make_envelope, make_message


@queue_command
def count_down(number: int) -> None:
    """Enqueue what follows."""
    record(number)
    if number:
        count_down(number - 1)


@queue_command
def go_on_without_end() -> None:
    go_on_without_end()


def test_what_waits_is_run_and_what_that_enqueues_too(memory: MemoryQueue, ran: list[Any]) -> None:
    count_down(2)
    elsewhere("other queue")
    invoker.enqueue(Greeting("ada"))
    record_later("coroutine")

    calls = drain()

    assert sorted(map(str, ran)) == ["0", "1", "2", "ada", "coroutine", "other queue"]
    assert len(calls) == 9
    assert calls[0].args == (2,)
    assert enqueued() == drain() == []
    assert memory.owners() == {}


def test_only_the_queue_that_is_named_is_drained(memory: MemoryQueue, ran: list[Any]) -> None:
    elsewhere(1)
    record(2)
    assert [call.queue for call in drain("unit.other")] == ["unit.other"]
    assert ran == [1]
    assert_enqueued(record, 2)


def test_what_a_command_raises_comes_out_and_its_message_is_settled(
    memory: MemoryQueue, ran: list[Any]
) -> None:
    fail(KeyError("missing"))
    record("after it")
    with pytest.raises(KeyError, match="missing") as told:
        drain()
    assert told.traceback[-1].name == "fail"
    again = assert_enqueued(fail)
    assert again.attempt == 2
    assert again.due is not None
    assert ran == []
    assert [call.args for call in drain()] == [("after it",)]
    assert_enqueued(fail)


def test_with_retries_a_command_is_run_until_it_succeeds(memory: MemoryQueue, ran: list[Any]) -> None:
    fail_at_first("x")
    assert [call.attempt for call in drain(retries=True)] == [2]
    assert ran == ["x", "x"]


def test_with_retries_what_becomes_a_dead_letter_is_raised(
    memory: MemoryQueue, heard: Heard, ran: list[Any]
) -> None:
    fail()
    with pytest.raises(ValueError, match="it failed"):
        drain(retries=True)
    (letter,) = memory.dead_letters()
    assert (letter.attempts, letter.reason) == (3, "ValueError: it failed")
    assert [name for name, _ in heard if name.startswith("command_")] == [
        "command_enqueued",
        *["command_started", "command_retried"] * 2,
        "command_started",
        "command_died",
    ]


def test_what_a_command_asks_for_itself_is_done(memory: MemoryQueue) -> None:
    ask_again(3600.0)
    with pytest.raises(Retry, match="not yet"):
        drain()
    assert assert_enqueued(ask_again).attempt == 2
    with pytest.raises(Retry, match="not yet"):
        drain(retries=True)
    refuse("no")
    with pytest.raises(Reject, match="no"):
        drain(retries=True)
    assert [letter.attempts for letter in memory.dead_letters()] == [1, 3]


def test_what_is_delayed_waits_unless_asked_for_and_runs_in_its_order(
    memory: MemoryQueue, ran: list[Any]
) -> None:
    for hours in (3, 1, 2):
        record.using(run_after=timedelta(hours=hours))(hours)
    record("now")
    drain(retries=True)
    assert ran == ["now"]
    drain(delays=True)
    assert ran == ["now", 1, 2, 3]


def test_a_command_sees_what_it_sees_in_production(memory: MemoryQueue, ran: list[Any]) -> None:
    result = look_at_myself()
    drain()
    assert ran == [(result.id, memory.name, 1, 1, True)]
    assert current_message() is None


def test_an_end_is_made_where_there_is_none(memory: MemoryQueue, ran: list[Any]) -> None:
    go_on_without_end()
    with pytest.raises(QueueException, match="has run 1000 commands and was stopped"):
        drain()
    assert len(memory) == 1
    assert memory.owners() == {}


def test_what_is_not_genuine_or_not_known_is_raised(memory: MemoryQueue) -> None:
    message = make_message(record, "x", queue=memory.name)
    memory.send([Envelope(message.id, b"forged")])
    with pytest.raises(InvalidMessage, match="not a message of djutils"):
        drain(retries=True)
    assert memory.stats().dead == 1
    memory.send([make_envelope("no.such", queue=memory.name)])
    with pytest.raises(UnknownCommand, match=r"no\.such"):
        drain(retries=True)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)])
def test_what_is_no_failure_of_the_command_always_comes_out(
    memory: MemoryQueue, error: BaseException
) -> None:
    fail(error)
    with pytest.raises(type(error)):
        drain(retries=True)


def test_no_receiver_of_ours_is_left(memory: MemoryQueue) -> None:
    before = [len(signal.receivers) for signal in (command_died, command_retried)]
    fail()
    with pytest.raises(ValueError, match="it failed"):
        drain()
    assert [len(signal.receivers) for signal in (command_died, command_retried)] == before


def test_four_methods_are_enough(four_methods: ListQueue, ran: list[Any]) -> None:
    fail_at_first("x")
    record.using(run_after=timedelta(hours=1))("later")
    record("now")
    drain(retries=True)
    assert ran == ["x", "now", "x"]
    drain(delays=True)
    assert ran[3:] == ["later"]
    fail()
    with pytest.raises(ValueError, match="it failed"):
        drain(retries=True)
    assert [letter.attempts for letter in four_methods.dead_letters()] == [3]


class Lender(LeasedQueue):
    """A backend that lends, from another package."""

    def __init__(self, name: str, connection: str = "") -> None:
        super().__init__(name, connection)
        inner = MemoryQueue(name, "lender")
        for method in ("send", "enroll", "receive", "ack", "retry", "reject", "reap", "stats", "flush"):
            setattr(self, method, getattr(inner, method))


def test_of_an_unknown_backend_that_lends_what_is_due_is_seen_and_run(
    settings: Settings, ran: list[Any]
) -> None:
    settings.QUEUE_BACKEND = f"{__name__}.Lender"
    settings.QUEUE_NAME = f"unit.{new_id()}"
    for value in (1, 2):
        record(value)
    assert [call.args for call in enqueued()] == [(1,), (2,)]
    drain()
    assert ran == [1, 2]
    record.using(run_after=timedelta(hours=1))("later")
    with pytest.raises(QueueException, match="Lender does not show delayed messages; nothing was changed"):
        enqueued()
    assert drain() == []


@queue_command(max_attempts=2, backoff=0.05)
def stumble() -> None:
    """Fail in the first run."""
    message = current_message()
    if message is not None and message.attempt == 1:
        raise ValueError("it failed")


def test_a_retry_that_becomes_due_while_drain_looks_is_run(
    memory: MemoryQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = draining._Drain._hasten

    def look_late(self: Any) -> Any:
        time.sleep(0.1)
        return look(self)

    monkeypatch.setattr(draining._Drain, "_hasten", look_late)
    call = stumble()
    assert [one.id for one in drain(retries=True)] == [call.id]
