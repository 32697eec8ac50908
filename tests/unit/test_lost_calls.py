"""Calls that are to be sent at a commit, when the queue cannot take them then."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from django.db import connections, transaction
from pytest_django import Settings

from djutils.queue import codec
from djutils.queue.backends import queues
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.exceptions import BackendUnavailable, TimeLimitExceeded, UnknownCommand
from djutils.queue.ids import new_id
from djutils.queue.message import Envelope, Message
from djutils.queue.queue import invoker
from djutils.queue.signals import command_lost

from .commands_for_tests import record
from .helpers import ListQueue, make_message

SECRET = "4111 1111 1111 1111"


class Closed(MemoryQueue):
    """Raises the given error while it is set."""

    error: BaseException | None = None

    def send(self, envelopes: Sequence[Envelope]) -> None:
        if self.error is not None:
            raise self.error
        super().send(envelopes)


@pytest.fixture
def closed(settings: Settings, sqlite_alias: str) -> Closed:
    settings.QUEUE_BACKEND = f"{__name__}.Closed"
    settings.QUEUE_NAME = f"unit.{new_id()}"
    queue = queues[settings.QUEUE_NAME]
    assert isinstance(queue, Closed)
    queue.error = BackendUnavailable("It is down.")
    return queue


@pytest.fixture
def lost() -> Iterator[list[tuple[Message, BaseException]]]:
    """What ``command_lost`` told."""
    heard: list[tuple[Message, BaseException]] = []

    def listen(message: Message, exception: BaseException, **_: Any) -> None:
        heard.append((message, exception))

    command_lost.connect(listen)
    yield heard
    command_lost.disconnect(listen)


Lost = list[tuple[Message, BaseException]]


def test_the_projects_own_hook_runs_and_what_was_lost_is_logged(
    closed: Closed, lost: Lost, log: pytest.LogCaptureFixture
) -> None:
    ran: list[str] = []
    with transaction.atomic():
        result = record(SECRET)
        transaction.on_commit(lambda: ran.append("hook"))
    assert ran == ["hook"]
    (line,) = [entry for entry in log.records if entry.levelno >= logging.ERROR]
    assert line.name == "djutils.queue.sending"
    assert line.getMessage().startswith(
        f"{result.id} {result.command} is lost: its transaction has committed"
    )
    assert f"the queue '{closed.name}' did not take it (BackendUnavailable: It is down.)" in line.getMessage()
    assert [(message.id, error) for message, error in lost] == [(result.id, closed.error)]


def test_no_argument_reaches_the_log(closed: Closed, log: pytest.LogCaptureFixture) -> None:
    with transaction.atomic():
        record(SECRET)
    assert SECRET not in log.text


def test_what_was_lost_is_sent_again_under_its_id(closed: Closed, lost: Lost, ran: list[Any]) -> None:
    with transaction.atomic():
        result = record.using(priority=3)(SECRET)
    ((message, _),) = lost
    kept = codec.encode(message)
    closed.error = None
    for _ in range(2):
        assert invoker.resend(codec.decode(kept, message.queue)) == result
    assert len(closed) == 1
    assert codec.decode(closed.read() or b"", closed.name) == message


def test_a_message_whose_command_is_gone_is_not_sent_again(memory: MemoryQueue) -> None:
    with pytest.raises(UnknownCommand):
        invoker.resend(make_message("no.such", queue=memory.name))
    assert len(memory) == 0


def test_each_of_several_calls_is_reported(closed: Closed, lost: Lost, log: pytest.LogCaptureFixture) -> None:
    with transaction.atomic():
        ids = [record(number).id for number in range(2)]
        with transaction.atomic():
            ids.append(record("inner").id)
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            record("rolled back")
            1 / 0  # noqa: B018
        ids += [result.id for result in invoker.enqueue_many([record.command(4), record.command(5)])]
    assert [message.id for message, _ in lost] == ids
    assert [id for id in ids if f"{id} {record.command_class.name} is lost" not in log.text] == []


def test_with_two_databases_the_hooks_of_both_run(closed: Closed, lost: Lost) -> None:
    connections.settings["second"] = connections.settings["default"] | {"NAME": ":memory:"}
    ran: list[str] = []
    try:
        with transaction.atomic(), transaction.atomic(using="second"):
            record("x")
            transaction.on_commit(lambda: ran.append("default"))
            transaction.on_commit(lambda: ran.append("second"), using="second")
        assert sorted(ran) == ["default", "second"]
        assert len(lost) == 1
    finally:
        connections["second"].close()
        del connections["second"], connections.settings["second"]


def test_a_queue_of_four_methods_loses_only_what_it_did_not_take(
    four_methods: ListQueue, sqlite_alias: str, lost: Lost
) -> None:
    class Full(ListQueue):
        def write(self, data: bytes) -> None:
            if len(self) == 1:
                raise OSError("No space left")
            super().write(data)

    four_methods.__class__ = Full
    with transaction.atomic():
        ids = [record(number).id for number in range(3)]
    assert len(four_methods) == 1
    assert [message.id for message, _ in lost] == ids[1:]


@pytest.mark.parametrize("error", [TimeLimitExceeded(), KeyboardInterrupt(), SystemExit(3)])
def test_what_ends_the_caller_from_outside_still_does(
    closed: Closed, lost: Lost, error: BaseException
) -> None:
    closed.error = error
    with pytest.raises(type(error)), transaction.atomic():
        record("x")
    assert len(lost) == 1


def test_outside_a_transaction_the_caller_hears_of_it(closed: Closed, lost: Lost) -> None:
    with pytest.raises(BackendUnavailable, match="It is down"):
        record("x")
    assert lost == []


def test_a_receiver_that_fails_hides_no_other_lost_call(closed: Closed, lost: Lost) -> None:
    def stumble(**_: Any) -> None:
        raise ValueError

    command_lost.connect(stumble)
    try:
        with transaction.atomic():
            record(1)
            record(2)
    finally:
        command_lost.disconnect(stumble)
    assert len(lost) == 2
