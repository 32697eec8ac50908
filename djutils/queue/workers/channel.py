"""How a worker sees a queue: lent messages if the backend can lend, popped ones if it cannot."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial

from djutils.queue import codec
from djutils.queue.backends.base import BaseQueue, LeasedQueue
from djutils.queue.exceptions import BackendUnavailable, MessageError, QueueException
from djutils.queue.message import Action, DeadLetter, Delivery, Outcome, Rejection, Retrial, new_id

logger = logging.getLogger("djutils.queue.workers.channel")

Settled = tuple[Delivery, Outcome]


@contextmanager
def border(queue: BaseQueue) -> Iterator[None]:
    """Somebody's own backend raises whatever its driver does: all of it is waited out."""
    try:
        yield
    except QueueException:
        raise
    except Exception as error:
        backend = type(queue).__name__
        raise BackendUnavailable(f"{backend} failed with {type(error).__name__}: {error}.") from error


class Channel(ABC):
    """Receives from one queue and settles what came of it."""

    guarantee: str
    """What holds when a worker is killed."""
    prefetches = True
    """May more be received than threads are idle?"""
    leased = False
    """May what was received be taken back?"""

    def __init__(self, queue: BaseQueue) -> None:
        self.name = queue.name
        self.blocking = queue.blocking
        self.batch = queue.batch

    @abstractmethod
    def open(self) -> None:
        """Get ready, in the thread that will use this; raises ``BackendError``."""

    @abstractmethod
    def join(self) -> None:
        """Get ready to help, in another thread, whoever has opened a channel for the same owner."""

    @abstractmethod
    def receive(self, count: int, done: Collection[str], wait: float) -> list[Delivery]:
        """Ack ``done`` and answer up to ``count`` deliveries, waiting up to ``wait`` seconds."""

    def ask(self, count: int, done: Collection[str]) -> Callable[[], list[Delivery]] | None:
        """Begin to ``receive``, and answer a function that waits for it; None where that is not possible.

        It must be called before anything else is asked, in whatever thread.
        """
        return None

    @abstractmethod
    def settle(self, settled: list[Settled]) -> None:
        """Carry out outcomes that are not acks; each leaves the list when the backend has it."""

    @abstractmethod
    def adopt(self, known: Collection[str]) -> list[Delivery]:
        """Answer what was received without our hearing of it."""

    @abstractmethod
    def close(self) -> None:
        """Leave: everything still held goes back."""


