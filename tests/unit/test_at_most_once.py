"""``at_most_once``: the message is gone before the command begins, so that no second run can follow."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import pytest
from django.db import transaction

from djutils.queue import queue_command
from djutils.queue.backends.base import new_owner
from djutils.queue.backends.database import DatabaseQueue
from djutils.queue.current import Lease
from djutils.queue.exceptions import (
    Drop,
    InvalidCommand,
    OwnerLost,
    Postpone,
    Reject,
    Retry,
)
from djutils.queue.executor import Executor
from djutils.queue.ids import new_id
from djutils.queue.message import Action

from .commands_for_tests import Spoilt
from .commands_once import fire, fire_later
from .conftest import Declare, Heard
from .helpers import FlakyQueue, make_envelope


def plain() -> None:
    """A function that tests decorate."""


@pytest.fixture
def lease(sqlite_alias: str) -> Iterator[Lease]:
    """An owner on an empty queue of the default database."""
    queue = DatabaseQueue(f"unit.{new_id()}")
    queue.enroll(owner := new_owner())
    yield Lease(queue, owner)
    queue.flush()
    queue.reap(owner)


def lend(lease: Lease, command: Any, value: Any) -> Any:
    lease.queue.send([make_envelope(command, value, queue=lease.queue.name)])
    (delivery,) = lease.queue.receive(lease.owner, 1).deliveries
    return delivery


class FlakyAcks(FlakyQueue):
    def ack(self, owner: int, ids: Collection[str]) -> set[str]:
        ack = super().ack
        return self._through("ack", lambda: ack(owner, ids))


def execute(lease: Lease, delivery: Any) -> Any:
    return Executor(lease.queue.name, lease=lease).execute(delivery)


# The run


def test_its_message_is_gone_when_it_begins(lease: Lease, ran: list[Any]) -> None:
    outcome = execute(lease, lend(lease, fire, "x"))
    assert (outcome.action, outcome.error, ran) == (Action.SETTLED, "", [("x", False)])
    assert lease.queue.stats() == (0, 0, 0, 0, 0)


def test_when_it_was_taken_back_meanwhile_it_does_not_run(
    lease: Lease, ran: list[Any], log: pytest.LogCaptureFixture
) -> None:
    delivery = lend(lease, fire, "x")
    lease.queue.reap(lease.owner)
    assert execute(lease, delivery).action is Action.SETTLED
    assert (ran, lease.queue.stats().ready) == ([], 1)
    assert f"{delivery.id}: It was taken back before it began, and does not run here." in log.text


@pytest.mark.parametrize(("mode", "left"), [("before", 1), ("after", 0)])
def test_when_it_is_not_known_to_be_acknowledged_it_does_not_run(
    ran: list[Any], mode: str, left: int
) -> None:
    queue = FlakyAcks(f"unit.{new_id()}")
    queue.enroll(owner := new_owner())
    lease = Lease(queue, owner)
    delivery = lend(lease, fire, "x")
    queue.plan["ack"] = [mode]
    outcome = execute(lease, delivery)
    assert (outcome.action, outcome.delay, ran) == (Action.RELEASE, 30.0, [])
    assert lease.queue.stats().leased == left


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no"),
        Retry(delay=5),
        Postpone(5),
        Reject("no"),
        OwnerLost(),
        SystemExit(3),
        KeyboardInterrupt(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_it_raises_it_is_never_retried(
    lease: Lease, ran: list[Any], heard: Heard, log: pytest.LogCaptureFixture, error: BaseException
) -> None:
    outcome = execute(lease, lend(lease, fire, error))
    assert outcome.action is Action.SETTLED
    assert type(error).__name__ in outcome.error
    assert (len(ran), lease.queue.stats()) == (1, (0, 0, 0, 0, 0))
    assert [name for name, _ in heard] == ["command_started", "command_died"]
    assert "failed in its only run (at_most_once), and leaves no dead letter" in log.text


def test_it_may_drop_itself(lease: Lease, ran: list[Any], heard: Heard) -> None:
    assert execute(lease, lend(lease, fire, Drop("nothing to do"))).action is Action.SETTLED
    assert [name for name, _ in heard] == ["command_started", "command_dropped"]


def test_what_kept_it_from_running_is_retried(lease: Lease, ran: list[Any]) -> None:
    assert execute(lease, lend(lease, fire, Spoilt())).action is Action.RETRY
    assert (ran, lease.queue.stats().leased) == ([], 1)


def test_inside_a_transaction_that_could_undo_its_ack_it_does_not_run(lease: Lease, ran: list[Any]) -> None:
    delivery = lend(lease, fire, "x")
    with transaction.atomic():
        outcome = execute(lease, delivery)
    assert (outcome.action, ran, lease.queue.stats().leased) == (Action.RETRY, [], 1)
    assert "is at_most_once, and was not run: a transaction is open on" in outcome.error


def test_a_coroutine_runs_in_a_thread() -> None:
    assert not fire_later.command_class.is_awaited()


# The declaration


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"atomic": True}, "atomic"),
        ({"atomic": "billing"}, "atomic"),
        ({"max_attempts": 3}, "max_attempts"),
        ({"max_attempts": 1, "backoff": 0}, "max_attempts, backoff"),
        ({"retry_on": OSError}, "retry_on"),
    ],
)
def test_what_would_retry_it_is_refused(options: Any, named: str) -> None:
    said = f"at_most_once and {named} of the command 'plain' exclude each other"
    with pytest.raises(InvalidCommand, match=said):
        queue_command(at_most_once=True, **options)(plain)


@pytest.mark.parametrize("wrong", [1, "yes", None])
def test_it_is_true_or_false(wrong: Any) -> None:
    with pytest.raises(InvalidCommand, match="at_most_once=.* must be True or False"):
        queue_command(at_most_once=wrong)(plain)


def test_also_if_one_of_them_is_inherited(declare: Declare) -> None:
    source = """
    class First(QueueCommand):
        max_attempts = 3
        def execute(self): pass
    class Second(First):
        at_most_once = True
    """
    with pytest.raises(InvalidCommand, match="at_most_once and max_attempts of the command 'Second' exclude"):
        declare(source)
