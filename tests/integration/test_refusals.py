"""Outcomes that a real store refuses: each run is counted, and the end is a dead letter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.db import connections
from pytest_django import DjangoDbBlocker, Settings

from tests import servers
from tests.conftest import DatabaseStarter
from tests.project.app import commands
from tests.project.databases import from_url
from tests.sites import Site
from tests.waiting import wait_until

BOOM = "boom \N{COLLISION SYMBOL}"
TABLE = "djutils_queuemessage"


def execute(site: Site, *statements: str) -> None:
    with connections[site.alias].cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.fixture
def narrow_mariadb(settings: Settings, tmp_path: Path, own_database: DatabaseStarter) -> Iterator[Site]:
    """A MariaDB of the time when utf8 had three bytes."""
    _, alias = own_database(servers.mariadb)
    with ExitStack() as stack:
        site = Site(settings, tmp_path, stack, alias)
        execute(site, f"ALTER TABLE {TABLE} CONVERT TO CHARACTER SET utf8mb3")
        yield site


@pytest.fixture
def narrow_postgres(
    settings: Settings, tmp_path: Path, postgres_server: servers.Server, django_db_blocker: DjangoDbBlocker
) -> Iterator[Site]:
    """A PostgreSQL database in LATIN1."""
    alias = "narrow"
    test = {"NAME": "test_djutils_narrow", "CHARSET": "LATIN1", "TEMPLATE": "template0"}
    connections.settings[alias] = from_url(postgres_server.url) | {"TEST": test}
    connections.configure_settings(connections.settings)
    with django_db_blocker.unblock(), ExitStack() as stack:
        connections[alias].creation.create_test_db(verbosity=0, autoclobber=True)
        stack.callback(connections.settings.pop, alias)
        stack.callback(connections[alias].creation.destroy_test_db, "postgres", verbosity=0)
        with ExitStack() as inner:
            yield Site(settings, tmp_path, inner, alias)


@pytest.mark.parametrize("kind", ["narrow_mariadb", "narrow_postgres"])
def test_an_error_text_the_database_cannot_store_costs_no_attempt_its_charge(
    request: pytest.FixtureRequest, kind: str
) -> None:
    site: Site = request.getfixturevalue(kind)
    consumer = site.consumer().ready()
    workers = consumer.workers()
    commands.explode(site.file(), BOOM)
    for number in range(20):
        commands.append(site.file("others"), number)

    wait_until(lambda: site.queue.stats() == (0, 0, 0, 1, 0), why=consumer.log)

    (letter,) = site.queue.dead_letters()
    assert letter.attempts == len(commands.lines(site.file())) == 2
    assert letter.reason == r"ValueError: boom \U0001f4a5"
    assert len(commands.lines(site.file("others"))) == 20
    assert consumer.workers() == workers, "no process had to die for it"


@pytest.mark.parametrize("kind", ["narrow_mariadb", "narrow_postgres"])
def test_last_words_the_database_cannot_store_are_charged_as_a_crash(
    request: pytest.FixtureRequest, kind: str
) -> None:
    site: Site = request.getfixturevalue(kind)
    commands.say_and_be_killed(site.file(), BOOM)
    consumer = site.consumer()

    wait_until(lambda: site.queue.stats() == (0, 0, 0, 1, 0), why=consumer.log)

    (letter,) = site.queue.dead_letters()
    assert letter.crashes == len(commands.lines(site.file())) == 3
    assert letter.error.isascii()


GUARDED = {
    "postgres": (
        """CREATE FUNCTION refuse_deletion() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF OLD.message_id = '{id}' THEN RAISE EXCEPTION 'this one stays'; END IF; RETURN OLD; END $$""",
        f"CREATE TRIGGER guard BEFORE DELETE ON {TABLE} FOR EACH ROW EXECUTE FUNCTION refuse_deletion()",
    ),
    "mariadb": (
        f"""CREATE TRIGGER guard BEFORE DELETE ON {TABLE} FOR EACH ROW
        IF OLD.message_id = '{{id}}' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'this one stays'; END IF""",
    ),
}
FREED = {
    "postgres": (f"DROP TRIGGER guard ON {TABLE}", "DROP FUNCTION refuse_deletion"),
    "mariadb": ("DROP TRIGGER guard",),
}


@pytest.mark.parametrize("site", ["postgres", "mariadb"], indirect=True)
def test_an_ack_that_a_trigger_refuses_holds_up_no_other(site: Site) -> None:
    result = commands.append(site.file("refused"), 1)
    kind = "mariadb" if connections[site.alias].vendor == "mysql" else "postgres"
    execute(site, *(statement.replace("{id}", result.id) for statement in GUARDED[kind]))
    try:
        consumer = site.consumer().ready()
        for number in range(50):
            commands.append(site.file(), number)
        wait_until(lambda: site.queue.stats()[:3] in ((0, 0, 1), (0, 0, 0)), why=consumer.log)
        assert len(commands.lines(site.file())) == 50
        assert "the store refuses to record it" in consumer.log()
    finally:
        execute(site, *FREED[kind])
    site.wait_until_empty()
    assert len(commands.lines(site.file("refused"))) == 1, "it is not run again"
    assert consumer.stop() == 0
