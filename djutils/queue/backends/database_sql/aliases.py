"""Aliases of databases, and what else may stand in their place."""

from __future__ import annotations

from difflib import get_close_matches

from django.db import connections

from djutils.queue.backends.base import is_own_alias
from djutils.queue.exceptions import ConfigurationError


def known_alias(connection: object) -> str:
    """Return a ``QUEUE_CONNECTION`` that is an alias in ``DATABASES``.

    Raises ``ConfigurationError`` for any other, which is not shown: it may be an address with a password.
    """
    if isinstance(connection, str) and connection in connections.settings:
        return connection
    known = [alias for alias in connections.settings if not is_own_alias(alias)]
    near = get_close_matches(str(connection), known, n=1)
    raise ConfigurationError(
        f"QUEUE_CONNECTION is not an alias in DATABASES, which is what DatabaseQueue takes; its value is not "
        f"shown, because it may hold a password. {f'Did you mean {near[0]!r}? ' if near else ''}There are: "
        f"{', '.join(known)}. For the address of a Redis server, set QUEUE_BACKEND to "
        f"'djutils.queue.backends.redis_backend.RedisQueue'."
    )
