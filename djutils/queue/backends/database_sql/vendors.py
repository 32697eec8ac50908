"""The dialect of each database vendor."""

from __future__ import annotations

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from djutils.queue.exceptions import ConfigurationError

from .base import Dialect
from .lane_mysql import MySQLLanes
from .lane_postgresql import PostgresLanes
from .lane_sqlite import SQLiteLanes
from .lane_statements import LaneStatements
from .mysql import MySQLDialect
from .postgresql import PostgresDialect
from .sqlite import SQLiteDialect

DIALECTS: dict[str, type[Dialect]] = {
    "postgresql": PostgresDialect,
    "sqlite": SQLiteDialect,
    "mysql": MySQLDialect,
}

LANES: dict[str, type[LaneStatements]] = {
    "postgresql": PostgresLanes,
    "sqlite": SQLiteLanes,
    "mysql": MySQLLanes,
}


def lanes_of(connection: BaseDatabaseWrapper) -> LaneStatements:
    """Return the statements for lanes for ``connection``, whose vendor has a dialect."""
    return LANES[connection.vendor](connection)


def dialect_of(connection: BaseDatabaseWrapper) -> Dialect:
    """Return the dialect for ``connection``; raise ``ConfigurationError`` for an unsupported vendor."""
    return _class_of(connection)(connection)


def own_settings(connection: BaseDatabaseWrapper) -> dict[str, Any]:
    """Return the settings of a consumer's own connection to the database of ``connection``."""
    return _class_of(connection).own_settings(connection.settings_dict)


def _class_of(connection: BaseDatabaseWrapper) -> type[Dialect]:
    if connection.vendor not in DIALECTS:
        raise ConfigurationError(
            f"DatabaseQueue does not support {connection.display_name}: set QUEUE_CONNECTION "
            f"to the alias of a PostgreSQL, MariaDB, MySQL or SQLite database."
        )
    return DIALECTS[connection.vendor]
