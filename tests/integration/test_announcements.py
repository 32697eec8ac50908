"""A call on PostgreSQL is announced once it is committed, and of all idle workers that hear it one looks."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.db import connections, transaction
from django.test import TestCase
from django.test.utils import CaptureQueriesContext

from djutils.queue.backends.database import DatabaseQueue
from djutils.queue.backends.database_sql.claims import Heard
from djutils.queue.ids import new_id
from djutils.queue.message import Envelope
from tests.waiting import wait_until


class Idlers:
    """Processes that wait for ``queue``, forked from one that has had it open, like a consumer's workers."""

    def __init__(self, queue: DatabaseQueue, count: int) -> None:
        self._said = ""
        self._hear, say = os.pipe()
        os.set_blocking(self._hear, False)
        queue.open()
        queue.close()
        connections.close_all()
        self._pids = [os.fork() or self._idle(queue, say) for _ in range(count)]
        os.close(say)
        wait_until(lambda: self.said("ready")[count - 1 :])

    def _idle(self, queue: DatabaseQueue, say: int) -> int:
        """Wait repeatedly; a process that is woken keeps its turn to look until SIGUSR1."""
        signal.alarm(60)
        try:
            with queue._database() as connection:
                sql = queue._sql(connection)
                sql.wait(connection, queue.name, (), 0)
                os.write(say, f"ready {os.getpid()}\n".encode())
                waits = (sql.wait(connection, queue.name, (), 60) for _ in iter(int, 1))
                for _ in (heard for heard in waits if heard is Heard.CALL):
                    os.write(say, f"woken {os.getpid()}\n".encode())
                    signal.sigwait({signal.SIGUSR1})
                    sql.looked()
        finally:
            os._exit(0)

    def said(self, word: str) -> list[int]:
        """The processes that have said ``word`` so far."""
        with suppress(BlockingIOError):
            while said := os.read(self._hear, 4096):
                self._said += said.decode()
        lines = [line.split() for line in self._said.splitlines()]
        return [int(pid) for said, pid in lines if said == word]

    def woken(self, number: int) -> int:
        """Wait for the process that is woken as ``number``, counted from 1."""
        return wait_until(lambda: self.said("woken")[number - 1 : number])[0]

    def end(self) -> None:
        for pid in self._pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        self._pids = []


class Ear:
    """Hears what is announced in a database."""

    def __init__(self, alias: str) -> None:
        self.connection: Any = connections[alias].copy()
        with self.connection.cursor() as cursor:
            cursor.execute("LISTEN djutils")
        self._heard: list[str] = []

    def count(self, queue: DatabaseQueue) -> int:
        """How often ``queue`` was announced so far."""
        pgconn = self.connection.connection.pgconn
        pgconn.consume_input()
        while heard := pgconn.notifies():
            self._heard.append(heard.extra.decode().partition(" ")[2])
        return self._heard.count(queue.name)


@pytest.fixture
def ear(postgres_alias: str) -> Iterator[Ear]:
    ear = Ear(postgres_alias)
    yield ear
    ear.connection.close()


@pytest.fixture
def queue(postgres_alias: str) -> Iterator[DatabaseQueue]:
    queue = DatabaseQueue(f"announced-{new_id()}", postgres_alias)
    yield queue
    queue.flush()
    queue.close()


def send(queue: DatabaseQueue) -> None:
    queue.send([Envelope(new_id(), b"data")])


def test_a_message_is_announced(queue: DatabaseQueue, ear: Ear) -> None:
    send(queue)
    wait_until(lambda: ear.count(queue))


def test_what_is_sent_after_a_rollback_is_announced(queue: DatabaseQueue, ear: Ear) -> None:
    with suppress(ZeroDivisionError), transaction.atomic(using=queue.alias):
        send(queue)
        raise ZeroDivisionError
    send(queue)
    wait_until(lambda: ear.count(queue))


def test_what_is_sent_beside_an_open_transaction_is_announced(queue: DatabaseQueue, ear: Ear) -> None:
    def beside() -> None:
        send(queue)
        connections[queue.alias].close()

    with transaction.atomic(using=queue.alias):
        send(queue)
        other = threading.Thread(target=beside)
        other.start()
        other.join()
        wait_until(lambda: ear.count(queue))


