"""``DATABASES[...]["OPTIONS"]["pool"]``: psycopg's own pool, which Django keeps for each process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from django.db import connections

from djutils.queue.executor import Executor
from djutils.queue.ids import new_id
from djutils.queue.message import Action
from djutils.queue.middleware.database import database_connections, keep_connections
from tests.daemons import Terminal
from tests.project.app import commands, ledger
from tests.project.app.models import Note
from tests.sites import Site
from tests.unit.helpers import make_delivery
from tests.waiting import wait_until

POSTGRES = pytest.mark.parametrize("site", ["postgres"], indirect=True)


def pooled(site: Site, size: int, **more: int) -> dict[str, str]:
    """The environment of a consumer whose default database has a pool."""
    options = "&".join(f"{name}={value}" for name, value in {"pool": size, **more}.items())
    return {"DJUTILS_TEST_DATABASE_URL": f"{site.environment['DJUTILS_TEST_DATABASE_URL']}?{options}"}


@POSTGRES
@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("threads", [1, 6])
def test_a_consumer_runs_with_fewer_connections_in_the_pool_than_threads(
    site: Site, processes: int, threads: int
) -> None:
    mark = site.environment["DJUTILS_TEST_QUEUE_NAME"]
    for number in range(60):
        ledger.enter(f"{mark} {number}")
        ledger.enter_later(f"{mark} later {number}")
    consumer = site.consumer(processes=processes, threads=threads, environment=pooled(site, 2)).ready()

    site.wait_until_empty()

    assert len(site.notes(mark)) == 120, consumer.log()
    assert site.queue.stats().dead == 0
    assert consumer.stop() == 0


@POSTGRES
def test_what_a_command_leaves_open_does_not_use_the_pool_up(site: Site) -> None:
    mark = site.environment["DJUTILS_TEST_QUEUE_NAME"]
    for number in range(6):
        commands.leave_block_open(f"{mark} mess")
        commands.leave_autocommit_off(f"{mark} mess")
        ledger.enter(f"{mark} {number}")
    consumer = site.consumer(environment=pooled(site, 1))

    site.wait_until_empty()

    assert len(site.notes(mark)) == 6, consumer.log()
    assert not any("mess" in text for text in site.notes(mark))


@POSTGRES
def test_a_pool_without_autocommit_keeps_nothing_uncommitted(site: Site) -> None:
    mark = site.environment["DJUTILS_TEST_QUEUE_NAME"]
    for number in range(3):
        ledger.enter_and_leave_it_open(f"{mark} open {number}")
        ledger.enter_and_commit(f"{mark} good {number}")
    site.consumer(environment=pooled(site, 1, autocommit=0))

    site.wait_until_empty()

    assert site.notes(mark) == [f"{mark} good {number}" for number in range(3)]


@POSTGRES
def test_a_worker_that_replaces_another_has_a_pool_that_works(site: Site) -> None:
    mark = site.environment["DJUTILS_TEST_QUEUE_NAME"]
    commands.leave(site.file())
    consumer = site.consumer(environment=pooled(site, 2)).ready()
    wait_until(lambda: commands.lines(site.file()), why=consumer.log)
    for number in range(10):
        ledger.enter(f"{mark} {number}")

    wait_until(lambda: len(site.notes(mark)) == 10, why=consumer.log)


@POSTGRES
def test_a_daemon_starts_and_stops_with_a_pool(site: Site) -> None:
    mark = site.environment["DJUTILS_TEST_QUEUE_NAME"]
    ledger.enter(mark)
    with closing(Terminal(site.folder, site.environment | pooled(site, 2))) as terminal:
        started = terminal.consumer("start")
        assert started.returncode == 0, started.stderr
        site.wait_until_empty()
        assert site.notes(mark) == [mark], terminal.log()
        assert terminal.consumer("stop").returncode == 0


@pytest.fixture
def alias(postgres_alias: str) -> Iterator[str]:
    """A second alias of the same database, with a pool of one."""
    before = {name: dict(entry) for name, entry in connections.settings.items()}
    entry = connections.settings[postgres_alias]
    options = entry["OPTIONS"] | {"pool": {"min_size": 1, "max_size": 1}}
    connections.settings["pooled"] = entry | {"OPTIONS": options, "CONN_MAX_AGE": 0}
    keep_connections()
    yield "pooled"
    connections["pooled"].close()
    connections["pooled"].close_pool()
    del connections["pooled"], connections.settings["pooled"]
    for name, entry in before.items():
        connections.settings[name].update(entry)


def test_a_connection_that_was_cut_off_in_the_pool_is_replaced(alias: str, postgres_alias: str) -> None:
    executor = Executor("unit", (database_connections,))
    for number in range(3):
        text = new_id()
        assert executor.execute(make_delivery(ledger.enter, text, alias)).action is Action.ACK, number
        assert Note.objects.using(postgres_alias).filter(text=text).exists()
        with connections[postgres_alias].cursor() as cursor:
            others = "pid <> pg_backend_pid() AND datname = current_database()"
            cursor.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")


def test_between_commands_the_connection_is_in_the_pool(alias: str) -> None:
    executor = Executor("unit", (database_connections,))
    assert executor.execute(make_delivery(ledger.enter, new_id(), alias)).action is Action.ACK
    assert connections[alias].connection is None
    assert connections[alias].pool.get_stats()["pool_available"] == 1
