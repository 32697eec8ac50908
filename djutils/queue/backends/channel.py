"""How a worker uses a queue, and how it uses one with leases.

A queue makes the channel it is read through: ``queue.channel(owner)``. So this module knows a queue only by the
methods that it calls.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Protocol, assert_never

from djutils.queue.exceptions import BackendError
from djutils.queue.message import UNCOUNTED, Action, Batch, Delivery, Outcome, Rejection, Retrial
from djutils.queue.stores.base import Store

from .border import border, nothing
from .texts import Reapable, reap

logger = logging.getLogger("djutils.queue.backends.channel")

Settled = tuple[Delivery, Outcome]


class Source(Protocol):
    """What every channel reads of its queue."""

    name: str
    connection: str
    batch: int
    put_aside_for: float

    @property
    def blocking(self) -> bool: ...


class Settler(Protocol):
    """The methods that settle messages of which nothing is kept."""

    def ack(self, owner: int, ids: Collection[str]) -> set[str]: ...
    def release(self, owner: int, ids: Collection[str], delay: float = 0.0) -> set[str]: ...
    def retry(self, owner: int, retrials: Sequence[Retrial]) -> set[str]: ...
    def reject(self, owner: int, rejections: Sequence[Rejection]) -> set[str]: ...


class Lender(Source, Reapable, Settler, Protocol):
    """What a ``LeasedChannel`` calls: methods of a ``LeasedQueue``."""

    beside: Sequence[str]

    @property
    def results(self) -> Store | None: ...

    def open(self) -> None: ...
    def close(self) -> None: ...
    def enroll(self, owner: int) -> None: ...
    def receive(self, owner: int, count: int, done: Collection[str] = (), wait: float = 0.0) -> Batch: ...
    def prefetch(self, owner: int, count: int, done: Collection[str] = ()) -> Callable[[], Batch] | None: ...
    def finish(self, owner: int, records: Mapping[str, bytes], ttl: float) -> set[str]: ...
    def adopt(self, owner: int, known: Collection[str]) -> list[Delivery]: ...
    def held(self, owner: int, ids: Collection[str]) -> set[str]: ...
    def settle_in_lanes(
        self,
        owner: int,
        done: Collection[str] = (),
        retrials: Sequence[Retrial] = (),
        rejections: Sequence[Rejection] = (),
    ) -> set[str]: ...
    def admit(self, names: Collection[str]) -> int: ...


class _InLanes:
    """Settles messages that are in lanes, each of which then admits another one in its place."""

    def __init__(self, queue: Lender) -> None:
        self._queue = queue

    def ack(self, owner: int, ids: Collection[str]) -> set[str]:
        return self._queue.settle_in_lanes(owner, ids)

    def release(self, owner: int, ids: Collection[str], delay: float = 0.0) -> set[str]:
        if not delay:
            return self._queue.release(owner, ids)
        # What is postponed waits as what is retried does: it may give up its place, and is not charged.
        return self._queue.settle_in_lanes(owner, retrials=[Retrial(id, delay, "", 0) for id in ids])

    def retry(self, owner: int, retrials: Sequence[Retrial]) -> set[str]:
        return self._queue.settle_in_lanes(owner, retrials=retrials)

    def reject(self, owner: int, rejections: Sequence[Rejection]) -> set[str]:
        return self._queue.settle_in_lanes(owner, rejections=rejections)


class Channel(ABC):
    """Receives from one queue and settles the outcomes."""

    prefetches = True
    """Whether more messages may be received than there are idle threads."""
    leased = False
    """Whether received messages may be taken back by others."""

    def __init__(self, queue: Source, heard: Callable[[], object] = nothing) -> None:
        self.border = border(queue, heard)
        """The context in which every call of the backend is made."""
        self.name = queue.name
        self.place = (type(queue), queue.connection)
        """Where the queue is: equal for queues in the same place."""
        self.blocking = queue.blocking
        self.batch = queue.batch
        self.put_aside_for = queue.put_aside_for

    @abstractmethod
    def open(self) -> None:
        """Prepare, in the thread that will use this; raises ``BackendError``."""

    @abstractmethod
    def join(self) -> None:
        """Prepare again: after ``disconnect()``, or in another thread for the same owner."""

    @abstractmethod
    def receive(self, count: int, done: Collection[str], wait: float) -> list[Delivery]:
        """Ack ``done`` and return up to ``count`` deliveries, waiting up to ``wait`` seconds."""

    def wait_beside(self, names: Sequence[str]) -> None:  # noqa: B027  (what does not wait has nothing to do)
        """Let ``receive`` stop waiting when one of the queues ``names``, in the same place, gets a message; no others."""

    def prefetch(self, count: int, done: Collection[str]) -> Callable[[], list[Delivery]] | None:
        """Start a ``receive`` and return a function that waits for it; None where this is not supported.

        The function must be called before any other method, in any thread.
        """
        return None

    @abstractmethod
    def settle(self, settled: list[Settled]) -> None:
        """Carry out outcomes; each is removed from the list when the backend has it."""

    @abstractmethod
    def adopt(self, known: Collection[str]) -> list[Delivery]:
        """Return messages that were lent in a reply that was lost."""

    @abstractmethod
    def probe(self) -> None:
        """Send the store a query that changes nothing; raise ``BackendError`` if it does not respond."""

    @abstractmethod
    def disconnect(self) -> None:
        """Close the connection, so that the next call opens a new one, to wherever the store is by then."""

    @abstractmethod
    def close(self, refused: Mapping[str, str]) -> None:
        """Leave: give back everything still held; ``refused`` (id -> why) is charged with a crash."""


class LeasedChannel(Channel):
    """At least once: a message that is not settled goes to another worker."""

    leased = True

    def __init__(self, queue: Lender, owner: int, heard: Callable[[], object] = nothing) -> None:
        super().__init__(queue, heard)
        self._queue = queue
        self._owner = owner
        self._doubtful: set[str] = set()
        self._is_open = False

    def open(self) -> None:
        self.join()
        with self.border:
            self._queue.enroll(self._owner)

    def join(self) -> None:
        # Not enrolled again: an owner that was removed must find out.
        if not self._is_open:
            with self.border:
                self._queue.open()
            self._is_open = True

    def wait_beside(self, names: Sequence[str]) -> None:
        self._queue.beside = names

    def receive(self, count: int, done: Collection[str], wait: float) -> list[Delivery]:
        with self._doubting(done):
            batch = self._queue.receive(self._owner, count, done, wait)
        self._tell(done, batch.late, "succeeded")
        return batch.deliveries

    def prefetch(self, count: int, done: Collection[str]) -> Callable[[], list[Delivery]] | None:
        with self._doubting(done):
            pending = self._queue.prefetch(self._owner, count, done)
        if pending is None:
            return None

        def answer() -> list[Delivery]:
            with self._doubting(done):
                batch = pending()
            self._tell(done, batch.late, "succeeded")
            return batch.deliveries

        return answer

    def settle(self, settled: list[Settled]) -> None:
        by_action: dict[tuple[Action, bool], list[Settled]] = {}
        for one in settled:
            by_action.setdefault((one[1].action, one[1].lane != ""), []).append(one)
        for (action, in_lanes), group in by_action.items():
            self._settle_all(action, in_lanes, group)
        settled.clear()

    def _settle_all(self, action: Action, in_lanes: bool, group: Sequence[Settled]) -> None:
        """Carry out outcomes that all have the same ``action``, of messages that are all in lanes or none of them."""
        ids = [delivery.id for delivery, _ in group]
        queue, owner = self._queue, self._owner
        by = _InLanes(queue) if in_lanes else queue
        match action:
            case Action.ACK | Action.DROP | Action.FINISH:
                for ttl, records in _by_ttl(group):
                    self._settle(records, partial(queue.finish, owner, records, ttl), action.value)
                if bare := [delivery.id for delivery, told in group if told.kept is None]:
                    self._settle(bare, partial(by.ack, owner, bare), action.value)
            case Action.RELEASE:
                self._release(group, by)
            case Action.RETRY:
                self._keep(group, ids)
                retrials = [Retrial(one.id, told.delay, told.error, told.charge) for one, told in group]
                self._settle(ids, partial(by.retry, owner, retrials), "failed")
            case Action.ASIDE:
                put_aside = [Retrial(one.id, told.delay, told.error, UNCOUNTED) for one, told in group]
                self._settle(ids, partial(by.retry, owner, put_aside), "")
            case Action.REJECT:
                self._keep(group, self._held([one.id for one, told in group if told.kept]))
                rejections = [Rejection(one.id, told.error, told.charge) for one, told in group]
                self._settle(ids, partial(by.reject, owner, rejections), "failed")
            case Action.SETTLED:
                self._keep(group, ids)
            case _:
                assert_never(action)
        if in_lanes:
            self._admit({told.lane for _, told in group if told.kept is not None or action is Action.SETTLED})

    def _admit(self, lanes: Collection[str]) -> None:
        """Admit others to ``lanes``, in which messages have ended without ``settle_in_lanes``."""
        if lanes:
            # What ended has ended; a sweep admits them within a second.
            with suppress(BackendError), self.border:
                self._queue.admit(lanes)

    def _keep(self, group: Sequence[Settled], ids: Collection[str]) -> None:
        """Keep what is known of failed runs of ``ids``, before they are settled: it counts from then on."""
        if (store := self._queue.results) is not None:
            for ttl, records in _by_ttl([one for one in group if one[0].id in ids]):
                with self.border:
                    store.set(records, ttl)

    def _held(self, ids: Collection[str]) -> set[str]:
        """Return which of ``ids`` are still ours: the run of another worker may have ended the others, and its record stays."""
        if not ids:
            return set()
        with self.border:
            return self._queue.held(self._owner, ids)

    def _release(self, group: Sequence[Settled], by: Settler) -> None:
        by_delay: dict[float, list[str]] = {}
        for delivery, outcome in group:
            by_delay.setdefault(outcome.delay, []).append(delivery.id)
        for delay, ids in by_delay.items():
            # Others may take back messages that have not begun: that need not be logged.
            self._settle(ids, partial(by.release, self._owner, ids, delay), "")

    def adopt(self, known: Collection[str]) -> list[Delivery]:
        with self.border:
            return self._queue.adopt(self._owner, known)

    def probe(self) -> None:
        with self.border:
            self._queue.owners()

    def disconnect(self) -> None:
        self._is_open = False
        with suppress(Exception):  # the connection is given up, whatever the error
            self._queue.close()

    def close(self, refused: Mapping[str, str]) -> None:
        reap(self._queue, self._owner, refused)
        self.disconnect()

    def _settle(self, ids: Collection[str], call: Callable[[], set[str]], what: str) -> None:
        with self._doubting(ids):
            ours = call()
        self._tell(ids, set(ids) - ours, what)

    @contextmanager
    def _doubting(self, ids: Collection[str]) -> Iterator[None]:
        """Remember ``ids`` if the call fails: they may have been settled, and would then be reported as late."""
        try:
            with self.border:
                yield
        except BackendError:
            self._doubtful.update(ids)
            raise

    def _tell(self, ids: Collection[str], late: Collection[str], what: str) -> None:
        for id in set(late) - self._doubtful if what else ():
            logger.warning("%s %s here, but had already been taken back: it may run again.", id, what)
        self._doubtful.difference_update(ids)


def _by_ttl(group: Sequence[Settled]) -> Iterable[tuple[float, dict[str, bytes]]]:
    """Return what is to be kept of ``group``, in parts that are kept equally long."""
    parts: dict[float, dict[str, bytes]] = {}
    for _, outcome in group:
        if outcome.kept is not None:
            parts.setdefault(outcome.kept.ttl, {}).update(outcome.kept.values)
    return parts.items()
