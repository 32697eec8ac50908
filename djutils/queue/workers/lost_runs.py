"""Runs that were lost with their process because their messages were gone already: their results say so."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from contextlib import suppress

from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.exceptions import MessageError
from djutils.queue.keeping import ttl_of
from djutils.queue.reading import class_of
from djutils.queue.record import Failure, ResultStatus, pack, unpack

logger = logging.getLogger("djutils.queue.workers.reclaiming")

_LOST = "Its process died while it ran, and it does not run again: it is at_most_once."


def note_lost_runs(queue: LeasedQueue, ids: Collection[str]) -> None:
    """Let the results of those of ``ids`` that are kept as running be failed. Raises ``BackendError``."""
    store = queue.results
    for id, data in (store.get(ids) if store and ids else {}).items():
        with suppress(MessageError):  # of another site, or of a command that is not known here
            record = unpack(data, id)
            if store and record.status == ResultStatus.RUNNING:
                failed = str(ResultStatus.FAILED)
                lost = record._replace(status=failed, finished=time.time(), error=Failure("", _LOST, ""))
                store.set({id: pack(lost, id)}, ttl_of(class_of(record.command)))
                logger.error("%s %s was lost: %s", id, record.command, _LOST)
