"""Every setting of the queue, its default and its meaning.

A setting is read when it is needed, never at import, and kept until Django tells that it changed, so
``override_settings`` works everywhere.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import PurePath
from typing import Any

from django.conf import settings as django_settings
from django.core.signals import setting_changed

_read: dict[str, Any] = {}


class QueueSettings:
    """The defaults. Reading an attribute answers the project's own value where it has one."""

    QUEUE_BACKEND: str = "djutils.queue.backends.database.DatabaseQueue"
    """Dotted path of the backend that stores the queues."""

    QUEUE_CONNECTION: str = ""
    """Where the backend connects to; each backend says what it understands.

    ``DatabaseQueue`` takes a database alias, ``RedisQueue`` takes ``host:port:db`` or a URL."""

    QUEUE_NAME: str = ""
    """Name of the default queue. Empty: the name of the default database, as in 2011."""

    QUEUE_EAGER: bool = False
    """Run a command at once, in the caller, instead of sending it."""

    QUEUE_MAX_ATTEMPTS: int = 20
    """How many runs of a command may fail before it becomes a dead letter."""

    QUEUE_BACKOFF: Any = (2.0, 3600.0)
    """Seconds before the second attempt, doubled for each one after it, and the longest wait."""

    QUEUE_MAX_CRASHES: int = 3
    """How many processes a command may kill before it becomes a dead letter."""

    QUEUE_MAX_MESSAGE_SIZE: int = 256 * 1024
    """Largest message in bytes, signature included. A larger one is refused at the call."""

    def __getattribute__(self, name: str) -> Any:
        if name in _read:
            return _read[name]
        value = object.__getattribute__(self, name)
        if name.startswith("QUEUE_"):
            value = _read[name] = getattr(django_settings, name, value)
        return value

    @property
    def queue_name(self) -> str:
        """The default queue's name: ``QUEUE_NAME``, or the name of the default database."""
        database = django_settings.DATABASES.get("default") or {}
        return self.QUEUE_NAME or _name_after(str(database.get("NAME") or ""))


@cache
def _name_after(database: str) -> str:
    name = PurePath(database).stem
    return name if re.fullmatch(r"[\w.-]+", name) else "djutils"


def _forget(**kwargs: Any) -> None:
    _read.clear()


setting_changed.connect(_forget)
settings = QueueSettings()

NAMES = frozenset(name for name in vars(QueueSettings) if name.startswith("QUEUE_"))