def test_what_is_sent_after_a_savepoint_was_rolled_back_is_announced(queue: DatabaseQueue, ear: Ear) -> None:
    with transaction.atomic(using=queue.alias):
        with suppress(ZeroDivisionError), transaction.atomic(using=queue.alias):
            send(queue)
            raise ZeroDivisionError
        send(queue)
    wait_until(lambda: ear.count(queue))


def test_what_was_sent_before_a_savepoint_that_is_rolled_back_is_announced(
    queue: DatabaseQueue, ear: Ear
) -> None:
    with transaction.atomic(using=queue.alias):
        send(queue)
        with suppress(ZeroDivisionError), transaction.atomic(using=queue.alias):
            send(queue)
            raise ZeroDivisionError
    wait_until(lambda: ear.count(queue))


def test_each_queue_is_announced(queue: DatabaseQueue, ear: Ear) -> None:
    other = DatabaseQueue(f"announced-{new_id()}", queue.alias)
    send(queue)
    send(other)
    wait_until(lambda: ear.count(queue) and ear.count(other))
    other.flush()


def test_what_is_replayed_or_given_back_by_the_dead_is_announced(queue: DatabaseQueue, ear: Ear) -> None:
    send(queue)
    wait_until(lambda: ear.count(queue) == 1)
    queue.enroll(5)
    assert queue.receive(5, 1).deliveries
    # By another process, which has announced nothing so far.
    DatabaseQueue(queue.name, queue.alias).reap(5)
    wait_until(lambda: ear.count(queue) == 2)


def test_a_transaction_has_one_hook_however_much_is_sent_in_it(queue: DatabaseQueue, ear: Ear) -> None:
    connection = connections[queue.alias]
    with transaction.atomic(using=queue.alias):
        for _ in range(50):
            send(queue)
        assert len(connection.run_on_commit) == 1
    wait_until(lambda: ear.count(queue) == 1)


def test_how_many_queries_a_call_makes_does_not_depend_on_the_clock(queue: DatabaseQueue) -> None:
    with CaptureQueriesContext(connections[queue.alias]) as queries:
        for _ in range(20):
            send(queue)
    assert ["INSERT" in query["sql"] for query in queries] == [True] * 20


@pytest.mark.parametrize("alias", ["postgres_alias", "sqlite_alias"])
def test_in_the_transaction_of_a_test_case_there_are_no_hooks(
    alias: str, request: pytest.FixtureRequest
) -> None:
    queue = DatabaseQueue(f"announced-{new_id()}", request.getfixturevalue(alias))

    class Calling(TestCase):
        databases = frozenset({queue.alias})

        def runTest(self) -> None:  # noqa: N802
            with self.captureOnCommitCallbacks(using=queue.alias) as callbacks:
                send(queue)
                with transaction.atomic(using=queue.alias):
                    send(queue)
            assert callbacks == []
            assert len(queue) == 2

    Calling.debug(Calling())
    assert len(queue) == 0


@pytest.fixture
def idlers(queue: DatabaseQueue) -> Iterator[Idlers]:
    # SIGUSR1 waits until it is asked for.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    idlers = Idlers(queue, 5)
    yield idlers
    idlers.end()
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def call(queue: DatabaseQueue) -> None:
    """Send a message from another process, as it were: no announcement of this one's is counted."""
    send(DatabaseQueue(queue.name, queue.alias))


def test_of_all_idle_workers_that_hear_a_call_one_looks(queue: DatabaseQueue, idlers: Idlers) -> None:
    for number in range(1, 6):
        call(queue)
        os.kill(idlers.woken(number), signal.SIGUSR1)
    idlers.end()
    # Not all five each time. A process that hears late, when the one that looked is done, looks once more.
    assert 5 <= len(idlers.said("woken")) < 2 * 5


def test_while_one_looks_a_call_is_kept_for_the_next(queue: DatabaseQueue, idlers: Idlers) -> None:
    call(queue)
    first = idlers.woken(1)
    call(queue)
    os.kill(first, signal.SIGUSR1)
    idlers.woken(2)
    idlers.end()
    assert 2 <= len(idlers.said("woken")) < 5


def test_when_the_one_who_looks_is_killed_the_next_call_wakes_another(
    queue: DatabaseQueue, idlers: Idlers
) -> None:
    call(queue)
    first = idlers.woken(1)
    os.kill(first, signal.SIGKILL)
    call(queue)
    assert idlers.woken(2) != first
