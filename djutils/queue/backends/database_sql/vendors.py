"""Which database speaks which dialect."""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper

from djutils.queue.exceptions import ConfigurationError

from .base import Dialect
from .mysql import MySQLDialect
from .postgresql import PostgresDialect
from .sqlite import SQLiteDialect

DIALECTS: dict[str, type[Dialect]] = {
    "postgresql": PostgresDialect,
    "sqlite": SQLiteDialect,
    "mysql": MySQLDialect,
}


def dialect_of(connection: BaseDatabaseWrapper) -> Dialect:
    """Answer the statements for ``connection``; ``ConfigurationError`` for a vendor without any."""
    if connection.vendor not in DIALECTS:
        raise ConfigurationError(
            f"DatabaseQueue does not know {connection.display_name}: set QUEUE_CONNECTION "
            f"to the alias of a PostgreSQL, MariaDB, MySQL or SQLite database."
        )
    return DIALECTS[connection.vendor](connection)
