"""``djutils.testing`` in users' test classes, on every store: on the test's own connection where that is a database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import TestCase
from pytest_django import Settings

from djutils.models import QueueMessage, QueueWorker
from djutils.queue.backends import queues
from djutils.queue.decorators import queue_command
from djutils.queue.ids import new_id
from djutils.queue.queue import invoker
from djutils.testing import assert_enqueued, assert_not_enqueued, drain, enqueued
from tests.project.app.models import Note
from tests.servers import Server
from tests.sites import DATABASE, REDIS
from tests.unit.commands_for_tests import fail, fail_at_first, look_at_myself, note_atomically, ran, record
from tests.unit.test_in_a_test_case import run_as_a_test


@pytest.fixture(autouse=True)
def _nothing_ran() -> Iterator[None]:
    ran.clear()
    yield
    ran.clear()


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def alias(request: pytest.FixtureRequest, settings: Settings) -> str:
    """The database of the queue and of the commands."""
    alias: str = request.getfixturevalue(f"{request.param}_alias")
    settings.QUEUE_BACKEND, settings.QUEUE_CONNECTION = DATABASE, alias
    settings.QUEUE_NAME = f"draining.{new_id()}"
    return alias


@pytest.fixture
def in_redis(redis_or_valkey_server: Server, settings: Settings) -> Iterator[str]:
    """The name of the queue."""
    settings.QUEUE_BACKEND, settings.QUEUE_CONNECTION = REDIS, redis_or_valkey_server.url
    settings.QUEUE_NAME = f"draining.{new_id()}"
    yield settings.QUEUE_NAME
    queues[settings.QUEUE_NAME].flush()
    queues[settings.QUEUE_NAME].discard()


@queue_command
def write_twice(alias: str, text: str) -> None:
    """Write one row, and then another one under its key."""
    first = Note.objects.using(alias).create(text=text)
    Note(pk=first.pk, text=text).save(using=alias, force_insert=True)


@queue_command
def write_and_fail(alias: str, text: str) -> None:
    Note.objects.using(alias).create(text=text)
    raise LookupError(text)


@queue_command
def write_and_roll_back(alias: str, text: str) -> None:
    with transaction.atomic(using=alias):
        Note.objects.using(alias).create(text=text)
        with transaction.atomic(using=alias, savepoint=False):
            raise ZeroDivisionError


def play() -> None:
    """What a test does with a queue: the result must be the same everywhere."""
    name = invoker.queue.name
    record("x", times=2)
    record.using(priority=5)("urgent")
    moments = {hours: datetime.now(UTC) + timedelta(hours=hours) for hours in (2, 1)}
    for hours, moment in moments.items():
        record.using(run_after=moment)(hours)
    calls = enqueued(name)
    assert [call.args[0] for call in calls] == ["x", "urgent", 2, 1]
    assert [call.due for call in calls] == [None, None, *moments.values()]
    assert_enqueued(record, "x", times=2)
    assert_not_enqueued(record, "x")
    drain(name)
    assert ran == ["urgent", "x", "x"]
    drain(name, delays=True)
    assert ran[3:] == [1, 2]
    fail_at_first("once more")
    fail()
    with pytest.raises(ValueError, match="it failed"):
        drain(name, retries=True)
    assert ran[5:] == ["once more", "once more"]
    assert [letter.attempts for letter in invoker.queue.dead_letters()] == [3]
    assert enqueued(name) == drain(name) == []


def test_in_a_test_case_on_the_tests_own_connection(alias: str) -> None:
    def body(case: TestCase) -> None:
        play()
        # That it has a lease shows that the executor is that of a consumer.
        look_at_myself()
        drain()
        assert ran[-1][-1] is True

    run_as_a_test(TestCase, body, databases={alias})
    assert not QueueMessage.objects.using(alias).filter(queue=invoker.queue.name).exists()
    assert not QueueWorker.objects.using(alias).filter(queue=invoker.queue.name).exists()


def test_on_redis(in_redis: str) -> None:
    play()
    assert invoker.queue.stats() == (0, 0, 0, 1, 0)


def test_on_redis_in_a_test_case(in_redis: str, sqlite_alias: str) -> None:
    run_as_a_test(TestCase, lambda case: play())


def test_a_statement_that_fails_in_a_command_leaves_the_test_usable(alias: str) -> None:
    notes = Note.objects.using(alias)

    def body(case: TestCase) -> None:
        write_twice(alias, "first")
        with pytest.raises(IntegrityError):
            drain()
        assert assert_enqueued(write_twice).attempt == 2
        write_and_roll_back(alias, "second")
        with pytest.raises(ZeroDivisionError):
            drain()
        assert not notes.filter(text="second").exists()
        # What a command wrote before it failed stays, as it does in production.
        write_and_fail(alias, "third")
        with pytest.raises(LookupError):
            drain()
        assert notes.filter(text="third").exists()

    run_as_a_test(TestCase, body, databases={alias})


def test_an_atomic_command_leaves_no_hook_of_ours(settings: Settings, sqlite_alias: str) -> None:
    settings.QUEUE_BACKEND, settings.QUEUE_NAME = DATABASE, f"draining.{new_id()}"

    def body(case: TestCase) -> None:
        with case.captureOnCommitCallbacks() as callbacks:
            note_atomically("atomically")
            assert len(drain()) == 1
            note_atomically("undone", then=ValueError("undone"))
            with pytest.raises(ValueError, match="undone"):
                drain()
        assert callbacks == []
        assert [*Note.objects.filter(text__in=["atomically", "undone"]).values_list("text", flat=True)] == [
            "atomically"
        ]

    run_as_a_test(TestCase, body)


def test_a_test_that_commits_drains_too(alias: str, settings: Settings) -> None:
    fail()
    queued: list[Any] = enqueued()
    assert len(queued) == 1
    with pytest.raises(ValueError, match="it failed"):
        drain(retries=True)
    assert [letter.attempts for letter in invoker.queue.dead_letters()] == [3]
    invoker.queue.discard()
