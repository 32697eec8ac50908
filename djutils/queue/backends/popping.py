"""How a worker uses a queue of four methods: by popping messages, and writing those again that are to run again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Protocol, assert_never

from djutils.queue import codec
from djutils.queue.exceptions import BackendUnavailable, MessageError
from djutils.queue.ids import new_id
from djutils.queue.message import Action, DeadLetter, Delivery, Outcome

from .border import nothing
from .channel import Channel, Settled, Source

logger = logging.getLogger("djutils.queue.backends.channel")


class Popped(Source, Protocol):
    """What a ``PopChannel`` calls: the methods of a ``BaseQueue``."""

    def write(self, data: bytes) -> None: ...
    def read(self) -> bytes | None: ...
    def bury(self, letter: DeadLetter) -> None: ...
    def __len__(self) -> int: ...


class PopChannel(Channel):
    """At most once under a kill: reading removes the message, so a killed worker loses it.

    Retries and delays are written again with the attempt and the due time in the message.
    """

    prefetches = False

    def __init__(self, queue: Popped, heard: Callable[[], object] = nothing) -> None:
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
            case Action.RELEASE | Action.ASIDE:
                self._write(self._later(delivery.data, outcome.delay) if outcome.delay else delivery.data)
            case Action.RETRY:
                self._write(self._again(delivery, outcome))
            case Action.REJECT:
                with self.border:
                    self._queue.bury(self._letter(delivery, outcome))
            case Action.ACK | Action.FINISH | Action.DROP | Action.SETTLED:
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
