"""DatabaseQueue on PostgreSQL with roles that have exactly the permissions they need."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from uuid import uuid4

import pytest
from django.db import connections
from django.test import RequestFactory
from pytest_django import Settings

from djutils.contrib.health import health
from djutils.queue.backends import queues
from djutils.queue.backends.base import new_owner
from djutils.queue.backends.database import DatabaseQueue
from djutils.queue.backends.database_sql import watermark
from djutils.queue.exceptions import BackendError
from djutils.queue.ids import new_id
from djutils.queue.message import Envelope, Lane
from djutils.testing.contract import LeasedQueueContract
from tests.scraping import Scrape

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "least-privilege.rst"
PRODUCER = {"djutils_queuemessage": "SELECT, INSERT", "djutils_queuelanemessage": "SELECT, INSERT"}
COUNTING = {"djutils_queueworker": "SELECT"}
WITH_KEYS = {"djutils_queuekey": "SELECT, INSERT, UPDATE"}
REPLACING = {"djutils_queuemessage": "UPDATE"}
CONSUMER = {
    "djutils_queuemessage": "SELECT, INSERT, UPDATE, DELETE",
    "djutils_queueworker": "SELECT, INSERT, UPDATE, DELETE",
    "djutils_queuekey": "SELECT, INSERT, UPDATE, DELETE",
    "djutils_queuelane": "SELECT, INSERT, UPDATE, DELETE",
    "djutils_queuelanemessage": "SELECT, INSERT, UPDATE, DELETE",
    "SEQUENCE djutils_queuemessage_id_seq": "USAGE",
}


class TwoRoles(DatabaseQueue):
    """A queue whose messages come from a process that only enqueues."""

    def __init__(self, name: str, producer: str, consumer: str) -> None:
        super().__init__(name, consumer)
        self.producer = DatabaseQueue(name, producer)

    def send(self, envelopes: Sequence[Envelope]) -> None:
        self.producer.send(envelopes)

    def close(self) -> None:
        super().close()
        self.producer.close()


@pytest.fixture(scope="module")
def roles() -> tuple[str, str]:
    run = uuid4().hex
    return f"producer_{run}", f"consumer_{run}"


@pytest.fixture
def aliases(postgres_alias: str, roles: tuple[str, str]) -> Iterator[tuple[str, str]]:
    """Aliases of the same database, as a producer and as a consumer."""
    with connections[postgres_alias].cursor() as cursor:
        for role, rights in zip(roles, (PRODUCER, CONSUMER), strict=True):
            cursor.execute(f"CREATE ROLE {role} LOGIN")
            for table, granted in rights.items():
                cursor.execute(f"GRANT {granted} ON {table} TO {role}")
    for role in roles:
        connections.settings[role] = connections[postgres_alias].settings_dict | {"USER": role}
    yield roles
    for role in roles:
        connections[role].close()
        del connections[role], connections.settings[role]
    with connections[postgres_alias].cursor() as cursor:
        cursor.execute(f"DROP OWNED BY {', '.join(roles)}")
        cursor.execute(f"DROP ROLE {', '.join(roles)}")


@pytest.mark.slow
class TestLeastRights(LeasedQueueContract):
    @pytest.fixture(autouse=True)
    def database(self, aliases: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.aliases = aliases
        # A busy machine would make it slow, and the order another.
        monkeypatch.setattr(watermark, "SLOW", math.inf)

    def make_queue(self, name: str = "contract") -> TwoRoles:
        return TwoRoles(name, *self.aliases)


def test_a_producer_can_neither_take_nor_change(aliases: tuple[str, str]) -> None:
    queue = DatabaseQueue(f"rights-{new_id()}", aliases[0])
    queue.write(b"data")

    for act in (
        lambda: queue.enroll(new_owner()),
        queue.read,
        queue.flush,
        lambda: queue.send_once("key", Envelope(new_id(), b"data")),
    ):
        with pytest.raises(BackendError, match="permission denied"):
            act()

    consumer = DatabaseQueue(queue.name, aliases[1])
    assert len(consumer) == 1
    consumer.flush()


def test_what_a_producer_sends_to_a_lane_is_admitted_by_a_consumer(
    aliases: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    producer = DatabaseQueue(f"rights-{new_id()}", aliases[0])
    consumer = DatabaseQueue(producer.name, aliases[1])
    owner, ids = new_owner(), [new_id(), new_id()]
    consumer.enroll(owner)
    producer.send_in_lanes([(Envelope(id, b"data"), Lane("one")) for id in ids])
    assert "a consumer does it within seconds" in caplog.text

    assert consumer.sweep_lanes() == 1
    assert [one.id for one in consumer.receive(owner, 10).deliveries] == ids[:1]
    assert consumer.settle_in_lanes(owner, ids[:1]) == {ids[0]}
    assert [one.id for one in consumer.receive(owner, 10).deliveries] == ids[1:]
    consumer.reap(owner)
    consumer.flush()


def test_a_producer_that_may_read_the_workers_can_count(
    postgres_alias: str, aliases: tuple[str, str]
) -> None:
    queue = DatabaseQueue(f"rights-{new_id()}", aliases[0])
    with connections[postgres_alias].cursor() as cursor:
        for table, granted in COUNTING.items():
            cursor.execute(f"GRANT {granted} ON {table} TO {aliases[0]}")

    assert len(queue) == 0


def test_who_may_read_the_tables_has_metrics_and_health(
    postgres_alias: str, aliases: tuple[str, str], settings: Settings
) -> None:
    settings.QUEUE_BACKEND = "djutils.queue.backends.database.DatabaseQueue"
    settings.QUEUE_CONNECTION, settings.QUEUE_NAME = aliases[0], f"rights-{new_id()}"
    queue = queues[settings.QUEUE_NAME]
    queue.write(b"data")
    assert Scrape().value("djutils_queue_up", queue=queue.name) == 0
    with connections[postgres_alias].cursor() as cursor:
        cursor.execute(f"REVOKE INSERT ON ALL TABLES IN SCHEMA public FROM {aliases[0]}")
        for table in CONSUMER:
            if "SEQUENCE" not in table:
                cursor.execute(f"GRANT SELECT ON {table} TO {aliases[0]}")

    found = Scrape()
    told = json.loads(health(RequestFactory().get("/"), names=[queue.name], details=True).content)

    assert found.value("djutils_queue_up", queue=queue.name) == 1
    assert found.value("djutils_queue_messages", queue=queue.name, state="ready") == 1
    assert told["queues"][queue.name]["problems"] == ["no consumer works on it"]
    DatabaseQueue(queue.name, aliases[1]).flush()


def test_a_producer_that_may_write_keys_can_send_with_one_and_replace(
    postgres_alias: str, aliases: tuple[str, str]
) -> None:
    queue = DatabaseQueue(f"rights-{new_id()}", aliases[0])

    def send(replace: Callable[[str], bytes] | None = None) -> str:
        return queue.send_unique(Envelope(new_id(), b"data"), "key", "done", replace).how

    def grant(rights: dict[str, str]) -> None:
        with connections[postgres_alias].cursor() as cursor:
            for table, granted in rights.items():
                cursor.execute(f"GRANT {granted} ON {table} TO {aliases[0]}")

    with pytest.raises(BackendError, match="permission denied"):
        send()
    grant(WITH_KEYS)
    assert [send(), send()] == ["sent", "held"]
    with pytest.raises(BackendError, match="permission denied"):
        send(str.encode)
    grant(REPLACING)
    assert send(str.encode) == "replaced"
    DatabaseQueue(queue.name, aliases[1]).flush()


def test_the_page_about_rights_shows_exactly_these() -> None:
    shown = [line.strip() for line in PAGE.read_text(encoding="utf-8").splitlines() if "GRANT" in line]

    assert shown == [
        f"GRANT {granted} ON {table} TO {role};"
        for role, rights in (
            *(("shop_web", rights) for rights in (PRODUCER, COUNTING, WITH_KEYS, REPLACING)),
            ("shop_queue", CONSUMER),
        )
        for table, granted in rights.items()
    ]
