"""The servers to measure on, with the durability they have by default, said aloud."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, NamedTuple

from tests import servers


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
    binary = servers._on_path("redis-server", "install Redis")
    what = "appendonly=yes, appendfsync=everysec"
    return _own(servers.RedisServer(binary, appendonly=True), "redis", what)


_STORES = {"sqlite": _sqlite, "postgres": _postgres, "redis": _redis}
NAMES = tuple(_STORES)
