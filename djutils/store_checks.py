"""System checks of the store: one that is shared with another project, or an SQLite database that refuses writers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from .queue.backends import queues
from .queue.backends.base import BaseQueue
from .queue.backends.memory import MemoryQueue
from .queue.conf import settings
from .queue.exceptions import ConfigurationError

_WAL = "PRAGMA journal_mode = WAL"
_VERSION_OF_WAL = b"\x02\x02"


@register("djutils")
def check_shared_store(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Warn of a queue without an explicit name in a store that other projects may also use."""
    queue = _default_queue()
    if settings.QUEUE_NAME or settings.QUEUE_EAGER or queue is None or isinstance(queue, MemoryQueue):
        return []
    alias, store = queue.transaction_alias, type(queue).__name__
    if alias is not None:
        if _is_named_as_the_default(alias):
            return []
        store = f"the database '{alias}'"
    return [
        Warning(
            f"QUEUE_NAME is empty, so the default queue is named after the default database: '{queue.name}'. "
            f"It is kept elsewhere ({store}): another project there whose database has the same name shares "
            f"it, and a site and a consumer with different names for one database use different queues.",
            hint=f"Set QUEUE_NAME to a name that only this project has, such as 'mysite', for the "
            f"site and the consumers alike. Messages that wait on '{queue.name}' stay there: to keep that name, set "
            f"QUEUE_NAME = {queue.name!r}.",
            id="djutils.W002",
        )
    ]


@register("djutils")
def check_sqlite(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Warn of an SQLite database that refuses writers instead of letting them wait for each other."""
    queue = _default_queue()
    alias = queue and queue.transaction_alias
    try:
        connection = connections[alias] if alias else None
    except ImproperlyConfigured:  # its driver is not installed: Django reports that where it is used
        return []
    if connection is None or connection.vendor != "sqlite" or connection.is_in_memory_db():  # type: ignore[attr-defined]
        return []
    missing = _missing_options(connection)
    if not missing:
        return []
    return [
        Warning(
            f"The queue is in the SQLite database '{alias}', which refuses a writer with 'database is locked' "
            f"as soon as another process writes in the middle of its transaction.",
            hint=f"Add to DATABASES['{alias}']: 'OPTIONS': {{{', '.join(missing)}}}. Writers wait for each other "
            f"then. Or put the queue into PostgreSQL, MariaDB, MySQL or Redis.",
            id="djutils.W040",
        )
    ]


def _default_queue() -> BaseQueue | None:
    """Return the default queue; None if the settings are invalid, which another check reports."""
    with suppress(ConfigurationError):
        queue = queues.fresh(settings.queue_name)
        _ = queue.transaction_alias
        return queue
    return None


def _is_named_as_the_default(alias: str) -> bool:
    default = connections.settings.get("default") or {}
    return str(connections.settings[alias].get("NAME")) == str(default.get("NAME"))


def _missing_options(connection: BaseDatabaseWrapper) -> list[str]:
    options = connection.settings_dict.get("OPTIONS") or {}
    missing = []
    if str(options.get("transaction_mode")).upper() not in {"IMMEDIATE", "EXCLUSIVE"}:
        missing.append("'transaction_mode': 'IMMEDIATE'")
    if "timeout" not in options:
        missing.append("'timeout': 20")
    commands = "".join(str(options.get("init_command") or "").lower().split())
    if "journal_mode=wal" not in commands.replace("'", "").replace('"', "") and not _has_wal(connection):
        missing.append(f"'init_command': '{_WAL}'")
    return missing


def _has_wal(connection: BaseDatabaseWrapper) -> bool:
    """Return whether the file is in WAL mode, which is permanent once set."""
    with suppress(OSError), Path(connection.settings_dict["NAME"]).open("rb") as file:
        return file.read(20)[18:] == _VERSION_OF_WAL
    return False
