"""Keeps the database connections of a worker's thread healthy, and open between commands."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.db import DatabaseError, connections, reset_queries
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from djutils.queue.backends.base import is_own_alias
from djutils.queue.command import Command

from .base import Run

logger = logging.getLogger("djutils.queue.middleware.database")

_CHECK_AFTER = 1.0
_MAX_AGE = 600


class _Opened(threading.local):
    """The connections that were opened in this thread, and when they were last checked."""

    def __init__(self) -> None:
        self.connections: dict[int, BaseDatabaseWrapper] = {}
        self.checked = 0.0


class _Shared:
    """The connections of the thread of ``sync_to_async``, once they are known, and when they were last checked."""

    connections: dict[int, BaseDatabaseWrapper] | None = None
    checked = 0.0


_opened = _Opened()
_shared = _Shared()


def _note_connection(*, connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    if not is_own_alias(connection.alias):
        _opened.connections[id(connection)] = connection


# Asking Django for them after each command would cost more than everything else here.
connection_created.connect(_note_connection)


def keep_connections() -> None:
    """Keep this process's connections open between commands, and check them before use.

    Django's default closes them after each request: right for the web, but a reconnect per command
    here. A project's own CONN_MAX_AGE is respected, and a pool is left alone.
    """
    for alias, entry in connections.settings.items():
        if is_own_alias(alias):
            continue
        entry["CONN_HEALTH_CHECKS"] = True
        if not _is_pooled(entry):
            entry["CONN_MAX_AGE"] = entry.get("CONN_MAX_AGE") or _MAX_AGE


def database_connections(run: Run) -> Run:
    """Run commands on working connections; afterwards leave no open transaction and no broken connection."""

    def run_connected(command: Command) -> Any:
        opened = _opened.connections
        if opened:
            _look()
        try:
            return run(command)
        finally:
            if opened:
                _tidy(command.name)

    return run_connected


def shared_connections(run: Run) -> Run:
    """As ``database_connections`` for commands that are awaited.

    All of them use the connections of one thread, that of ``sync_to_async``, and one may end while others are
    using them. So that thread is visited only when a check is due, or a connection seems to need it.
    """

    async def run_connected(command: Command) -> Any:
        if _shared.connections is None:
            _shared.connections = await sync_to_async(_of_this_thread)()
        now = time.monotonic()
        if _shared.connections and now - _shared.checked > _CHECK_AFTER:
            _shared.checked = now
            await sync_to_async(_look)()
        try:
            return await run(command)
        finally:
            if any(map(_needs_care, list(_shared.connections.values()))):
                await sync_to_async(_tidy)("A coroutine")

    return run_connected


def _of_this_thread() -> dict[int, BaseDatabaseWrapper]:
    return _opened.connections


def _needs_care(connection: BaseDatabaseWrapper) -> bool:
    """Return whether ``_tidy`` may have to do something; asked in another thread, while it may be in use."""
    left = connection.in_atomic_block or connection.errors_occurred or not connection.autocommit
    return left or _is_pooled(connection.settings_dict)


def _look() -> None:
    """Have each connection checked at its next use if the last check is older than a second.

    Done before a command and not after one: hours may pass between two commands.
    """
    now = time.monotonic()
    if now - _opened.checked > _CHECK_AFTER:
        _opened.checked = now
        for connection in _opened.connections.values():
            connection.close_if_unusable_or_obsolete()


def _tidy(name: str) -> None:
    for key, connection in list(_opened.connections.items()):
        if connection.in_atomic_block:
            logger.warning("%s left a transaction open on '%s'; it is rolled back.", name, connection.alias)
            _forget(connection)
        elif connection.connection is not None:  # querying a closed connection would open it again
            _let_rest(connection)
        if connection.connection is None:
            del _opened.connections[key]
    if django_settings.DEBUG:
        reset_queries()


def _let_rest(connection: BaseDatabaseWrapper) -> None:
    """Roll back anything uncommitted on an open connection; keep it if it works, or return it to its pool."""
    by_hand = not connection.autocommit
    if by_hand or connection.errors_occurred:
        connection.close_if_unusable_or_obsolete()
    if by_hand and connection.connection is not None:
        try:
            connection.rollback()
        except DatabaseError:
            connection.close()
    if _is_pooled(connection.settings_dict):
        connection.close()


def _is_pooled(entry: Mapping[str, Any]) -> bool:
    return bool(entry.get("OPTIONS", {}).get("pool"))


def _forget(connection: BaseDatabaseWrapper) -> None:
    """Drop the connection and its wrapper: the wrapper's record of open blocks cannot be corrected."""
    if connections[connection.alias] is connection:
        del connections[connection.alias]
    connection.close()
    connection.connection = None
