"""Fixtures for every test: servers that start when they are first asked for, and databases on them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import NoReturn, TypeVar

import pytest
from django.db import connections
from django.test.utils import setup_databases, teardown_databases
from pytest_django import DjangoDbBlocker

from tests import poolers, servers
from tests.project.databases import from_url

# A shell's background job ignores the first two signals, and nohup the third: every process started here would
# inherit that, and ignore a Ctrl-C or a closed terminal.
for number, usual in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGQUIT, signal.SIG_DFL),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, usual)

S = TypeVar("S", bound=servers.Server)
Starter = Callable[..., servers.Server]
DatabaseStarter = Callable[..., tuple[servers.Server, str]]


def missing(reason: str) -> NoReturn:
    """Skip the test if a server is missing on a developer's machine; fail in CI."""
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@contextmanager
def _running(server: AbstractContextManager[S]) -> Iterator[S]:
    with ExitStack() as stack:
        try:
            running = stack.enter_context(server)
        except servers.Unavailable as error:
            reason = str(error)
        else:
            yield running
            return
    missing(reason)


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None, django_db_modify_db_settings: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """The default database, also for tests that have no ``django_db`` mark (pytest-django counts marks)."""
    with django_db_blocker.unblock():
        databases = setup_databases(verbosity=0, interactive=False, aliases={"default"})
    yield
    with django_db_blocker.unblock():
        teardown_databases(databases, verbosity=0)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[servers.Server]:
    """A Redis shared by all tests: use your own queue name."""
    with _running(servers.redis()) as server:
        yield server


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[servers.Server]:
    """A Valkey shared by all tests: use your own queue name."""
    with _running(servers.valkey()) as server:
        yield server


@pytest.fixture(scope="session")
def redis_or_valkey_server() -> Iterator[servers.Server]:
    """A Redis, or a Valkey where there is no Redis, shared by all tests: use your own queue name."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(servers.redis())
        except servers.Unavailable:
            server = stack.enter_context(_running(servers.valkey()))
        yield server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[servers.Server]:
    """A PostgreSQL shared by all tests."""
    with _running(servers.postgres()) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[servers.Server]:
    """A MariaDB shared by all tests."""
    with _running(servers.mariadb()) as server:
        yield server


@pytest.fixture
def own_server() -> Iterator[Starter]:
    """Starts servers that the test may kill: ``own_server(servers.redis, appendonly=True)``."""
    with ExitStack() as stack:
        yield lambda kind, **options: stack.enter_context(_running(kind(own=True, **options)))


@contextmanager
def _database(alias: str, server: servers.Server, blocker: DjangoDbBlocker) -> Iterator[str]:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    entry = from_url(server.url) | {"TEST": {"NAME": f"test_djutils_{worker}"}}
    connections.settings[alias] = entry
    connections.configure_settings(connections.settings)  # fills in what the entry leaves out
    with blocker.unblock():
        creation = connections[alias].creation
        creation.create_test_db(verbosity=0, autoclobber=True)
        connections[alias].close()
    yield alias
    with blocker.unblock():
        if not isinstance(server, servers.OwnServer):
            creation.destroy_test_db(entry["NAME"], verbosity=0)
        connections[alias].close()
        del connections[alias], connections.settings[alias]


@pytest.fixture
def own_database(own_server: Starter, django_db_blocker: DjangoDbBlocker) -> Iterator[DatabaseStarter]:
    """A migrated database on a server that the test may kill: ``server, alias = own_database(servers.postgres)``."""
    with ExitStack() as stack:

        def start(kind: Callable[..., object]) -> tuple[servers.Server, str]:
            server = own_server(kind)
            alias = stack.enter_context(_database(f"own_{server.port}", server, django_db_blocker))
            return server, stack.enter_context(_open(alias, django_db_blocker))

        yield start


@pytest.fixture(scope="session")
def _postgres_database(
    postgres_server: servers.Server, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[str]:
    with _database("postgres", postgres_server, django_db_blocker) as alias:
        yield alias


@pytest.fixture(scope="session")
def _mariadb_database(
    mariadb_server: servers.Server, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[str]:
    with _database("mariadb", mariadb_server, django_db_blocker) as alias:
        yield alias


@contextmanager
def _open(alias: str, blocker: DjangoDbBlocker) -> Iterator[str]:
    with blocker.unblock():
        yield alias
        connections[alias].close()


@pytest.fixture
def sqlite_alias(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """The SQLite file, migrated, with no transaction around the test and nothing undone after it."""
    with _open("default", django_db_blocker) as alias:
        yield alias


@pytest.fixture
def postgres_alias(_postgres_database: str, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """The alias of a migrated PostgreSQL, with no transaction around the test and nothing undone after it."""
    with _open(_postgres_database, django_db_blocker) as alias:
        yield alias


@pytest.fixture
def mariadb_alias(_mariadb_database: str, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """The alias of a migrated MariaDB, with no transaction around the test and nothing undone after it."""
    with _open(_mariadb_database, django_db_blocker) as alias:
        yield alias


@pytest.fixture
def pooled_alias(
    postgres_alias: str, request: pytest.FixtureRequest, django_db_blocker: DjangoDbBlocker
) -> Iterator[str]:
    """The database of ``postgres_alias`` through PgBouncer, in transaction mode unless a parameter names another."""
    direct = connections.settings[postgres_alias]
    pool_mode = getattr(request, "param", "transaction")
    with _running(poolers.pgbouncer(int(direct["PORT"]), pool_mode)) as server:
        alias = f"pooled_{server.port}"
        pooled = {"HOST": "127.0.0.1", "PORT": str(server.port), "DISABLE_SERVER_SIDE_CURSORS": True}
        connections.settings[alias] = {**direct, **pooled}
        with _open(alias, django_db_blocker):
            yield alias
        del connections[alias], connections.settings[alias]
