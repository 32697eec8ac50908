"""Which database a queue is in: known aliases, wrong ones, and aliases that lead to the same database."""

from __future__ import annotations

import os
from difflib import get_close_matches
from typing import Any, Self

from django.db import DEFAULT_DB_ALIAS, connections, router
from django.db.backends.base.base import BaseDatabaseWrapper

from djutils.models import QueueMessage
from djutils.queue.backends.base import is_own_alias
from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.exceptions import ConfigurationError

from .errors import translated_errors

_IDENTITY = {
    # Two servers do not start in the same microsecond. A pooler passes both values on, whatever its own name for the database is.
    "postgresql": "SELECT pg_postmaster_start_time()::text, oid FROM pg_database WHERE datname = current_database()",
    "mysql": "SELECT @@hostname, @@port, @@datadir, @@pid_file, DATABASE()",
}


class PlacedQueue(LeasedQueue):
    """A queue in the database of an alias, and the other aliases by which that database is reached."""

    def __init__(self, name: str, connection: str = "") -> None:
        super().__init__(name, connection)
        self._through: dict[str, Self | None] = {}

    @property
    def alias(self) -> str:
        """The alias of the database that holds its table."""
        if router.routers and not self.connection:
            return router.db_for_write(QueueMessage)
        return known_alias(self.connection) if self.connection else DEFAULT_DB_ALIAS

    @property
    def transaction_alias(self) -> str:  # type: ignore[override]
        """The alias whose transactions a send takes part in."""
        return self.alias

    @property
    def project_alias(self) -> str:  # type: ignore[override]
        """The alias that the project's models are written to."""
        return router.db_for_write(QueueMessage) if router.routers else DEFAULT_DB_ALIAS

    def through(self, alias: str) -> Self | None:
        if alias == self.alias:
            return self
        if alias not in self._through:
            there = is_same_database(self.alias, alias)
            self._through[alias] = made = type(self)(self.name, alias) if there else None
            if made is not None:
                made.results_elsewhere = self.results_elsewhere
        return self._through[alias]


def known_alias(connection: object) -> str:
    """Return a ``QUEUE_CONNECTION`` that is an alias in ``DATABASES``.

    Raises ``ConfigurationError`` for any other, which is not shown: it may be an address with a password.
    """
    if isinstance(connection, str) and connection in connections.settings:
        return connection
    known = _known()
    near = get_close_matches(str(connection), known, n=1)
    raise ConfigurationError(
        f"QUEUE_CONNECTION is not an alias in DATABASES, which is what DatabaseQueue takes; its value is not "
        f"shown, because it may hold a password. {f'Did you mean {near[0]!r}? ' if near else ''}There are: "
        f"{', '.join(known)}. For the address of a Redis server, set QUEUE_BACKEND to "
        f"'djutils.queue.backends.redis_backend.RedisQueue'."
    )


def is_same_database(one: str, other: str) -> bool:
    """Return whether two aliases lead to one database, by whatever addresses.

    Raises ``ConfigurationError`` for an alias that is not in ``DATABASES``, and ``BackendError``.
    """
    for alias in (one, other):
        if alias not in connections.settings:
            raise ConfigurationError(
                f"'{alias}', the database in which a command is to be atomic, is not an alias in DATABASES "
                f"(there are: {', '.join(_known())})."
            )
    first, second = connections[one], connections[other]
    return first.vendor == second.vendor and _identity(first) == _identity(second)


def _known() -> list[str]:
    return [alias for alias in connections.settings if not is_own_alias(alias)]


def _identity(connection: BaseDatabaseWrapper) -> tuple[Any, ...]:
    if connection.vendor not in _IDENTITY:
        name = str(connection.settings_dict["NAME"])
        in_memory = getattr(connection, "is_in_memory_db", lambda: True)()
        return (connection.alias if in_memory else os.path.realpath(name),)
    with (
        translated_errors(connection),
        connection.temporary_connection() as cursor,
        connection.wrap_database_errors,
    ):
        # Bypasses whatever counts queries: this query is made only once.
        cursor.cursor.execute(_IDENTITY[connection.vendor])
        return tuple(cursor.fetchone())
