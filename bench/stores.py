"""The servers to measure on, with their default durability, which is reported."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from urllib.parse import urlsplit

import psycopg
import pymysql
import redis

from tests import servers

_OURS = ("cmdstat_client", "cmdstat_hello", "cmdstat_info")
"""What a connection that only asks costs."""


class Store(NamedTuple):
    """A store that runs."""

    name: str
    url: str
    what: str
    """Which server it is, and what it does before it answers a write."""


class DurablePostgres(servers.PostgresServer):
    """PostgreSQL as it comes: the tests' server without its shortcuts."""

    SETTINGS: ClassVar = {
        name: value for name, value in servers.PostgresServer.SETTINGS.items() if name != "fsync"
    }


class DurableMariaDB(servers.MariaDBServer):
    """MariaDB as it comes: a commit is on the disk."""

    def _command(self) -> list[str]:
        return [*super()._command(), "--innodb-flush-log-at-trx-commit=1"]


def empty(store: Store) -> None:
    """Leave nothing of an earlier case. A database server has a database ``bench`` afterwards."""
    if store.name == "redis":
        with redis.Redis.from_url(store.url) as client:
            client.flushall()
    if store.name == "postgres":
        _postgres_says(store, "DROP DATABASE IF EXISTS bench WITH (FORCE)", "CREATE DATABASE bench")
    if store.name == "mariadb":
        _mariadb_says(store, "DROP DATABASE IF EXISTS bench", "CREATE DATABASE bench")


def queries(store: Store) -> int | None:
    """How many commands, those in scripts too, or transactions the server has had; None: it does not count."""
    if store.name == "redis":
        return _calls(_redis_says(store, "commandstats"))
    if store.name == "postgres":
        query = "SELECT sum(xact_commit + xact_rollback) FROM pg_stat_database WHERE datname = 'bench'"
        return int(_postgres_says(store, query))
    return None


def counts(store: Store) -> dict[str, int]:
    """What the server has counted so far, under the names of a table's columns.

    What it read from clients is about its round trips: a pipeline is one or few. Its log is what it writes for
    the case of a crash: Redis's AOF, PostgreSQL's WAL.
    """
    if store.name == "redis":
        told = _redis_says(store, "all")
        return {
            "commands": _calls(told),
            "scripts": told.get("cmdstat_evalsha", {"calls": 0})["calls"],
            "reads": told["total_reads_processed"],
            "log bytes": told["aof_current_size"],
        }
    if store.name == "postgres":
        return {
            "transactions": queries(store) or 0,
            "log bytes": int(_postgres_says(store, "SELECT pg_current_wal_insert_lsn() - '0/0'")),
        }
    return {}


def _calls(told: dict[str, Any]) -> int:
    """Redis's commands, those in scripts too, but for what those cost that only ask."""
    every = {name: one for name, one in told.items() if name.startswith("cmdstat_")}
    return sum(one["calls"] for name, one in every.items() if not name.startswith(_OURS))


def process(store: Store) -> int | None:
    """The server's process, whose children are of the server as well; None: there is no server."""
    if store.name == "redis":
        return int(_redis_says(store, "server")["process_id"])
    if store.name == "postgres":
        return int(_postgres_says(store, "SELECT pg_read_file('postmaster.pid')").split()[0])
    if store.name == "mariadb":
        return int(Path(_mariadb_says(store, "SELECT @@pid_file")).read_text())
    return None


def version(store: Store) -> str:
    if store.name == "redis":
        return f"Redis {_redis_says(store, 'server')['redis_version']}"
    if store.name == "postgres":
        return f"PostgreSQL {_postgres_says(store, 'SHOW server_version')}"
    if store.name == "mariadb":
        return f"MariaDB {_mariadb_says(store, 'SELECT VERSION()')}"
    return f"SQLite {sqlite3.sqlite_version}"


def _redis_says(store: Store, section: str) -> dict[str, Any]:
    return dict(_asker(store.url).info(section))


@cache
def _asker(url: str) -> redis.Redis:
    """One connection, because the queries of a new one would be counted as well."""
    return redis.Redis.from_url(url, single_connection_client=True)


def _postgres_says(store: Store, *statements: str) -> str:
    with psycopg.connect(store.url, autocommit=True) as connection:
        return _say(connection.cursor(), statements)


def _mariadb_says(store: Store, *statements: str) -> str:
    place = urlsplit(store.url)
    connection = pymysql.connect(
        host=place.hostname, port=place.port or 0, user=place.username, password=place.password or ""
    )
    with connection, connection.cursor() as cursor:
        return _say(cursor, statements)


def _say(cursor: Any, statements: Sequence[str]) -> str:
    """Return the first value of the last reply."""
    for statement in statements:
        cursor.execute(statement)
    row = cursor.fetchone() if cursor.description else None
    return str(row[0]) if row else ""


@contextmanager
def running(name: str, folder: Path) -> Iterator[Store]:
    """Start the store ``name`` for the block; raises ``servers.Unavailable``."""
    with _STORES[name](folder) as store:
        yield store


@contextmanager
def _sqlite(folder: Path) -> Iterator[Store]:
    what = "WAL; enqueue synchronous=FULL (fsync per commit), consumer NORMAL"
    yield Store("sqlite", str(folder / "bench.sqlite3"), what)


@contextmanager
def _own(server: servers.OwnServer, name: str, what: str) -> Iterator[Store]:
    try:
        server.prepare()
        server.start()
        yield Store(name, server.url, what)
    finally:
        server.remove()


def _postgres(folder: Path) -> object:
    what = "fsync=on; enqueue synchronous_commit=on, consumer off; 32 MB shared_buffers"
    return _own(DurablePostgres(servers._postgres_binaries()), "postgres", what)


def _redis(folder: Path) -> object:
    binary = servers.on_path("redis-server", "install Redis")
    what = "appendonly=yes, appendfsync=everysec"
    return _own(servers.RedisServer(binary, appendonly=True, appendfsync="everysec"), "redis", what)


def _mariadb(folder: Path) -> object:
    what = "innodb_flush_log_at_trx_commit=1, for enqueue and consumer; 64 MB innodb_buffer_pool; PyMySQL"
    return _own(DurableMariaDB(), "mariadb", what)


_STORES = {"sqlite": _sqlite, "postgres": _postgres, "redis": _redis, "mariadb": _mariadb}
NAMES = tuple(_STORES)
