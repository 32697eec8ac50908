"""What is sent together is bounded by its bytes, not only by its number, and fits into the database's limits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connections, transaction

from djutils.models import QueueWorker
from djutils.queue.backends.base import new_owner
from djutils.queue.backends.database import DatabaseQueue
from djutils.queue.exceptions import MessageTooLarge
from djutils.queue.ids import new_id
from djutils.queue.message import Envelope

MEGABYTE = 1024 * 1024
ESCAPED = b"\x00'\\\"\n"
"""Bytes that are sent as two."""


@pytest.fixture
def small_packets(mariadb_alias: str) -> Iterator[str]:
    """A MariaDB whose new sessions take one megabyte at a time."""
    connection = connections[mariadb_alias]
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@global.max_allowed_packet")
        before = cursor.fetchone()[0]
        cursor.execute(f"SET GLOBAL max_allowed_packet = {MEGABYTE}")
        connection.close()
    yield mariadb_alias
    with connection.cursor() as cursor:
        cursor.execute(f"SET GLOBAL max_allowed_packet = {before}")
        connection.close()


@pytest.fixture(params=["postgres_alias", "mariadb_alias", "sqlite_alias", "small_packets"])
def queue(request: pytest.FixtureRequest) -> Iterator[DatabaseQueue]:
    queue = DatabaseQueue(f"big-{new_id()}", request.getfixturevalue(request.param))
    yield queue
    queue.flush()
    queue.close()


def envelopes(count: int, size: int, data: bytes = ESCAPED) -> list[Envelope]:
    return [Envelope(new_id(), (data * (size // len(data) + 1))[:size]) for _ in range(count)]


def test_many_large_messages_are_sent_together(queue: DatabaseQueue) -> None:
    sent = envelopes(100, 200 * 1024)
    queue.send(sent)
    assert len(queue) == 100

    owner = new_owner()
    queue.enroll(owner)
    heard: list[tuple[str, bytes]] = []
    while lent := queue.receive(owner, 50, [id for id, _ in heard]).deliveries:
        heard += [(delivery.id, delivery.data) for delivery in lent]
    assert heard == [(envelope.id, envelope.data) for envelope in sent]
    QueueWorker.objects.using(queue.alias).filter(owner=owner).delete()


def test_many_large_messages_are_part_of_the_transaction(queue: DatabaseQueue) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic(using=queue.alias):
        queue.send(envelopes(30, 200 * 1024))
        assert len(queue) == 30
        raise ZeroDivisionError
    assert len(queue) == 0


def test_large_messages_are_lent_a_few_at_a_time(queue: DatabaseQueue) -> None:
    queue.send(envelopes(120, 256 * 1024, b"data"))
    owner = new_owner()
    queue.enroll(owner)
    queue.receive(owner, 1)

    assert 1 <= len(queue.receive(owner, 100).deliveries) <= 16
    QueueWorker.objects.using(queue.alias).filter(owner=owner).delete()


def test_what_exceeds_the_packet_is_refused_and_the_transaction_goes_on(small_packets: str) -> None:
    queue = DatabaseQueue(f"big-{new_id()}", small_packets)
    fits, too_large = envelopes(1, 500 * 1024), envelopes(1, 600 * 1024)
    with transaction.atomic(using=small_packets):
        queue.send(fits)
        with pytest.raises(MessageTooLarge, match="max_allowed_packet"):
            queue.send([*envelopes(2, 10), *too_large])
        queue.send(envelopes(1, 10))
    assert len(queue) == 2
    queue.flush()
