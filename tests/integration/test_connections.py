"""Commands that use the database, in many threads, after its restart, and after commands that misbehave."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.db import connections
from pytest_django import Settings

from tests import servers
from tests.conftest import DatabaseStarter
from tests.consumers import Consumer
from tests.project.app import commands
from tests.sites import Site
from tests.waiting import wait_until

DATABASES = pytest.mark.parametrize("site", ["sqlite", "postgres", "mariadb"], indirect=True)


def sessions(site: Site, prefix: str) -> Counter[str]:
    return Counter(text.split()[-1] for text in site.notes(prefix))


@DATABASES
def test_threads_keep_their_connections_from_command_to_command(site: Site) -> None:
    mark = site.environment["DJUTILS_TEST_QUEUE_NAME"]
    for _ in range(200):
        commands.note_session(mark)
    site.consumer(threads=4)

    site.wait_until_empty()

    assert len(site.notes(mark)) == 200
    assert len(sessions(site, mark)) <= 4


@pytest.mark.parametrize("site", ["postgres"], indirect=True)
def test_the_number_of_connections_does_not_grow_with_the_number_of_commands(site: Site) -> None:
    mark = site.environment["DJUTILS_TEST_QUEUE_NAME"]
    commands.note_session(mark)
    site.consumer(processes=2, threads=4).ready()
    site.wait_until_empty()
    for _ in range(300):
        commands.note_session(mark)
    site.wait_until_empty()

    with connections[site.alias].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        (counted,) = cursor.fetchone()
    # The test's own, two pumps with their listening connections, the maintainer's chores, its beat and its other
    # queries, and one per thread.
    assert counted <= 1 + 2 * 2 + 3 + 2 * 4


@DATABASES
@pytest.mark.parametrize("mess", [commands.leave_block_open, commands.leave_autocommit_off])
def test_a_transaction_left_open_is_rolled_back_and_does_not_hurt_the_next_command(
    site: Site, mess: object
) -> None:
    mark = site.environment["DJUTILS_TEST_QUEUE_NAME"]
    for number in range(5):
        mess(f"{mark} mess")  # type: ignore[operator]
        commands.note(f"{mark} good {number}")
    consumer = site.consumer()

    site.wait_until_empty()

    assert consumer.stop() == 0
    assert site.notes(mark) == [f"{mark} good {number}" for number in range(5)]


@DATABASES
def test_an_error_of_the_database_does_not_hurt_the_next_command(site: Site) -> None:
    mark = site.environment["DJUTILS_TEST_QUEUE_NAME"]
    for number in range(5):
        commands.break_transaction(f"{mark} broken")
        commands.note(f"{mark} good {number}")
    site.consumer()

    site.wait_until_empty()

    assert site.notes(mark) == [f"{mark} good {number}" for number in range(5)]
    assert site.queue.stats().dead == 5


def survives_a_restart(site: Site, server: servers.Server, consumer: Consumer) -> None:
    """Commands sent before, during and after run, in the same worker processes."""
    mark = site.environment["DJUTILS_TEST_QUEUE_NAME"]
    workers = consumer.workers()
    for number in range(20):
        commands.note(f"{mark} before {number}")
    wait_until(lambda: len(site.notes(mark)) == 20, why=consumer.log)
    connections[site.alias].close()
    server.kill()
    wait_until(lambda: "running commands continue" in consumer.log(), why=consumer.log)
    server.start()
    for number in range(20):
        commands.note(f"{mark} after {number}")
    site.wait_until_empty()

    texts = set(site.notes(mark))
    assert texts == {f"{mark} {when} {number}" for when in ("before", "after") for number in range(20)}
    assert site.queue.stats().dead == 0
    assert consumer.workers() == workers, consumer.log()
    assert consumer.stop() == 0


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_after_a_restart_of_the_database_the_consumer_goes_on_by_itself(
    kind: str, own_database: DatabaseStarter, settings: Settings, tmp_path: Path
) -> None:
    server, alias = own_database(getattr(servers, kind))
    with ExitStack() as stack:
        site = Site(settings, tmp_path, stack, alias)
        survives_a_restart(site, server, site.consumer("--lease", "3", processes=2, threads=2).ready())
