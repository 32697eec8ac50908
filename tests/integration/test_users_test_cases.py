"""Users' test classes with the queue in the database of the test, on every database."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connections, transaction
from django.test import SimpleTestCase, TestCase
from pytest_django import DjangoDbBlocker, Settings

from djutils.models import QueueMessage
from djutils.queue.ids import new_id
from djutils.queue.queue import invoker
from djutils.testing import drain, enqueued
from tests.sites import DATABASE
from tests.unit.commands_for_tests import Greeting, record
from tests.unit.test_in_a_test_case import run_as_a_test


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def alias(request: pytest.FixtureRequest, settings: Settings) -> str:
    """The database of the queue, whose connection is open."""
    alias: str = request.getfixturevalue(f"{request.param}_alias")
    settings.QUEUE_BACKEND, settings.QUEUE_CONNECTION = DATABASE, alias
    settings.QUEUE_NAME = f"test-cases.{new_id()}"
    connections[alias].ensure_connection()
    return alias


def calls() -> list[Any]:
    return [
        lambda: record("leaks"),
        lambda: record.using(priority=1)("leaks"),
        lambda: record("x" * 100_000),
        lambda: invoker.enqueue_many([Greeting(number) for number in range(3)]),
        lambda: len(invoker),
        invoker.dequeue,
        invoker.flush,
        enqueued,
        drain,
    ]


def test_a_simple_test_case_forbids_what_it_forbids_of_any_query(alias: str, settings: Settings) -> None:
    def body(case: SimpleTestCase) -> None:
        for call in calls():
            with pytest.raises(AssertionError, match="are not allowed in SimpleTestCase"):
                call()

    run_as_a_test(SimpleTestCase, body)
    assert not QueueMessage.objects.using(alias).filter(queue=settings.QUEUE_NAME).exists()


def test_pytest_django_forbids_it_without_the_mark(
    alias: str, settings: Settings, django_db_blocker: DjangoDbBlocker
) -> None:
    with django_db_blocker.block():
        for call in calls():
            with pytest.raises(RuntimeError, match="Database access not allowed"):
                call()
    assert not QueueMessage.objects.using(alias).filter(queue=settings.QUEUE_NAME).exists()


def test_a_test_counts_no_hook_and_always_as_many_queries(alias: str) -> None:
    def body(case: TestCase) -> None:
        with case.captureOnCommitCallbacks(using=alias) as callbacks:
            for text in ("x", "x" * 100_000) * 3:
                with case.assertNumQueries(1, using=alias):
                    record(text)
            for _ in range(3):
                with transaction.atomic(using=alias):
                    record("inside")
            assert len(invoker) == 9
        assert callbacks == []

    run_as_a_test(TestCase, body, databases={alias})
    assert len(invoker) == 0


# On SQLite two connections to one file would lock each other out.
@pytest.mark.parametrize("alias", ["postgres", "mariadb"], indirect=True)
def test_where_an_atomic_command_writes_is_asked_without_a_query_that_counts(alias: str) -> None:
    connections.settings["twin"] = connections.settings[alias]
    try:

        def body(case: TestCase) -> None:
            for _ in range(2):
                with case.assertNumQueries(0, using=alias), case.assertNumQueries(0, using="twin"):
                    assert invoker.queue.through("twin")

        run_as_a_test(TestCase, body, databases={alias, "twin"})
    finally:
        connections["twin"].close()
        del connections["twin"], connections.settings["twin"]
