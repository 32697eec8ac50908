"""Keeps the database connections of a worker's thread healthy, and open from command to command."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from django.conf import settings as django_settings
from django.db import connections, reset_queries
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from djutils.queue.backends.base import is_own_alias
from djutils.queue.command import Command

from .base import Run

logger = logging.getLogger("djutils.queue.middleware.database")

_CHECK_AFTER = 1.0
_MAX_AGE = 600


class _Opened(threading.local):
    """The connections that were opened in this thread, and when they were last looked at."""

    def __init__(self) -> None:
        self.connections: dict[int, BaseDatabaseWrapper] = {}
        self.checked = 0.0


_opened = _Opened()


def _note_connection(*, connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    if not is_own_alias(connection.alias):
        _opened.connections[id(connection)] = connection


# To ask Django for them after each command would cost more than most of what is done here.
connection_created.connect(_note_connection)


def keep_connections() -> None:
    """Let this process's connections live on between commands, and be checked before use.

    Django's default closes them after each request: right for the web, a reconnect per command
    here. A project that chose a CONN_MAX_AGE of its own keeps it.
    """
    for options in connections.settings.values():
        options["CONN_MAX_AGE"] = options.get("CONN_MAX_AGE") or _MAX_AGE
        options["CONN_HEALTH_CHECKS"] = True


def database_connections(command: Command, run: Run) -> Any:
    """Run the command; after it, leave no transaction open and no broken connection behind."""
    try:
        return run(command)
    finally:
        if _opened.connections:
            _tidy(command)


def _tidy(command: Command) -> None:
    now = time.monotonic()
    stale = now - _opened.checked > _CHECK_AFTER
    if stale:
        _opened.checked = now
    for key, connection in list(_opened.connections.items()):
        if connection.in_atomic_block:
            logger.warning(
                "%s left a transaction open on '%s'; it is rolled back.", command.name, connection.alias
            )
            _forget(connection)
        elif connection.connection is None:
            pass  # the command closed it; to ask it anything would open it again
        elif stale or connection.errors_occurred or not connection.get_autocommit():
            connection.close_if_unusable_or_obsolete()
        if connection.connection is None:
            del _opened.connections[key]
    if django_settings.DEBUG:
        reset_queries()


def _forget(connection: BaseDatabaseWrapper) -> None:
    """Drop the connection, wrapper and all: its notion of open blocks cannot be mended."""
    raw, connection.connection = connection.connection, None
    if connections[connection.alias] is connection:
        del connections[connection.alias]
    if raw is not None:
        raw.close()
