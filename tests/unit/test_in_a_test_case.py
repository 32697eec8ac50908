"""Calls inside the test classes of Django, as users write them: what is visible, what is forbidden, what is counted."""

from __future__ import annotations

import unittest
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connections, transaction
from django.test import SimpleTestCase, TestCase
from pytest_django import DjangoDbBlocker, Settings

from djutils.models import QueueMessage
from djutils.queue.backends.database_sql.base import is_watched
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.ids import new_id
from djutils.queue.queue import invoker

from .commands_for_tests import Greeting, record

DATABASE = "djutils.queue.backends.database.DatabaseQueue"
Body = Callable[[Any], None]


def run_as_a_test(base: type[SimpleTestCase], body: Body, **members: Any) -> None:
    """Run ``body`` as the only test of a class, as a runner does; what goes wrong in it is the failure."""
    case = type("Users", (base,), {"runTest": body, "__module__": __name__, **members})
    result = unittest.TestResult()
    unittest.TestSuite([case()]).run(result)
    assert result.testsRun == 1
    assert [text for _, text in result.errors + result.failures] == []


@pytest.fixture
def second(sqlite_alias: str) -> Iterator[str]:
    """A second database."""
    connections.settings["second"] = connections.settings["default"] | {"NAME": ":memory:"}
    with connections["second"].cursor():
        yield "second"
    connections["second"].close()
    del connections["second"], connections.settings["second"]


@pytest.fixture
def in_database(settings: Settings, sqlite_alias: str) -> str:
    """The project's queue is in the default database, whose connection is open; the name of the queue."""
    settings.QUEUE_BACKEND = DATABASE
    settings.QUEUE_NAME = f"unit.{new_id()}"
    connections[sqlite_alias].ensure_connection()
    return str(settings.QUEUE_NAME)


@pytest.mark.parametrize("databases", [{"default"}, {"second"}, {"default", "second"}, "__all__"])
def test_a_call_in_a_test_case_is_visible_at_once_whatever_its_databases(
    memory: MemoryQueue, second: str, databases: Any
) -> None:
    def body(case: TestCase) -> None:
        with case.captureOnCommitCallbacks() as callbacks:
            record("x")
            assert len(invoker) == 1
        assert callbacks == []

    run_as_a_test(TestCase, body, databases=databases)


def test_so_it_is_with_the_queue_in_one_of_two_databases(in_database: str, second: str) -> None:
    def body(case: TestCase) -> None:
        with case.captureOnCommitCallbacks() as callbacks:
            record("x")
            invoker.enqueue_many([Greeting(1), Greeting(2)])
            assert len(invoker) == 3
        assert callbacks == []

    run_as_a_test(TestCase, body, databases="__all__")
    assert len(invoker) == 0


def test_the_projects_own_transaction_inside_a_test_counts(memory: MemoryQueue, second: str) -> None:
    def body(case: TestCase) -> None:
        with case.captureOnCommitCallbacks(execute=True):
            with pytest.raises(ZeroDivisionError), transaction.atomic():
                record("rolled back")
                1 / 0  # noqa: B018
            with transaction.atomic():
                record("committed")
                assert len(invoker) == 0
        assert len(invoker) == 1

    run_as_a_test(TestCase, body, databases="__all__")


@pytest.mark.parametrize("both", [["default", "second"], ["second", "default"]])
def test_with_two_of_the_projects_own_it_is_sent_when_both_hooks_have_run(
    memory: MemoryQueue, second: str, both: list[str]
) -> None:
    def body(case: TestCase) -> None:
        with case.captureOnCommitCallbacks(using=both[0], execute=True):
            with case.captureOnCommitCallbacks(using=both[1], execute=True):
                with transaction.atomic(), transaction.atomic(using=second):
                    record("x")
            assert len(invoker) == 0
        assert len(invoker) == 1

    run_as_a_test(TestCase, body, databases="__all__")


def test_a_captured_hook_that_runs_twice_sends_once(memory: MemoryQueue, sqlite_alias: str) -> None:
    def body(case: TestCase) -> None:
        with case.captureOnCommitCallbacks() as callbacks, transaction.atomic():
            record("x")
        (hook,) = callbacks
        hook()
        assert memory.read()
        hook()
        assert len(memory) == 0

    run_as_a_test(TestCase, body)


def test_a_simple_test_case_forbids_a_call_as_it_does_a_query(in_database: str) -> None:
    def body(case: SimpleTestCase) -> None:
        for call in (
            lambda: record("leaks"),
            lambda: invoker.enqueue_many([Greeting(1), Greeting(2)]),
            lambda: len(invoker),
            invoker.dequeue,
        ):
            with pytest.raises(AssertionError, match="Database .* are not allowed in SimpleTestCase"):
                call()

    run_as_a_test(SimpleTestCase, body)
    assert not is_watched(connections["default"]), (
        "calls of later tests would not go the way they go in production"
    )
    assert not QueueMessage.objects.filter(queue=in_database).exists()


def test_a_test_case_forbids_a_call_into_a_database_it_has_not_asked_for(
    in_database: str, second: str
) -> None:
    def body(case: TestCase) -> None:
        with pytest.raises(AssertionError, match="are not allowed in this test"):
            record("leaks")

    run_as_a_test(TestCase, body, databases={"second"})
    assert not QueueMessage.objects.filter(queue=in_database).exists()


def test_pytest_django_forbids_a_call_without_the_mark(
    in_database: str, django_db_blocker: DjangoDbBlocker
) -> None:
    with django_db_blocker.block():
        for call in (lambda: record("leaks"), lambda: len(invoker), invoker.dequeue):
            with pytest.raises(RuntimeError, match="Database access not allowed"):
                call()
    assert not QueueMessage.objects.filter(queue=in_database).exists()


def test_a_call_is_one_query_each_time(in_database: str) -> None:
    def body(case: TestCase) -> None:
        for _ in range(3):
            with case.assertNumQueries(1):
                record("x")
            with case.assertNumQueries(1):
                record.using(priority=3)("x" * 40_000)

    run_as_a_test(TestCase, body)
