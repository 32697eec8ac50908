"""Every setting of the queue, its default and its meaning.

A setting is read when it is needed, never at import, and kept until Django signals that it has changed, so
``override_settings`` works everywhere.
"""

from __future__ import annotations

import re
from functools import cache, cached_property
from pathlib import PurePath
from typing import Any, Generic, TypeVar

from django.conf import settings as django_settings
from django.core.signals import setting_changed

from .exceptions import ConfigurationError

T = TypeVar("T")

PLACES = "a dictionary from the names of queues to dictionaries with BACKEND, CONNECTION or both"


class Setting(Generic[T]):
    """An attribute whose value is the project's setting, or ``default`` if there is none.

    On the class it returns the default. A value it has read is stored in the instance, where
    Python looks before it calls this descriptor again.
    """

    def __init__(self, default: T) -> None:
        self.default = default

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: object | None, owner: type) -> T:
        if instance is None:
            return self.default
        value: T = getattr(django_settings, self.name, self.default)
        vars(instance)[self.name] = value
        return value


class QueueSettings:
    """The defaults. Reading an attribute returns the project's own value if it has one."""

    QUEUE_BACKEND = Setting("djutils.queue.backends.database.DatabaseQueue")
    """Dotted path of the backend that stores the queues."""

    QUEUE_CONNECTION = Setting("")
    """Where the backend connects to; the format depends on the backend.

    ``DatabaseQueue`` takes a database alias, ``RedisQueue`` takes ``host:port:db`` or a URL."""

    QUEUES = Setting[Any]({})
    """Queues that are kept elsewhere, by name: ``{"mail": {"BACKEND": "...", "CONNECTION": "..."}}``.

    An entry may leave out ``BACKEND``, which is then ``QUEUE_BACKEND``; one that has it and no ``CONNECTION`` connects
    to that backend's default. Queues that are not listed are where ``QUEUE_BACKEND`` and ``QUEUE_CONNECTION`` say."""

    QUEUE_NAME = Setting("")
    """Name of the default queue. Empty: the name of the default database, as in 2011."""

    QUEUE_EAGER = Setting(False)
    """Run a command at once, in the calling process, instead of sending it."""

    QUEUE_MIDDLEWARE = Setting[Any](())
    """Dotted paths of your own middleware, as in Django: the first one is the outermost."""

    QUEUE_CARRY = Setting[Any](())
    """What ``CarryContext``, in ``QUEUE_MIDDLEWARE``, carries from the caller to the run.

    ``"language"``, ``"time_zone"``, ``"trace"`` and dotted paths of your own ``ContextVar``, such as
    ``"shop.context.request_id"``."""

    QUEUE_MAX_ATTEMPTS = Setting(20)
    """How many runs of a command may fail before it becomes a dead letter."""

    QUEUE_BACKOFF = Setting[Any]((2.0, 3600.0))
    """Seconds before the second attempt, doubled for each one after it, and the longest wait."""

    QUEUE_MAX_CRASHES = Setting(3)
    """How many processes a command may kill before it becomes a dead letter."""

    QUEUE_MAX_MESSAGE_SIZE = Setting(256 * 1024)
    """Largest message in bytes, signature included. A larger one is refused at the call."""

    QUEUE_SIGNING_KEYS = Setting[Any](None)
    """Keys for messages instead of ``SECRET_KEY``: a list; the first signs, all are accepted.

If it is set, neither ``SECRET_KEY`` nor ``SECRET_KEY_FALLBACKS`` is accepted."""

    QUEUE_DEAD_LETTERS_KEPT = Setting[Any](None)
    """How long a dead letter is kept before a consumer of its queue discards it.

    Seconds, a ``timedelta``, or text such as ``"30d"``; None: until an operator replays or discards it."""

    QUEUE_RESULTS = Setting(False)
    """Whether what becomes of a command is kept, unless the command itself says so with ``result``."""

    QUEUE_RESULT_TTL = Setting[Any](24 * 3600)
    """How long a result is kept: seconds, or a ``timedelta``."""

    QUEUE_RESULT_STORE = Setting("")
    """Where results are kept, if not beside the messages.

    ``"database"`` or ``"database:alias"``, ``"redis:host:port:db"`` or a URL, ``"cache"`` or ``"cache:alias"``. A cache
    may forget; and only what is kept beside the messages is kept in the transaction of the acknowledgement."""

    QUEUE_MAX_RESULT_SIZE = Setting(256 * 1024)
    """Largest result in bytes. A larger one is not kept: the call counts as failed, and its ``errors`` say why."""

    QUEUE_SCHEDULE_GRACE = Setting[Any](300)
    """How long after its moment a schedule that has not run makes ``status`` fail: seconds, or a ``timedelta``; None: it never does."""

    @property
    def listed_queues(self) -> tuple[str, ...]:
        """The names in ``QUEUES``; none if it is invalid, which ``place_of`` reports."""
        return tuple(self.QUEUES) if are_places(self.QUEUES) else ()

    def place_of(self, queue: str) -> tuple[Any, Any]:
        """Return the backend and the connection of ``queue``. Raises ``ConfigurationError`` for an invalid ``QUEUES``."""
        if not self.QUEUES:
            return self.QUEUE_BACKEND, self.QUEUE_CONNECTION
        if not are_places(self.QUEUES):
            raise ConfigurationError(f"QUEUES must be {PLACES}; its value is not shown.")
        entry = self.QUEUES.get(queue, {})
        if "BACKEND" in entry:
            return entry["BACKEND"], entry.get("CONNECTION", "")
        return self.QUEUE_BACKEND, entry.get("CONNECTION", self.QUEUE_CONNECTION)

    @cached_property
    def queue_name(self) -> str:
        """The default queue's name: ``QUEUE_NAME``, or the name of the default database.

        Raises ``ConfigurationError`` for a ``QUEUE_NAME`` that is not text.
        """
        name, database = self.QUEUE_NAME, django_settings.DATABASES.get("default") or {}
        if name and not isinstance(name, str):
            raise ConfigurationError(
                f"QUEUE_NAME must be text, not of type {type(name).__name__}; its value is not shown."
            )
        return name or _name_after(str(database.get("NAME") or ""))


def are_places(value: Any) -> bool:
    """Return whether ``value`` can be ``QUEUES``."""
    return isinstance(value, dict) and all(
        isinstance(name, str) and isinstance(entry, dict) and entry.keys() <= {"BACKEND", "CONNECTION"}
        for name, entry in value.items()
    )


@cache
def _name_after(database: str) -> str:
    name = PurePath(database).stem
    return name if re.fullmatch(r"[\w.-]+", name) else "djutils"


def _forget(**kwargs: Any) -> None:
    vars(settings).clear()


settings = QueueSettings()
setting_changed.connect(_forget)

NAMES = frozenset(name for name in vars(QueueSettings) if name.startswith(("QUEUE_", "QUEUES")))
