"""Who works on a queue: what each worker process says of itself with every beat, as its consumer publishes it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple

from .backends.base import BaseQueue
from .reading import running_key


class LongRun(NamedTuple):
    """A command that has been running for longer than a second."""

    id: str
    since: datetime
    """An aware moment in UTC."""


class Presence(NamedTuple):
    """One worker process that is registered for a queue."""

    owner: int
    """The name under which messages are lent to it."""
    is_present: bool
    """Whether its consumer has published it within the lease. Otherwise it is gone, frozen, or of an older release."""
    host: str = ""
    pid: int = 0
    consumer: int = 0
    """The process id of its consumer."""
    since: datetime | None = None
    version: str = ""
    """Of djutils, Django and Python."""
    queues: tuple[str, ...] = ()
    threads: int = 0
    coroutines: int = 0
    memory: int | None = None
    """Resident memory in MiB; None if that is not known."""
    running: tuple[LongRun, ...] = ()
    """What it runs, as far as that has lasted for a second."""


def presence_key(owner: int) -> str:
    """Return the key under which a consumer publishes the worker process ``owner``."""
    return f"worker {owner}"


def presented(facts: Mapping[str, Any]) -> bytes:
    """Return what a consumer publishes: the fields of ``Presence`` by name, with ``since`` in seconds since the epoch."""
    return json.dumps(facts).encode()


def workers_of(queue: BaseQueue) -> list[Presence] | None:
    """Return the worker processes that are registered for ``queue``, those of one consumer together.

    None if the backend registers none, so that nothing is known. Raises ``BackendError``.
    """
    store = queue.store
    if not queue.supports_leases or store is None:
        return None
    owners = [*queue.owners()]
    kept = store.get([key for owner in owners for key in (presence_key(owner), running_key(owner))])
    found = [
        _read(owner, kept.get(presence_key(owner)), kept.get(running_key(owner), b"")) for owner in owners
    ]
    return sorted(found, key=lambda one: (not one.is_present, one.host, one.consumer, one.pid, one.owner))


def _read(owner: int, value: bytes | None, running: bytes) -> Presence:
    """Return a worker from what was published; what another program has damaged is left out."""
    if value is None:
        return Presence(owner, is_present=False)
    with suppress(ValueError, TypeError, KeyError, AttributeError):
        told = json.loads(value)
        since = datetime.fromtimestamp(told.pop("since"), UTC)
        queues = tuple(told.pop("queues"))
        return Presence(owner, True, since=since, queues=queues, running=tuple(_runs(running)), **told)
    return Presence(owner, is_present=True)


def _runs(value: bytes) -> Iterable[LongRun]:
    with suppress(ValueError, TypeError, AttributeError, OverflowError):
        _, told = json.loads(value or b'["", {}]')
        for id, (started, *_) in told.items():
            yield LongRun(str(id), datetime.fromtimestamp(started, UTC))
