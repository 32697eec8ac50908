"""Keeps the database connections of a worker's thread healthy, and open from command to command."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from django.conf import settings as django_settings
from django.db import connections, reset_queries

from djutils.queue.command import Command

from .base import Run

logger = logging.getLogger("djutils.queue.middleware.database")

_CHECK_AFTER = 1.0
_MAX_AGE = 600
_checked = threading.local()


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
        _tidy(command)


def _tidy(command: Command) -> None:
    now = time.monotonic()
    stale = now - getattr(_checked, "at", 0.0) > _CHECK_AFTER
    for connection in connections.all(initialized_only=True):
        if connection.in_atomic_block:
            logger.warning(
                "%s left a transaction open on '%s'; it is rolled back.", command.name, connection.alias
            )
            _forget(connection.alias)
        elif stale or connection.errors_occurred or not connection.get_autocommit():
            connection.close_if_unusable_or_obsolete()
    if stale:
        _checked.at = now
    if django_settings.DEBUG:
        reset_queries()


def _forget(alias: str) -> None:
    """Drop the connection, wrapper and all: its notion of open blocks cannot be mended."""
    raw = connections[alias].connection
    del connections[alias]
    if raw is not None:
        raw.close()
