"""Backends that define only what they must; the rest is what ``LeasedQueue`` makes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.exceptions import BackendUnavailable
from djutils.queue.message import Envelope
from djutils.queue.stores.base import Store

MANDATORY = (
    *("send", "enroll", "receive", "release", "retry", "reject", "adopt", "beat", "owners", "reap"),
    *("flush", "stats", "dead_letters", "replay", "discard"),
)


class MandatoryQueue(LeasedQueue):
    """What it must define, on messages in memory."""

    def __init__(self, name: str, connection: str = "mandatory") -> None:
        super().__init__(name, connection)
        self.inner = MemoryQueue(name, connection)


def _delegated(method: str) -> Callable[..., Any]:
    return lambda self, *args, **options: getattr(self.inner, method)(*args, **options)


for _method in MANDATORY:
    setattr(MandatoryQueue, _method, _delegated(_method))


class MandatoryQueueWithStore(MandatoryQueue):
    """The same beside a store."""

    @property
    def store(self) -> Store:
        return self.inner.store


class Dying(MandatoryQueueWithStore):
    """Belongs to a process that dies before it can send."""

    def send(self, envelopes: Sequence[Envelope]) -> None:
        raise BackendUnavailable("This process is gone.")
