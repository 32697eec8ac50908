"""Behind a connection pooler a site may send, and a consumer says at its start that it needs its own session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connections, transaction
from pytest_django import Settings

from djutils.queue.backends.base import own_alias
from djutils.queue.backends.database import DatabaseQueue
from djutils.queue.bin import preflight
from djutils.queue.exceptions import ConfigurationError, ConsumerError
from djutils.queue.ids import new_id
from djutils.queue.message import Envelope

SETTINGS = (
    "synchronous_commit",
    "enable_seqscan",
    "plan_cache_mode",
    "idle_in_transaction_session_timeout",
    "lock_timeout",
    "statement_timeout",
    "default_transaction_isolation",
)


@pytest.fixture
def pooled(pooled_alias: str) -> Iterator[DatabaseQueue]:
    queue = DatabaseQueue(f"pooled-{new_id()}", pooled_alias)
    yield queue
    DatabaseQueue(queue.name, pooled_alias).flush()


def settings_of(alias: str) -> list[str]:
    with connections[alias].cursor() as cursor:
        shown = []
        for name in SETTINGS:
            cursor.execute(f"SHOW {name}")
            shown += cursor.fetchone()
        return shown


@pytest.mark.parametrize("pooled_alias", ["transaction", "session"], indirect=True)
def test_a_consumer_behind_a_pooler_is_refused_with_what_to_do(pooled: DatabaseQueue) -> None:
    before = settings_of(pooled.alias)
    with pytest.raises(ConfigurationError, match="QUEUE_CONNECTION") as error:
        pooled.open()

    assert pooled.alias in str(error.value)
    assert "pooler" in str(error.value)
    assert connections[own_alias(pooled.alias)].connection is None
    for _ in range(3):
        assert settings_of(pooled.alias) == before


def test_the_command_line_says_so_before_anything_starts(pooled: DatabaseQueue, settings: Settings) -> None:
    settings.QUEUE_BACKEND = "djutils.queue.backends.database.DatabaseQueue"
    settings.QUEUE_CONNECTION = pooled.alias
    with pytest.raises(ConsumerError, match="pooler") as error:
        preflight.reach_backend([pooled.name])
    assert error.value.exit_code == preflight.CONFIGURATION


def test_a_site_behind_a_pooler_sends_and_a_consumer_beside_it_is_woken(
    pooled: DatabaseQueue, postgres_alias: str
) -> None:
    consumer = DatabaseQueue(pooled.name, postgres_alias)
    consumer.open()
    consumer.enroll(1)
    consumer.receive(1, 10, wait=0.01)

    with transaction.atomic(using=pooled.alias):
        pooled.send([Envelope(new_id(), b"data", delay=delay) for delay in (0.0, 60.0)])
    pooled.send([Envelope(new_id(), b"data")])

    lent = consumer.receive(1, 1).deliveries
    assert len(lent) == 1
    assert len(pooled) == 2
    consumer.reap(1)
    consumer.close()


@pytest.mark.parametrize("pooled_alias", ["transaction", "session"], indirect=True)
def test_who_waits_behind_a_pooler_is_told_nothing_and_leaves_no_session_that_listens(
    pooled: DatabaseQueue,
) -> None:
    assert pooled.subscribe(new_id()) is None

    with connections[pooled.alias].cursor() as cursor:
        cursor.execute("SELECT pg_listening_channels()")
        assert cursor.fetchall() == []


def test_who_waits_in_a_transaction_is_told_nothing(postgres_alias: str) -> None:
    queue = DatabaseQueue(f"waiting-{new_id()}", postgres_alias)

    with transaction.atomic(using=postgres_alias):
        assert queue.subscribe(new_id()) is None
