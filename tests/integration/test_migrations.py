"""Migrating the tables of a queue that is in use: no row is lost, forwards or backwards."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.db import connections

from djutils.models import QueueKey
from djutils.queue.backends.base import new_owner
from djutils.queue.backends.database import DatabaseQueue
from djutils.queue.ids import new_id
from djutils.queue.message import Envelope, Rejection, Stats

BEFORE = "0002"


@pytest.fixture(params=["sqlite_alias", "postgres_alias", "mariadb_alias"])
def alias(request: pytest.FixtureRequest) -> Iterator[str]:
    alias = request.getfixturevalue(request.param)
    # Backwards, keys that differ in case alone would be the same key to MariaDB.
    QueueKey.objects.using(alias).all().delete()
    yield alias
    migrate(alias)


def migrate(alias: str, *to: str) -> None:
    call_command("migrate", "djutils", *to, database=alias, verbosity=0)


def test_messages_and_keys_outlive_the_migration_both_ways(alias: str) -> None:
    queue = DatabaseQueue(f"migrated-{new_id()}", alias)
    owner, ids = new_owner(), [new_id() for _ in range(5)]
    queue.enroll(owner)
    queue.send([Envelope(id, b"\0data") for id in ids[:4]])
    queue.send([Envelope(ids[4], b"data", delay=60.0)])
    queue.receive(owner, 2)
    queue.reject(owner, [Rejection(ids[0], "é")])
    assert queue.send_once("key", Envelope(new_id(), b"data"))
    stats = queue.stats()

    migrate(alias, BEFORE)
    migrate(alias)

    assert queue.stats() == stats == Stats(ready=3, delayed=1, leased=1, dead=1)
    assert not queue.send_once("key", Envelope(new_id(), b"data"))
    assert [letter.error for letter in queue.dead_letters()] == ["é"]
    assert [delivery.data for delivery in queue.adopt(owner, ())] == [b"\0data"]
    queue.reap(owner)
    queue.flush()


def test_a_migration_that_was_interrupted_is_taken_up_again(alias: str) -> None:
    migrate(alias, BEFORE)
    with connections[alias].cursor() as cursor:
        cursor.execute("CREATE INDEX djutils_expires ON djutils_queuekey (expires)")

    migrate(alias)

    with connections[alias].cursor() as cursor:
        found = connections[alias].introspection.get_constraints(cursor, "djutils_queuemessage")
    assert {"djutils_claim", "djutils_delayed"} <= found.keys()
    assert "djutils_due" not in found


def test_afterwards_an_error_may_hold_what_the_database_cannot(mariadb_alias: str) -> None:
    QueueKey.objects.using(mariadb_alias).all().delete()
    migrate(mariadb_alias, BEFORE)
    with connections[mariadb_alias].cursor() as cursor:
        for table in ("djutils_queuemessage", "djutils_queueworker", "djutils_queuekey"):
            cursor.execute(f"ALTER TABLE {table} CONVERT TO CHARACTER SET utf8mb3")
    migrate(mariadb_alias)

    queue, owner, id = DatabaseQueue("migrated 💥", mariadb_alias), new_owner(), new_id()
    queue.enroll(owner)
    queue.send([Envelope(id, b"data")])
    queue.receive(owner, 1)
    queue.reject(owner, [Rejection(id, "boom 💥")])
    assert [letter.error for letter in queue.dead_letters()] == ["boom 💥"]
    queue.reap(owner)
    queue.flush()
