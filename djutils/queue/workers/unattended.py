"""Unattended: reports other queues where messages wait and that no consumer empties.

If a site and a consumer use different names for one database, they also use different names for its queue.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from math import inf
from typing import Any

from django.apps import apps
from django.db import connections

from djutils.queue import pausing
from djutils.queue.backends.base import BaseQueue, own_alias
from djutils.queue.backends.border import border
from djutils.queue.backends.leased import LeasedQueue

from .chore import Chore, Stores
from .options import ConsumerOptions

logger = logging.getLogger("djutils.queue.workers.unattended")

_MOST = 20
_READY_AND_DELAYED = 0, 1


def can_be_searched(queue: BaseQueue) -> bool:
    """Return whether the store of ``queue`` can list the other queues it holds: our tables can."""
    alias = queue.transaction_alias
    return alias is not None and queue.through(alias) is queue


def waiting(queue: BaseQueue) -> set[str]:
    """Return the names of some queues in the store of ``queue`` on which messages wait.

    ``queue`` is open. Each name takes one index lookup, however many messages there are.
    """
    connection = connections[own_alias(queue.transaction_alias or "")]
    table = connection.ops.quote_name(apps.get_model("djutils", "QueueMessage")._meta.db_table)
    # The state is a literal: SQLite would not use a partial index with a parameter.
    after = f"SELECT queue FROM {table} WHERE queue > %s AND state = {{}} ORDER BY queue LIMIT 1"
    with connection.cursor() as cursor:
        return {name for state in _READY_AND_DELAYED for name in _names(cursor, after.format(state))}


def _names(cursor: Any, after: str) -> Iterator[str]:
    name = ""
    for _ in range(_MOST):
        cursor.execute(after, [name])
        row = cursor.fetchone()
        if row is None:
            return
        name = str(row[0])
        yield name


def beats(queue: BaseQueue) -> dict[int, tuple[str, int]]:
    """Return the queue and the beat counter of every owner in the store of ``queue``, which is open."""
    workers = apps.get_model("djutils", "QueueWorker").objects.using(own_alias(queue.transaction_alias or ""))
    return {owner: (name, count) for owner, name, count in workers.values_list("owner", "queue", "beats")}


def is_paused(queue: LeasedQueue, name: str) -> bool:
    """Return whether the queue ``name`` in the store of ``queue``, which is open, is paused."""
    there = type(queue)(name, queue.connection)
    there.open()
    return pausing.find(there) is not None


def explain(name: str, emptied: tuple[str, ...]) -> str:
    """Return the log message of a consumer of the queues ``emptied`` about the queue ``name``."""
    return (
        f"Messages wait on the queue {name!r} of the same database, and no consumer empties it at the moment; this one "
        f"empties {', '.join(emptied)}. If the site means the same queue, set QUEUE_NAME to one name for both (by "
        f"default it is the database's name, and site and consumer may use different ones). Otherwise start "
        f"a consumer with -q and that name."
    )


class Unattended(Chore):
    """Checks once per lease, and reports a queue that no consumer emptied meanwhile; once, until a consumer appears."""

    name = "looking for queues that no consumer empties"

    def __init__(self, stores: Stores, options: ConsumerOptions) -> None:
        self._stores = stores
        self._options = options
        self._queue = next((queue for queue in stores.leased.values() if can_be_searched(queue)), None)
        self._next = time.monotonic() if self._queue else inf
        self._beats: dict[int, tuple[str, int]] = {}
        self._idle: set[str] = set()
        self._told: set[str] = set()

    def due_in(self) -> float:
        return self._next - time.monotonic()

    def do(self) -> None:
        if self._queue is None:
            return
        self._stores.open()
        with border(self._queue):
            before, self._beats = self._beats, beats(self._queue)
            idle = waiting(self._queue) - set(self._options.queues)
            idle -= {
                name for owner, (name, count) in self._beats.items() if before.get(owner) != (name, count)
            }
            idle -= {name for name in idle & self._idle if is_paused(self._queue, name)}
        for name in sorted((idle & self._idle) - self._told):
            logger.warning("%s", explain(name, self._options.queues))
        self._told = idle & (self._told | self._idle)
        self._idle = idle
        self._next = time.monotonic() + self._options.lease
