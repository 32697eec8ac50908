"""A long command in pieces: ``resume()`` goes on where an earlier run of the same call was interrupted."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from math import inf
from typing import TypeVar

from django.db.models import Model, QuerySet

from .command import limits_of
from .current import Lease, running
from .exceptions import ConfigurationError, Postpone
from .message import Delivery
from .milestones import forget_milestone, keep_milestone, milestone_of
from .registry import registry

M = TypeVar("M", bound=Model)

_SHARE = 0.8
"""After this part of its time limit a command gives way."""

giving_way = threading.Event()
"""Set in a worker process that is to end: a command that can go on elsewhere does so."""


def resume(queryset: QuerySet[M], batch: int = 500) -> Iterator[M]:
    """Yield the objects of ``queryset`` in the order of their keys, from where an earlier run of this call stopped.

    After each ``batch`` the key of the last object is kept, with the message's id, for 30 days. When the worker is to end, or most of
    the command's time limit is over, the command gives way there (``Postpone``), and its next run goes on. After an error, a time
    limit or a crash it goes on after the last complete batch, so up to ``batch`` objects are seen twice; new objects are
    seen if their keys come later. One ``resume()`` per command.

    Giving way spends no attempt; neither does a time limit, if the run has completed a batch. Crashes and lost hosts are counted since
    the last complete batch, so they make a dead letter only of a call that does not get on. Any other exception is an attempt.

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
    """Where one call is, and for how long its run may still go on."""

    def __init__(self, lent: tuple[Lease, Delivery, float] | None = None, soft: float = inf) -> None:
        self._lent = lent
        self._until = time.monotonic() + soft * _SHARE

    @classmethod
    def of_run(cls) -> _Place:
        run = running.get()
        if run is None or run.lease is None or run.lease.queue.store is None:
            return cls()
        command_class = registry.get_class(run.message.command)
        if command_class.atomic:
            raise ConfigurationError(
                f"'{command_class.name}' is atomic, so resume() could keep nothing of a run that gives way. Leave atomic "
                f"out, and use transaction.atomic() for each object."
            )
        soft = limits_of(command_class.time_limit)[0] if command_class.time_limit else inf
        return cls((run.lease, run.delivery, run.message.created), soft)

    def last(self, queryset: QuerySet[M]) -> object:
        """Return the key after which to begin; None at the first run."""
        if self._lent is None or (milestone := milestone_of(self._lent[0], self._lent[1].id)) is None:
            return None
        lease, delivery, created = self._lent
        if milestone.created != created:
            # Its arguments were replaced: what was done with the old ones is not done with these.
            forget_milestone(lease, delivery.id)
            return None
        if milestone.crashes > delivery.crashes or milestone.redeliveries > delivery.redeliveries:
            # It was replayed, and is counted from 0 again: the old counters would excuse crashes to come.
            keep_milestone(*self._lent, milestone.last)
        return queryset.model._meta.pk.to_python(milestone.last)

    def keep(self, last: object) -> None:
        """Keep the key of the last object that is done; raise ``Postpone`` if the run is to give way."""
        if self._lent is None:
            return
        keep_milestone(*self._lent, str(last))
        if giving_way.is_set() or time.monotonic() > self._until:
            raise Postpone(0, f"It gives way after {last}, and goes on from there.")

    def forget(self) -> None:
        """Delete what is kept, unless it excuses crashes: the command may still die before it is acknowledged.

        Without it another run of this call, as after a replay, begins at the beginning.
        """
        if self._lent is not None and not (self._lent[1].crashes or self._lent[1].redeliveries):
            forget_milestone(self._lent[0], self._lent[1].id)
