"""Reading waiting messages without taking them, for each kind of backend."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any, NamedTuple

from djutils.queue import codec
from djutils.queue.backends.base import BaseQueue, new_owner
from djutils.queue.exceptions import MessageError, QueueException

_READY, _DELAYED = 0, 1
_WAITING = ("ready", "delayed", "waiting")
_ALL = 10_000


class Waiting(NamedTuple):
    """One message that waits."""

    id: str
    data: bytes
    due: float | None = None
    """When it is due, in seconds since the epoch; None: now."""
    attempts: int = 0
    """Runs that failed."""


class View:
    """One queue, as a test sees it; this class is for an unknown backend with leases."""

    def __init__(self, queue: Any) -> None:
        self.queue = queue

    def waiting(self) -> list[Waiting]:
        """Return waiting messages in any order; raise ``QueueException`` if they cannot be seen."""
        if self.queue.stats().delayed:
            raise QueueException(
                f"{type(self.queue).__name__} does not show delayed messages; nothing was changed. Test this with "
                f"MemoryQueue or DatabaseQueue."
            )
        owner = new_owner()
        self.queue.enroll(owner)
        try:
            lent = self.queue.receive(owner, _ALL).deliveries
        finally:
            self.queue.reap(owner, running={})
        return [Waiting(one.id, one.data, None, one.attempts) for one in lent]

    def hasten(self, ids: Collection[str]) -> None:
        """Make those of ``ids`` that are delayed due now."""
        raise QueueException(
            f"{type(self.queue).__name__} cannot make a delayed message due; nothing was changed. Test this with "
            f"MemoryQueue or DatabaseQueue."
        )


class _Seen(View):
    """A backend that can show every message."""

    def waiting(self) -> list[Waiting]:
        states = [state for state in _WAITING if state in self.queue.states]
        found = [one for state in states for one in self.queue.peek(state, count=_ALL, data=True)]
        names = {one.lane for one in found if one.state == "waiting"}
        opens = {lane.name: lane.opens for lane in self.queue.lanes(count=_ALL)} if names else {}
        dues = [one.due or opens.get(one.lane) for one in found]
        return [
            Waiting(one.id, one.data, due and due.timestamp(), one.attempts)
            for one, due in zip(found, dues, strict=True)
        ]


class _Memory(_Seen):
    def hasten(self, ids: Collection[str]) -> None:
        shared = self.queue._shared
        with shared.changed:
            for id in ids:
                one = shared.entries[id]
                one.due = time.monotonic()
                if one.lane:
                    shared.lanes[one.lane].admitted = 0.0
            self.queue.sweep_lanes()


class _Database(_Seen):
    def hasten(self, ids: Collection[str]) -> None:
        with self.queue._database():
            self.queue._messages(_DELAYED).filter(message_id__in=ids).update(state=_READY, due=None)
            entries = self.queue._own_entries().filter(message_id__in=ids)
            lanes = [*entries.values_list("lane", flat=True)]
            if lanes:
                entries.filter(due__isnull=False).update(due=0)
                rows = self.queue._lane_rows().filter(queue=self.queue.name, name__in=lanes)
                rows.update(admitted=0, opens=None)
                self.queue.sweep_lanes()


class _Redis(_Seen):
    def hasten(self, ids: Collection[str]) -> None:
        for id in ids:
            for key in ("delayed", "lanes:later"):
                self.queue._call("ZADD", key, "XX", 0, id)
        self.queue.sweep_lanes()


class _FourMethods(View):
    """Reads every message and writes it back: four methods cannot look without reading."""

    def waiting(self) -> list[Waiting]:
        return [self._read(data) for data in self._around(())]

    def hasten(self, ids: Collection[str]) -> None:
        self._around(ids)

    def _around(self, hastened: Collection[str]) -> list[bytes]:
        seen = []
        for _ in range(len(self.queue)):
            if (data := self.queue.read()) is None:
                break
            if codec.message_id(data) in hastened:
                data = codec.encode(codec.decode(data, self.queue.name)._replace(eta=None))
            seen.append(data)
            self.queue.write(data)
        return seen

    def _read(self, data: bytes) -> Waiting:
        try:
            message = codec.decode(data, self.queue.name)
        except MessageError:
            return Waiting(codec.message_id(data) or "", data)
        due = message.eta if message.eta and message.eta > time.time() else None
        return Waiting(message.id, data, due, message.attempt - 1)


_BACKENDS = "djutils.queue.backends"
# By name, so that a project's tests do not import backends that it does not use.
_VIEWS: dict[str, type[View]] = {
    f"{_BACKENDS}.memory.MemoryQueue": _Memory,
    f"{_BACKENDS}.database.DatabaseQueue": _Database,
    f"{_BACKENDS}.redis_backend.RedisQueue": _Redis,
    f"{_BACKENDS}.leased.LeasedQueue": View,
}


def view_of(queue: BaseQueue) -> View:
    """Return how a test sees ``queue``."""
    for base in type(queue).__mro__:
        if view := _VIEWS.get(f"{base.__module__}.{base.__qualname__}"):
            return view(queue)
    return _FourMethods(queue)