class LeasedChannel(Channel):
    """At least once: whatever is not settled goes to another worker."""

    guarantee = "at least once"
    leased = True

    def __init__(self, queue: LeasedQueue, owner: int) -> None:
        super().__init__(queue)
        self._queue = queue
        self._owner = owner
        self._doubtful: set[str] = set()

    def open(self) -> None:
        self._queue.open()
        self._queue.enroll(self._owner)

    def join(self) -> None:
        # Not enrolled again: an owner that was struck off must hear of it.
        self._queue.open()

    def receive(self, count: int, done: Collection[str], wait: float) -> list[Delivery]:
        with self._doubting(done):
            batch = self._queue.receive(self._owner, count, done, wait)
        self._tell(done, batch.late, "succeeded")
        return batch.deliveries

    def ask(self, count: int, done: Collection[str]) -> Callable[[], list[Delivery]] | None:
        with self._doubting(done):
            pending = self._queue.ask(self._owner, count, done)
        if pending is None:
            return None

        def answer() -> list[Delivery]:
            with self._doubting(done):
                batch = pending()
            self._tell(done, batch.late, "succeeded")
            return batch.deliveries

        return answer

    def settle(self, settled: list[Settled]) -> None:
        releases: dict[float, list[str]] = {}
        retrials, rejections = [], []
        for delivery, outcome in settled:
            match outcome.action:
                case Action.RELEASE:
                    releases.setdefault(outcome.delay, []).append(delivery.id)
                case Action.RETRY:
                    retrials.append(Retrial(delivery.id, outcome.delay, outcome.error, outcome.charge))
                case Action.REJECT:
                    rejections.append(Rejection(delivery.id, outcome.error, outcome.charge))
        for delay, ids in releases.items():
            self._settle(ids, partial(self._queue.release, self._owner, ids, delay), "postponed")
        if retrials:
            ids = [retrial.id for retrial in retrials]
            self._settle(ids, partial(self._queue.retry, self._owner, retrials), "failed")
        if rejections:
            ids = [rejection.id for rejection in rejections]
            self._settle(ids, partial(self._queue.reject, self._owner, rejections), "failed")
        settled.clear()

    def adopt(self, known: Collection[str]) -> list[Delivery]:
        return self._queue.adopt(self._owner, known)

    def close(self) -> None:
        self._queue.reap(self._owner, running={})
        self._queue.close()

    def _settle(self, ids: Collection[str], call: Callable[[], set[str]], what: str) -> None:
        with self._doubting(ids):
            ours = call()
        self._tell(ids, set(ids) - ours, what)

    @contextmanager
    def _doubting(self, ids: Collection[str]) -> Iterator[None]:
        """An outage leaves it open whether they were settled: when it is over they may look late."""
        try:
            yield
        except BackendUnavailable:
            self._doubtful.update(ids)
            raise

    def _tell(self, ids: Collection[str], late: Collection[str], what: str) -> None:
        for id in set(late) - self._doubtful:
            logger.warning("%s %s here, but was taken back before: it may run again.", id, what)
        self._doubtful.difference_update(ids)


class PopChannel(Channel):
    """At most once under a kill: reading takes the message away, so a killed worker loses it.

    Retries and delays are written again with the attempt and the due time in the message.
    """

    prefetches = False
    guarantee = "at most once under a kill: a killed worker loses the messages it was running"

    def __init__(self, queue: BaseQueue) -> None:
        super().__init__(queue)
        self.blocking = False
        self._queue = queue

    def open(self) -> None:
        with border(self._queue):
            len(self._queue)

    def join(self) -> None:
        """Nothing is needed."""

    def receive(self, count: int, done: Collection[str], wait: float) -> list[Delivery]:
        """As ``Channel.receive``; what is not yet due goes to the end of the queue, once around."""
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
            # What was read is in our hands only: it must run. The next look hears of the outage again.
            if not deliveries:
                raise
        return deliveries

    def _read(self) -> bytes | None:
        with border(self._queue):
            return self._queue.read()

    def _write(self, data: bytes) -> None:
        with border(self._queue):
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
                self._write(delivery.data)
            case Action.RETRY:
                self._write(self._again(delivery, outcome))
            case Action.REJECT:
                with border(self._queue):
                    self._queue.bury(self._letter(delivery, outcome))

    def adopt(self, known: Collection[str]) -> list[Delivery]:
        return []

    def close(self) -> None:
        """Nothing is held."""

    def _again(self, delivery: Delivery, outcome: Outcome) -> bytes:
        message = codec.decode(delivery.data, self.name)
        eta = time.time() + outcome.delay if outcome.delay else None
        return codec.encode(message._replace(attempt=message.attempt + 1, eta=eta))

    def _letter(self, delivery: Delivery, outcome: Outcome) -> DeadLetter:
        id, data, attempts = delivery.id, delivery.data, 0
        with suppress(MessageError):
            message = codec.decode(data, self.name)
            id, attempts = message.id, message.attempt - (not outcome.charge)
            # Replayed, it starts again from the first attempt.
            data = codec.encode(message._replace(attempt=1, eta=None))
        return DeadLetter(id, data, outcome.error, datetime.now(UTC), attempts)


def make_channel(queue: BaseQueue, owner: int) -> Channel:
    """Answer the channel that fits what ``queue`` can do."""
    if isinstance(queue, LeasedQueue):
        return LeasedChannel(queue, owner)
    return PopChannel(queue)
