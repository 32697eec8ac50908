"""Atomic commands: their writes and their acknowledgement are one commit, or nothing happened."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings

from djutils.queue.backends.base import new_owner
from djutils.queue.backends.database import DatabaseQueue
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.current import Lease
from djutils.queue.exceptions import UnsupportedOption
from djutils.queue.executor import Executor
from djutils.queue.message import SETTLED, Action, new_id
from tests.project.app.models import Note

from .commands_for_tests import note_atomically
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
    assert (notes(text), lease.queue.stats()) == (1, (0, 0, 0, 0))


def test_when_it_fails_neither_counts(lease: Lease) -> None:
    delivery = lend(lease, text := new_id(), kwargs={"then": ValueError("no")})
    outcome = Executor(lease.queue.name, lease=lease).execute(delivery)
    assert outcome.action is Action.RETRY
    assert (notes(text), lease.queue.stats()) == (0, (0, 0, 1, 0))


def test_when_the_message_was_taken_back_meanwhile_its_writes_are_rolled_back(
    lease: Lease, caplog: pytest.LogCaptureFixture
) -> None:
    delivery = lend(lease, text := new_id())
    lease.queue.reap(lease.owner)
    assert Executor(lease.queue.name, lease=lease).execute(delivery) is SETTLED
    assert (notes(text), lease.queue.stats()) == (0, (1, 0, 0, 0))
    assert f"{delivery.id} was taken back while it ran; what it did is rolled back." in caplog.text


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
