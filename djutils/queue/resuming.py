"""A long command in pieces: ``resume()`` goes on where an earlier run of the same call was interrupted."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from math import inf
from typing import TypeVar

from django.db.models import Model, QuerySet

from .command import limits_of
from .current import running
from .exceptions import ConfigurationError, Postpone
from .registry import registry
from .stores.base import Store

M = TypeVar("M", bound=Model)

_KEPT = 30 * 24 * 3600
_SHARE = 0.8
"""After this part of its time limit a command gives way."""

giving_way = threading.Event()
"""Set in a worker process that is to end: a command that can go on elsewhere does so."""


def resume(queryset: QuerySet[M], batch: int = 500) -> Iterator[M]:
    """Yield the objects of ``queryset`` in the order of their keys, from where an earlier run of this call stopped.

    After each ``batch`` the key of the last object is kept, with the message's id, for 30 days. When the worker is to end, or most of
    the command's time limit is over, the command gives way there (``Postpone``): no attempt is counted, and its next
    run goes on. After an error, or a crash, it goes on after the last complete batch, so up to ``batch`` objects are seen
    twice; new objects are seen if their keys come later. One ``resume()`` per command.

    Raises ``ValueError`` for a queryset that is sliced, and ``ConfigurationError`` in a command with ``atomic``, whose
    writes would be rolled back together with the key. Without a worker, as in ``fn.call()``, it yields everything.
    """
    if queryset.query.is_sliced:
        raise ValueError("resume() takes a queryset that is not sliced: it slices it itself.")
    place = _Place.of_run()
    ordered, last = queryset.order_by("pk"), place.last(queryset)
    while page := list((ordered if last is None else ordered.filter(pk__gt=last))[:batch]):
        yield from page
        last = page[-1].pk
        place.keep(last)
    place.forget()


class _Place:
    """Where the keys of one call are kept, and for how long its run may still go on."""

    def __init__(self, store: Store | None = None, id: str = "", soft: float = inf) -> None:
        self._store = store
        self._key = f"resume {id}"
        self._until = time.monotonic() + soft * _SHARE

    @classmethod
    def of_run(cls) -> _Place:
        run = running.get()
        if run is None or run.lease is None:
            return cls()
        command_class = registry.get_class(run.message.command)
        if command_class.atomic:
            raise ConfigurationError(
                f"'{command_class.name}' is atomic, so resume() could keep nothing of a run that gives way. Leave atomic "
                f"out, and use transaction.atomic() for each object."
            )
        soft = limits_of(command_class.time_limit)[0] if command_class.time_limit else inf
        return cls(run.lease.queue.store, run.message.id, soft)

    def last(self, queryset: QuerySet[M]) -> object:
        """Return the key after which to begin; None at the first run."""
        kept = self._store.get([self._key]).get(self._key) if self._store else None
        return None if kept is None else queryset.model._meta.pk.to_python(kept.decode())

    def keep(self, last: object) -> None:
        """Keep the key of the last object that is done; raise ``Postpone`` if the run is to give way."""
        if self._store is None:
            return
        self._store.set({self._key: str(last).encode()}, _KEPT)
        if giving_way.is_set() or time.monotonic() > self._until:
            raise Postpone(0, f"It gives way after {last}, and goes on from there.")

    def forget(self) -> None:
        """Delete what is kept: another run of this call, as after a replay, begins at the beginning."""
        if self._store is not None:
            self._store.delete([self._key])
