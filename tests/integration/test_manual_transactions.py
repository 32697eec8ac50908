"""Transactions managed by hand: ``AUTOCOMMIT`` is off, and Django calls no hook at a commit."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from django.db import connections, transaction
from pytest_django import Settings

from djutils.queue.backends import queues
from djutils.queue.backends.base import BaseQueue, new_owner
from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.exceptions import EnqueueError
from djutils.queue.ids import new_id
from djutils.queue.message import Rejection
from djutils.queue.queue import invoker
from tests.project.app import ledger
from tests.sites import Site

DATABASES = pytest.mark.parametrize("kind", ["sqlite", "postgres", "mariadb"])


@pytest.fixture
def alias(request: pytest.FixtureRequest, kind: str) -> str:
    return str(request.getfixturevalue(f"{kind}_alias"))


@pytest.fixture
def queue(settings: Settings, alias: str) -> Iterator[BaseQueue]:
    """The project's queue, in the database ``alias``."""
    settings.QUEUE_CONNECTION = alias
    settings.QUEUE_NAME = f"q-{new_id()}"
    queue = queues[settings.QUEUE_NAME]
    yield queue
    queue.flush()


@pytest.fixture
def elsewhere(settings: Settings) -> BaseQueue:
    """The project's queue, in no database."""
    settings.QUEUE_BACKEND = "djutils.queue.backends.memory.MemoryQueue"
    settings.QUEUE_NAME = f"q-{new_id()}"
    return queues[settings.QUEUE_NAME]


@contextmanager
def by_hand(alias: str) -> Iterator[None]:
    transaction.set_autocommit(False, using=alias)
    try:
        yield
    finally:
        transaction.rollback(using=alias)
        transaction.set_autocommit(True, using=alias)


@contextmanager
def by_hand_always(alias: str) -> Iterator[None]:
    """Turn autocommit off, as ``AUTOCOMMIT: False`` in ``DATABASES`` does."""
    connections[alias].close()
    connections[alias].settings_dict["AUTOCOMMIT"] = False
    try:
        yield
    finally:
        connections[alias].close()
        connections[alias].settings_dict["AUTOCOMMIT"] = True


MANNERS = pytest.mark.parametrize("manner", [by_hand, by_hand_always])
CALLS = pytest.mark.parametrize(
    "call",
    [
        lambda: ledger.enter("x"),
        lambda: ledger.enter.using(priority=5)("x"),
        lambda: invoker.enqueue_many([ledger.enter.command("x")]),
    ],
)


@DATABASES
@MANNERS
@CALLS
def test_a_call_is_part_of_the_open_transaction(
    queue: BaseQueue, alias: str, manner: Callable[[str], object], call: Callable[[], object]
) -> None:
    with manner(alias):  # type: ignore[attr-defined]
        call()
        assert len(queue) == 1
        transaction.rollback(using=alias)
        assert len(queue) == 0
        call()
        transaction.commit(using=alias)
    assert len(queue) == 1


@DATABASES
@MANNERS
def test_many_calls_are_part_of_the_open_transaction(
    queue: BaseQueue, alias: str, manner: Callable[[str], object]
) -> None:
    with manner(alias):  # type: ignore[attr-defined]
        for end in (transaction.rollback, transaction.commit):
            invoker.enqueue_many(ledger.enter.command(str(number)) for number in range(3))
            assert len(queue) == 3
            end(using=alias)
    assert len(queue) == 3


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])  # on SQLite a block by hand commits at its end
@MANNERS
def test_a_call_in_a_block_is_part_of_the_open_transaction(
    queue: BaseQueue, alias: str, manner: Callable[[str], object]
) -> None:
    with manner(alias):  # type: ignore[attr-defined]
        for end in (transaction.rollback, transaction.commit):
            with transaction.atomic(using=alias):
                ledger.enter("x")
            with pytest.raises(ZeroDivisionError), transaction.atomic(using=alias):
                ledger.enter("rolled back")
                1 / 0  # noqa: B018
            assert len(queue) == 1
            end(using=alias)
    assert len(queue) == 1


@DATABASES
@MANNERS
def test_a_queue_elsewhere_refuses_while_that_transaction_is_open(
    elsewhere: BaseQueue, alias: str, manner: Callable[[str], object]
) -> None:
    text = new_id()
    with manner(alias):  # type: ignore[attr-defined]
        ledger.enter.call(text, alias)
        with pytest.raises(EnqueueError, match=f"'{alias}' has an open transaction and autocommit is off"):
            ledger.enter("x")
        transaction.rollback(using=alias)
        with (
            pytest.raises(EnqueueError, match=r"nothing was sent\. Commit first"),
            transaction.atomic(using=alias),
        ):
            ledger.enter("x")
    assert len(elsewhere) == 0
    ledger.enter("x")
    assert len(elsewhere) == 1


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
@MANNERS
def test_a_queue_elsewhere_takes_what_is_called_after_the_commit(
    elsewhere: BaseQueue, alias: str, manner: Callable[[str], object]
) -> None:
    with manner(alias):  # type: ignore[attr-defined]
        ledger.enter.call(text := new_id(), alias)
        transaction.commit(using=alias)
        ledger.enter(text)
        assert len(elsewhere) == 1


@pytest.mark.parametrize("site", ["sqlite", "postgres", "mariadb"], indirect=True)
def test_a_consumer_of_a_project_without_autocommit_runs_and_rolls_back_what_is_not_committed(
    site: Site,
) -> None:
    mark = site.environment["DJUTILS_TEST_QUEUE_NAME"]
    for number in range(3):
        ledger.enter_and_leave_it_open(f"{mark} open {number}")
        ledger.enter_and_commit(f"{mark} good {number}")
    url = site.environment["DJUTILS_TEST_DATABASE_URL"]
    site.consumer(environment={"DJUTILS_TEST_DATABASE_URL": f"{url}?autocommit=0"})

    site.wait_until_empty()

    assert site.notes(mark) == [f"{mark} good {number}" for number in range(3)]
    assert site.queue.stats().dead == 0


def test_a_call_of_a_site_without_autocommit_reaches_a_consumer(
    postgres_alias: str, settings: Settings, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        site = Site(settings, tmp_path, stack, postgres_alias)
        consumer = site.consumer().ready()
        mark = site.environment["DJUTILS_TEST_QUEUE_NAME"]
        with by_hand(site.alias):
            ledger.enter(mark)
            transaction.commit(using=site.alias)
        site.wait_until_empty()
        assert site.notes(mark) == [mark], consumer.log()


@pytest.mark.parametrize("site", ["sqlite", "postgres", "mariadb"], indirect=True)
@pytest.mark.parametrize(("action", "left"), [("replay", (1, 0, 0, 0, 0)), ("discard", (0, 0, 0, 0, 0))])
def test_an_operator_of_a_project_without_autocommit_decides_on_dead_letters_for_good(
    site: Site, action: str, left: tuple[int, ...]
) -> None:
    queue, owner = site.queue, new_owner()
    assert isinstance(queue, LeasedQueue)
    ledger.enter("x")
    queue.enroll(owner)
    (delivery,) = queue.receive(owner, 1).deliveries
    queue.reject(owner, [Rejection(delivery.id, "why")])
    url = site.environment["DJUTILS_TEST_DATABASE_URL"]

    subprocess.run(
        [sys.executable, "-m", "django", "queue_dead_letters", action, "--all"],
        env={**os.environ, **site.environment, "DJUTILS_TEST_DATABASE_URL": f"{url}?autocommit=0"},
        check=True,
        timeout=60,
    )

    assert queue.stats() == left
