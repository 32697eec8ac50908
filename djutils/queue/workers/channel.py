"""How a worker uses a queue: with leases if the backend has them, by popping messages if not."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import assert_never

from djutils.queue import codec
from djutils.queue.backends.base import BaseQueue, LeasedQueue
from djutils.queue.exceptions import BackendError, BackendUnavailable, MessageError
from djutils.queue.message import Action, DeadLetter, Delivery, Outcome, Rejection, Retrial, new_id

from .border import border
from .options import nothing
from .texts import reap

logger = logging.getLogger("djutils.queue.workers.channel")

Settled = tuple[Delivery, Outcome]


class Channel(ABC):
    """Receives from one queue and settles the outcomes."""

    guarantee: str
    """What is guaranteed when a worker is killed."""
    prefetches = True
    """Whether more messages may be received than there are idle threads."""
    leased = False
    """Whether received messages may be taken back by others."""

    def __init__(self, queue: BaseQueue, heard: Callable[[], object] = nothing) -> None:
        self.border = border(queue, heard)
        """The context in which every call of the backend is made."""
        self.name = queue.name
        self.place = (type(queue), queue.connection)
        """Where the queue is: equal for queues in the same place."""
        self.blocking = queue.blocking
        self.batch = queue.batch

    @abstractmethod
    def open(self) -> None:
        """Prepare, in the thread that will use this; raises ``BackendError``."""

    @abstractmethod
    def join(self) -> None:
        """Prepare again: after ``disconnect()``, or in another thread for the same owner."""

    @abstractmethod
    def receive(self, count: int, done: Collection[str], wait: float) -> list[Delivery]:
        """Ack ``done`` and return up to ``count`` deliveries, waiting up to ``wait`` seconds."""

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

    guarantee = "at least once"
    leased = True

    def __init__(self, queue: LeasedQueue, owner: int, heard: Callable[[], object] = nothing) -> None:
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
        by_action: dict[Action, list[Settled]] = {}
        for one in settled:
            by_action.setdefault(one[1].action, []).append(one)
        for action, group in by_action.items():
            self._settle_all(action, group)
        settled.clear()

    def _settle_all(self, action: Action, group: Sequence[Settled]) -> None:
        """Carry out outcomes that all have the same ``action``."""
        ids = [delivery.id for delivery, _ in group]
        queue, owner = self._queue, self._owner
        match action:
            case Action.ACK | Action.DROP:
                self._settle(ids, partial(queue.ack, owner, ids), action.value)
            case Action.RELEASE:
                self._release(group)
            case Action.RETRY:
                retrials = [Retrial(one.id, told.delay, told.error, told.charge) for one, told in group]
                self._settle(ids, partial(queue.retry, owner, retrials), "failed")
            case Action.REJECT:
                rejections = [Rejection(one.id, told.error, told.charge) for one, told in group]
                self._settle(ids, partial(queue.reject, owner, rejections), "failed")
            case Action.SETTLED:
                pass
            case _:
                assert_never(action)

    def _release(self, group: Sequence[Settled]) -> None:
        by_delay: dict[float, list[str]] = {}
        for delivery, outcome in group:
            by_delay.setdefault(outcome.delay, []).append(delivery.id)
        for delay, ids in by_delay.items():
            # Others may take back messages that have not begun: that need not be logged.
            self._settle(ids, partial(self._queue.release, self._owner, ids, delay), "")

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


class PopChannel(Channel):
    """At most once under a kill: reading removes the message, so a killed worker loses it.

    Retries and delays are written again with the attempt and the due time in the message.
    """

    prefetches = False
    guarantee = "at most once under a kill: a killed worker loses the messages it was running"

    def __init__(self, queue: BaseQueue, heard: Callable[[], object] = nothing) -> None:
        super().__init__(queue, heard)
        self.blocking = False
        self._queue = queue

    def open(self) -> None:
        with self.border:
            len(self._queue)

    def join(self) -> None:
        """Do nothing."""

    def receive(self, count: int, done: Collection[str], wait: float) -> list[Delivery]:
        """As ``Channel.receive``; messages that are not due go to the end of the queue, once around."""
        deliveries: list[Delivery] = []
        first_early = b""
        try:
            for _ in range(max(count, self.batch)):
                if len(deliveries) >= count or (data := self._read()) is None:
                    break
                deliveries.append(Delivery(new_id(), data))
                if not self._is_early(data):
                    continue
                self._write(data)
                deliveries.pop()
                if data == first_early:
                    break
                first_early = first_early or data
        except BackendUnavailable:
            # The messages read so far exist only here: they must run. The next read meets the outage again.
            if not deliveries:
                raise
        return deliveries

    def _read(self) -> bytes | None:
        with self.border:
            return self._queue.read()

    def _write(self, data: bytes) -> None:
        with self.border:
            self._queue.write(data)

    def _is_early(self, data: bytes) -> bool:
        try:
            eta = codec.decode(data, self.name).eta
        except MessageError:
            return False
        return eta is not None and eta > time.time()

    def settle(self, settled: list[Settled]) -> None:
        while settled:
            self._carry_out(*settled[0])
            settled.pop(0)

    def _carry_out(self, delivery: Delivery, outcome: Outcome) -> None:
        match outcome.action:
            case Action.RELEASE:
                self._write(self._later(delivery.data, outcome.delay) if outcome.delay else delivery.data)
            case Action.RETRY:
                self._write(self._again(delivery, outcome))
            case Action.REJECT:
                with self.border:
                    self._queue.bury(self._letter(delivery, outcome))
            case Action.ACK | Action.DROP | Action.SETTLED:
                pass  # reading removed it
            case _:
                assert_never(outcome.action)

    def adopt(self, known: Collection[str]) -> list[Delivery]:
        return []

    def probe(self) -> None:
        with self.border:
            len(self._queue)

    def disconnect(self) -> None:
        """Do nothing: the four methods connect as they like."""

    def close(self, refused: Mapping[str, str]) -> None:
        """Log what is lost: it exists only in this process."""
        for id, why in refused.items():
            logger.error("%s is lost: the queue accepted it neither back nor as a dead letter (%s).", id, why)

    def _later(self, data: bytes, delay: float) -> bytes:
        try:
            return codec.postpone(data, self.name, delay)
        except MessageError:  # what cannot be read has nowhere to write the moment either
            return data

    def _again(self, delivery: Delivery, outcome: Outcome) -> bytes:
        message = codec.decode(delivery.data, self.name)
        eta = time.time() + outcome.delay if outcome.delay else None
        return codec.encode(message._replace(attempt=message.attempt + 1, eta=eta))

    def _letter(self, delivery: Delivery, outcome: Outcome) -> DeadLetter:
        id, data, attempts = delivery.id, delivery.data, 0
        with suppress(MessageError):
            message = codec.decode(data, self.name)
            id, attempts = message.id, message.attempt - (not outcome.charge)
            # When replayed, it starts again with the first attempt.
            data = codec.encode(message._replace(attempt=1, eta=None))
        return DeadLetter(id, data, outcome.error, datetime.now(UTC), attempts)


def make_channel(queue: BaseQueue, owner: int, heard: Callable[[], object] = nothing) -> Channel:
    """Return the right channel for ``queue``; ``heard`` is called whenever the backend has replied."""
    if isinstance(queue, LeasedQueue):
        return LeasedChannel(queue, owner, heard)
    return PopChannel(queue, heard)
