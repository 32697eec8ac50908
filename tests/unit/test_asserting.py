"""What waits, and whether a call does, as users' tests ask for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.db import transaction
from django.test import SimpleTestCase, TestCase
from pytest_django import Settings

from djutils.queue import codec
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.exceptions import InvalidCommand, InvalidMessage, UnknownCommand, WrongArguments
from djutils.queue.ids import new_id
from djutils.queue.message import Envelope
from djutils.queue.queue import Invoker, invoker
from djutils.testing import Enqueued, QueueAssertions, assert_enqueued, assert_not_enqueued, enqueued

from .commands_for_tests import Bomb, Greeting, elsewhere, fail, leap, record
from .helpers import ListQueue, make_message
from .test_in_a_test_case import run_as_a_test


def test_what_waits_can_be_read_and_still_waits(memory: MemoryQueue) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    first = record("x", times=2)
    record.using(run_after=soon, priority=5)("y")
    invoker.enqueue(Greeting("ada"))

    calls = enqueued()

    name = record.command_class.name
    assert calls[0] == Enqueued(name, ("x",), {"times": 2}, memory.name, 0, None, 1, first.id)
    assert calls[1].due == soon
    assert [call.priority for call in calls] == [0, 5, 0]
    assert (calls[2].command, calls[2].args, calls[2].kwargs) == (Greeting.name, ("ada",), {})
    assert str(calls[0]) == f"{name}('x', times=2) on '{memory.name}'"
    assert enqueued() == calls
    assert len(memory) == 3


def test_every_queue_is_looked_at_or_the_one_that_is_named(memory: MemoryQueue) -> None:
    elsewhere(1)
    record.using(queue_name="unit.third")(2)
    record(3)
    assert [call.queue for call in enqueued()] == ["unit.other", "unit.third", memory.name]
    assert [call.args for call in enqueued("unit.third")] == [(2,)]
    own = MemoryQueue(f"unit.{new_id()}")
    Invoker(own).enqueue(Greeting("own"))
    assert [call.args for call in enqueued(own)] == [("own",)]
    assert_enqueued(elsewhere, 1)


def test_an_argument_counts_however_it_was_given(memory: MemoryQueue) -> None:
    record("x")
    for call in (
        lambda: assert_enqueued(record, "x"),
        lambda: assert_enqueued(record, value="x"),
        lambda: assert_enqueued(record, "x", times=1),
        lambda: assert_enqueued(record),
        lambda: assert_enqueued(record, mock.ANY),
        lambda: assert_enqueued(record.command_class.name, "x"),
        lambda: assert_enqueued(record.using(queue_name=memory.name, priority=0), "x"),
    ):
        assert call().args == ("x",)


@pytest.mark.parametrize(
    "wanted",
    [
        lambda check: check(record, "y"),
        lambda check: check(record, "x", times=2),
        lambda check: check(fail),
        lambda check: check(record.using(priority=3), "x"),
        lambda check: check(record.using(queue_name="another"), "x"),
        lambda check: check(Greeting, "x"),
        lambda check: check(leap),
    ],
)
def test_what_does_not_wait_is_told_with_what_does(
    memory: MemoryQueue, wanted: Callable[[Callable[..., Any]], Any]
) -> None:
    record("x")
    wanted(assert_not_enqueued)
    with pytest.raises(AssertionError) as told:
        wanted(assert_enqueued)
    assert "is not enqueued. What waits:\n" in str(told.value)
    assert f"\n  {record.command_class.name}('x') on '{memory.name}'" in str(told.value)


def test_what_should_not_wait_is_told(memory: MemoryQueue) -> None:
    record("x")
    with pytest.raises(AssertionError, match=r"record\(\.\.\.\) is enqueued\. What waits:"):
        assert_not_enqueued(record)
    with pytest.raises(AssertionError, match=r"record\('x'\) is enqueued"):
        assert_not_enqueued(record, "x")


def test_a_periodic_command_and_a_class_are_asked_for_by_themselves(memory: MemoryQueue) -> None:
    invoker.enqueue_periodic_commands(datetime(2024, 2, 28, 3, 7, tzinfo=UTC))
    assert_not_enqueued(leap)
    invoker.enqueue(Greeting({"name": "ada"}))
    assert assert_enqueued(Greeting, {"name": "ada"}).args == ({"name": "ada"},)


def test_what_could_never_wait_is_refused(memory: MemoryQueue) -> None:
    for check in (assert_enqueued, assert_not_enqueued):
        with pytest.raises(WrongArguments, match="so no such call can wait"):
            check(record, "x", "y")
        with pytest.raises(InvalidCommand, match="is not a command"):
            check(print, "x")
        with pytest.raises(InvalidCommand, match="run_after is not compared"):
            check(record.using(run_after=timedelta(hours=1)), "x")
        with pytest.raises(UnknownCommand):
            check("no.such")


def test_the_reasons_why_nothing_waits_are_told(memory: MemoryQueue, settings: Settings) -> None:
    with pytest.raises(AssertionError, match=r"Nothing waits\.$"):
        assert_enqueued(record)
    settings.QUEUE_EAGER = True
    with pytest.raises(AssertionError, match="QUEUE_EAGER is on"):
        assert_enqueued(record)


def test_the_projects_own_transaction_counts_as_in_production(memory: MemoryQueue, sqlite_alias: str) -> None:
    def body(case: TestCase) -> None:
        with case.captureOnCommitCallbacks(execute=True):
            with transaction.atomic():
                record("committed")
                with pytest.raises(AssertionError, match="1 more will be sent at the commit"):
                    assert_enqueued(record)
            with pytest.raises(ZeroDivisionError), transaction.atomic():
                record("rolled back")
                1 / 0  # noqa: B018
            assert [call.args for call in enqueued()] == [("committed",)]
        assert [call.args for call in enqueued()] == [("committed",)]

    run_as_a_test(TestCase, body)


def test_nothing_is_unpickled_that_this_site_did_not_sign(memory: MemoryQueue, tmp_path: Path) -> None:
    bomb = tmp_path / "exploded"
    message = make_message(record, Bomb(str(bomb)), queue=memory.name)
    genuine = codec.encode(message)
    for data in (genuine[:-1] + b"x", codec.encode(message._replace(queue="another"))):
        memory.flush()
        memory.send([Envelope(message.id, data)])
        with pytest.raises(InvalidMessage):
            enqueued()
        with pytest.raises(InvalidMessage):
            assert_not_enqueued(record)
    assert not bomb.exists()


def test_four_methods_are_enough(four_methods: ListQueue) -> None:
    ids = [record(number).id for number in range(3)]
    record.using(run_after=timedelta(hours=1))("later")
    assert [call.id for call in enqueued()][:3] == ids
    assert enqueued()[3].due is not None
    assert [codec.message_id(data) for data in four_methods.lists[four_methods.name]][:3] == ids


def test_the_mixin_has_them_as_methods(memory: MemoryQueue, ran: list[Any]) -> None:
    class Base(QueueAssertions, SimpleTestCase):
        pass

    def body(case: Base) -> None:
        record("x")
        case.assert_enqueued(record, "x")
        case.assert_not_enqueued(fail)
        assert [call.args for call in case.enqueued()] == [call.args for call in case.drain()] == [("x",)]

    run_as_a_test(Base, body)
    assert ran == ["x"]
