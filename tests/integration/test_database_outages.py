"""A temporary failure of a database is waited out, a permanent one is reported; the message says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connections, transaction

from djutils.queue.backends.base import new_owner, own_alias
from djutils.queue.backends.database import DatabaseQueue
from djutils.queue.exceptions import BackendError, BackendUnavailable
from djutils.queue.ids import new_id
from djutils.queue.message import Envelope, Rejection, Retrial


@pytest.fixture(params=["postgres_alias", "mariadb_alias", "sqlite_alias"])
def queue(request: pytest.FixtureRequest) -> Iterator[DatabaseQueue]:
    queue = DatabaseQueue(f"outage-{new_id()}", request.getfixturevalue(request.param))
    yield queue
    connections[queue.alias].close()
    queue.flush()
    queue.close()


@pytest.fixture
def vendor(queue: DatabaseQueue) -> str:
    return connections[queue.alias].vendor


def send(queue: DatabaseQueue) -> None:
    queue.send([Envelope(new_id(), b"data")])


def execute(queue: DatabaseQueue, **statements: str) -> None:
    """Execute the statement for the vendor of ``queue`` on its connection."""
    with queue._database() as connection, connection.cursor() as cursor:
        cursor.execute(statements[connection.vendor])


def test_one_that_takes_no_writes_is_waited_for_and_reached_again(queue: DatabaseQueue) -> None:
    send(queue)
    execute(
        queue,
        postgresql="SET default_transaction_read_only = on",
        mysql="SET SESSION TRANSACTION READ ONLY",
        sqlite="PRAGMA query_only = ON",
    )
    with pytest.raises(BackendUnavailable, match="takes no writes") as error:
        send(queue)
    assert "migrate" not in str(error.value)

    send(queue)
    assert len(queue) == 2


def test_tables_that_are_missing_are_the_only_reason_to_speak_of_migrations(
    queue: DatabaseQueue, tmp_path: Path
) -> None:
    if connections[queue.alias].vendor == "sqlite":
        connections.settings["empty"] = {**connections.settings["default"], "NAME": tmp_path / "empty"}
        queue = DatabaseQueue(queue.name, "empty")
    else:
        execute(queue, postgresql="SET search_path = pg_temp", mysql="USE mysql")
    for act in (send, len, DatabaseQueue.stats):
        with pytest.raises(BackendError, match=f"migrate djutils --database {queue.alias}") as error:
            act(queue)
        assert not isinstance(error.value, BackendUnavailable)
    connections[queue.alias].close()


def test_a_session_that_was_ended_is_made_again(queue: DatabaseQueue, vendor: str) -> None:
    if vendor == "sqlite":
        pytest.skip("SQLite has no sessions")
    send(queue)
    ask, end = {
        "postgresql": ("SELECT pg_backend_pid()", "SELECT pg_terminate_backend(%s)"),
        "mysql": ("SELECT connection_id()", "KILL %s"),
    }[vendor]
    with connections[queue.alias].cursor() as cursor:
        cursor.execute(ask)
        session = cursor.fetchone()[0]
    operator = connections[queue.alias].copy()
    with operator.cursor() as cursor:
        cursor.execute(end, [session])
    operator.close()
    with pytest.raises(BackendUnavailable, match="server is up"):
        send(queue)
    send(queue)
    assert len(queue) == 2


def test_a_locked_row_keeps_the_upkeep_waiting_for_seconds_only(queue: DatabaseQueue, vendor: str) -> None:
    if vendor == "sqlite":
        pytest.skip("SQLite locks the file, and the wait for that is bounded as well")
    owner = new_owner()
    queue.enroll(owner)
    send(queue)
    queue.receive(owner, 1)
    consumer = DatabaseQueue(queue.name, queue.alias)
    consumer.open()
    with transaction.atomic(using=queue.alias):
        with connections[queue.alias].cursor() as cursor:
            cursor.execute("SELECT 1 FROM djutils_queueworker WHERE owner = %s FOR UPDATE", [owner])
        before = connections[own_alias(queue.alias)].connection
        with pytest.raises(BackendUnavailable, match="locked"):
            consumer.reap(owner)
    assert connections[own_alias(queue.alias)].connection is before

    assert consumer.reap(owner) == 1
    consumer.close()


def test_a_login_that_is_refused_is_told(queue: DatabaseQueue, vendor: str) -> None:
    if vendor == "sqlite":
        pytest.skip("SQLite has no logins")
    connections.settings["wrong"] = {
        **connections.settings[queue.alias],
        "USER": "no_such_user",
        "PASSWORD": "x",
    }
    stranger = DatabaseQueue(queue.name, "wrong")
    with pytest.raises(BackendUnavailable, match="no_such_user") as error:
        send(stranger)
    assert "login" in str(error.value)
    assert "migrate" not in str(error.value)


@pytest.mark.parametrize("error", ["boom 💥", "nul \0 and \ud800"])
def test_an_error_that_the_database_cannot_hold_is_escaped_and_charged(
    error: str, request: pytest.FixtureRequest
) -> None:
    alias = request.getfixturevalue("mariadb_alias")
    queue = DatabaseQueue(f"outage-{new_id()}", alias)
    connection = connections[alias]
    owner, ids = new_owner(), [new_id() for _ in range(3)]
    queue.enroll(owner)
    queue.send([Envelope(id, b"data") for id in ids])
    queue.receive(owner, 3)
    with connection.cursor() as cursor:  # as in a database that has only three bytes for a character
        cursor.execute("SET NAMES utf8mb3")

    assert queue.retry(owner, [Retrial(ids[0], 0.0, error)]) == {ids[0]}
    assert queue.reject(owner, [Rejection(ids[1], error)]) == {ids[1]}
    assert queue.reap(owner, running={ids[2]: error}) == 1
    (letter,) = queue.dead_letters()
    assert letter.attempts == 1
    assert "boom" in letter.error or "nul" in letter.error
    connection.close()
    queue.discard()
    queue.flush()
