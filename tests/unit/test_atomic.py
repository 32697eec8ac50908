"""Atomic commands: their writes and their acknowledgement are one commit, or nothing happened."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections, transaction
from pytest_django import Settings

from djutils.queue.backends.base import new_owner
from djutils.queue.backends.database import DatabaseQueue
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.current import Lease
from djutils.queue.exceptions import UnsupportedOption
from djutils.queue.executor import Executor
from djutils.queue.ids import new_id
from djutils.queue.message import SETTLED, Action
from tests.project.app.models import Note

from .commands_for_tests import note_atomically
from .conftest import Heard
from .helpers import make_envelope


@pytest.fixture
def lease(sqlite_alias: str) -> Iterator[Lease]:
    """An owner on an empty queue of the default database."""
    queue = DatabaseQueue(f"unit.{new_id()}")
    owner = new_owner()
    queue.enroll(owner)
    yield Lease(queue, owner)
    queue.flush()
    queue.reap(owner)


def lend(lease: Lease, text: str, **kwargs: Any) -> Any:
    lease.queue.send([make_envelope(note_atomically, text, queue=lease.queue.name, **kwargs)])
    (delivery,) = lease.queue.receive(lease.owner, 1).deliveries
    return delivery


def notes(text: str) -> int:
    return Note.objects.filter(text=text).count()


def test_its_writes_and_its_ack_are_one(lease: Lease) -> None:
    delivery = lend(lease, text := new_id())
    assert Executor(lease.queue.name, lease=lease).execute(delivery) is SETTLED
    assert (notes(text), lease.queue.stats()) == (1, (0, 0, 0, 0, 0))


def test_when_it_fails_neither_counts(lease: Lease) -> None:
    delivery = lend(lease, text := new_id(), kwargs={"then": ValueError("no")})
    outcome = Executor(lease.queue.name, lease=lease).execute(delivery)
    assert outcome.action is Action.RETRY
    assert (notes(text), lease.queue.stats()) == (0, (0, 0, 1, 0, 0))


def test_when_the_message_was_taken_back_meanwhile_its_writes_are_rolled_back(
    lease: Lease, caplog: pytest.LogCaptureFixture
) -> None:
    delivery = lend(lease, text := new_id())
    lease.queue.reap(lease.owner)
    assert Executor(lease.queue.name, lease=lease).execute(delivery) is SETTLED
    assert (notes(text), lease.queue.stats()) == (0, (1, 0, 0, 0, 0))
    assert f"{delivery.id}: It was taken back while it ran; what it did is rolled back." in caplog.text


def test_when_it_asks_for_a_rollback_it_has_failed(lease: Lease) -> None:
    delivery = lend(lease, text := new_id(), kwargs={"rollback": True})
    outcome = Executor(lease.queue.name, lease=lease).execute(delivery)
    assert outcome.action is Action.RETRY
    assert (notes(text), lease.queue.stats()) == (0, (0, 0, 1, 0, 0))


@pytest.fixture
def broken_promise(sqlite_alias: str) -> Iterator[str]:
    """A statement that the database takes, and refuses when it is committed."""
    with connections[sqlite_alias].cursor() as cursor:
        cursor.execute("CREATE TABLE unit_parents (id integer PRIMARY KEY)")
        cursor.execute(
            "CREATE TABLE unit_children (id integer REFERENCES unit_parents DEFERRABLE INITIALLY DEFERRED)"
        )
        yield "INSERT INTO unit_children VALUES (7)"
        cursor.execute("DROP TABLE unit_children")
        cursor.execute("DROP TABLE unit_parents")


def test_when_the_commit_fails_neither_counts(lease: Lease, broken_promise: str) -> None:
    delivery = lend(lease, text := new_id(), kwargs={"statement": broken_promise})
    outcome = Executor(lease.queue.name, lease=lease).execute(delivery)
    assert outcome.action is Action.RETRY
    assert "FOREIGN KEY constraint failed" in outcome.error
    assert (notes(text), lease.queue.stats()) == (0, (0, 0, 1, 0, 0))


def test_a_hook_that_fails_after_the_commit_is_logged_and_changes_nothing(
    lease: Lease, heard: Heard, log: pytest.LogCaptureFixture
) -> None:
    delivery = lend(lease, text := new_id(), kwargs={"hook": ZeroDivisionError("the hook")})
    assert Executor(lease.queue.name, lease=lease).execute(delivery) is SETTLED
    assert (notes(text), lease.queue.stats()) == (1, (0, 0, 0, 0, 0))
    assert [name for name, _ in heard] == ["command_started", "command_succeeded"]
    assert f"{delivery.id} {note_atomically.command_class.name} succeeded: it is committed" in log.text
    assert "ZeroDivisionError: the hook" in log.text


def test_inside_a_transaction_of_the_caller_it_is_part_of_that(lease: Lease) -> None:
    delivery = lend(lease, text := new_id())
    with transaction.atomic():
        assert Executor(lease.queue.name, lease=lease).execute(delivery) is SETTLED
        transaction.set_rollback(True)
    assert (notes(text), lease.queue.stats()) == (0, (0, 0, 1, 0, 0))


def test_where_nothing_is_lent_in_a_database_it_is_not_run(memory: MemoryQueue, sqlite_alias: str) -> None:
    memory.enroll(owner := new_owner())
    memory.send([make_envelope(note_atomically, text := new_id(), queue=memory.name)])
    (delivery,) = memory.receive(owner, 1).deliveries
    outcome = Executor(memory.name, lease=Lease(memory, owner)).execute(delivery)
    assert (outcome.action, notes(text)) == (Action.RETRY, 0)
    assert "is atomic, and was not run" in outcome.error


def test_a_queue_outside_the_database_refuses_it_at_the_call(memory: MemoryQueue) -> None:
    with pytest.raises(UnsupportedOption, match="MemoryQueue is in no database, so .* cannot be atomic"):
        note_atomically("x")
    assert len(memory) == 0


def test_in_eager_mode_it_is_a_plain_transaction(settings: Settings, sqlite_alias: str) -> None:
    settings.QUEUE_BACKEND = "djutils.queue.backends.database.DatabaseQueue"
    settings.QUEUE_EAGER = True
    text = new_id()
    note_atomically(text)
    with pytest.raises(ValueError, match="no"):
        note_atomically(text, then=ValueError("no"))
    assert notes(text) == 1
