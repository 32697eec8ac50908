"""What all runners share: a buffer of messages, and how one command is run."""

from __future__ import annotations

import logging
import os
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any, NamedTuple

from djutils.queue.executor import Executor
from djutils.queue.message import Action, Delivery, Outcome, make

from .board import Board, Slot

logger = logging.getLogger("djutils.queue.workers.runner")


class Finished(NamedTuple):
    """A delivery that was run, and its outcome."""

    channel: int
    delivery: Delivery
    outcome: Outcome
    slot: Slot
    """Its record on the board, to be cleared when the outcome is settled."""


ACK, FINISH = Action.ACK, Action.FINISH
"""Python 3.11 takes a quarter of a microsecond to look a member up in its Enum, and these are needed for every command."""

Waiting = tuple[int, Delivery]
"""The number of a channel and a delivery from it."""

Taken = tuple[int, Waiting, float]
"""The recall word that must be unchanged when it begins, the delivery that was taken, and when."""

WEIGHT = 0.1
"""The weight of the last command in the moving average ``cost``."""
_AFTER_A_FAULT = 30.0
_TO_BEGIN = 0.2


class Runner(ABC):
    """Runs deliveries, at most ``count`` at a time, and leaves the outcomes in ``finished``."""

    here = False
    """Whether it runs commands in the pump's own thread, when ``run()`` is called."""
    batches = 2
    """How many messages to buffer: while one runs, the next is fetched."""
    duty: AbstractContextManager[Any] = nullcontext()
    """Held by the thread that does the pump's duties."""

    def __init__(self, count: int, executors: Sequence[Executor], board: Board) -> None:
        self.count = count
        self.buffer: deque[Waiting] = deque()
        self.finished: deque[Finished] = deque()
        self.returned: deque[Waiting] = deque()
        """Deliveries that were about to begin when they were recalled."""
        self.low = count
        """The number left in the buffer at which the pump is woken to fetch more."""
        self.cost = 0.01
        """A moving average of the seconds that one command takes."""
        self.share = 1.0
        """Which part of the messages that are lent to this process are for this side."""
        self.moved_at = time.monotonic()
        """When a message last left the buffer; if that is long ago and it is not empty, all threads are stuck."""
        self._fresh_until = float("inf")
        self._asked_long = False
        self._executors = executors
        self._free = board.free
        self._recall_word = board.recall_word
        self._accepted = board.word
        self._is_ours = True

    @property
    @abstractmethod
    def idle(self) -> int:
        """How many more commands could run at this moment."""

    @property
    def sides(self) -> Sequence[Runner]:
        """The runners it consists of, each with its own buffer."""
        return (self,)

    @property
    def waiting(self) -> int:
        """How many messages have not begun."""
        return len(self.buffer)

    @property
    def least(self) -> int:
        """How many messages to hold in any case, even if commands take so long that none of them begins soon."""
        return self.count

    @property
    def busy(self) -> bool:
        """Whether anything is running or waiting to run."""
        return bool(self.buffer) or self.idle < self.count

    @property
    def room(self) -> int:
        """How many more messages may be put here: each needs a slot on the board before it begins."""
        return len(self._free) - self.waiting

    @property
    def alive(self) -> bool:
        """Whether all threads that should run commands are alive."""
        return True

    @property
    def stale(self) -> bool:
        """Whether the buffer contains messages that others may have by now. Then nothing begins."""
        return bool(self.buffer) and time.monotonic() > self._fresh_until

    @property
    def recalled(self) -> bool:
        """Whether the maintainer recalls waiting messages. Then nothing begins until ``accept()``."""
        return self._recall_word[0] != self._accepted

    def is_stuck(self, after: float) -> bool:
        """Return whether messages have waited ``after`` seconds behind commands of which none has ended."""
        return bool(self.buffer) and not self.idle and time.monotonic() - self.moved_at > after

    def accept(self, word: int) -> None:
        """Continue: everything that the maintainer recalled while the board had ``word`` is gone."""
        self._accepted = word

    def take_finished(self) -> list[Finished]:
        """Return the deliveries that have ended since the last call."""
        return [self.finished.popleft() for _ in range(len(self.finished))]

    def take_returned(self) -> list[Waiting]:
        """Return the deliveries that were recalled when they were about to begin; they will not begin."""
        return [self.returned.popleft() for _ in range(len(self.returned))]

    def trust(self, asked_at: float, seconds: float) -> None:
        """Trust the messages in the buffer for ``seconds`` from ``asked_at``, when the backend confirmed them.

        If the reply alone took that long, the process may have been frozen: the pump asks again.
        If that takes as long, the network is slow, and there must be some time to begin something.
        """
        now = time.monotonic()
        asked_long, self._asked_long = self._asked_long, now - asked_at > seconds
        self._refresh(max(asked_at + seconds, now + _TO_BEGIN if asked_long else 0.0))

    def _refresh(self, until: float) -> None:
        self._fresh_until = until

    def disown(self) -> None:
        """Keep a child that a command has forked from continuing with our work."""
        self._is_ours = False

    def start(self) -> None:  # noqa: B027  (most need nothing)
        """Prepare to run."""

    def put(self, waiting: Sequence[Waiting]) -> None:
        """Hand over deliveries, to begin in this order."""
        if not self.buffer:
            self.moved_at = time.monotonic()
        self.buffer.extend(waiting)

    def run(self, stopping: threading.Event) -> None:  # noqa: B027
        """Run the messages in the buffer, unless other threads do so anyway."""

    def take_back(self) -> list[Waiting]:
        """Return the deliveries that have not begun; they will not begin."""
        taken: list[Waiting] = []
        with suppress(IndexError):  # a thread may take a message at the same time
            while True:
                taken.append(self.buffer.popleft())
        return taken

    def close(self) -> None:  # noqa: B027
        """Note that ``put`` will not be called again."""

    def _run(self, accepted: int, waiting: Waiting, now: float) -> Outcome | None:
        """Run one delivery in the calling thread; return None if it was recalled."""
        slot = self._begin(accepted, waiting, now)
        if slot is None:
            return None
        channel, delivery = waiting
        try:
            outcome = self._executors[channel].execute(delivery, slot)
        except BaseException as error:  # noqa: BLE001  (what a command raises never gets here)
            outcome = self._after_a_fault(delivery, error)
        self._end(slot, waiting, outcome)
        return outcome

    def _take(self) -> Taken | None:
        accepted, now = self._accepted, time.monotonic()
        # A process that was frozen, perhaps with its machine, does not know for how long.
        if now > self._fresh_until:
            return None
        try:
            return accepted, self.buffer.popleft(), now
        except IndexError:
            return None

    def _begin(self, accepted: int, waiting: Waiting, now: float) -> Slot | None:
        """Record on the board that a delivery begins; return None if it was recalled.

        ``accepted`` is the recall word that was read before ``waiting`` was taken; it must not have changed.
        """
        channel, delivery = waiting
        self.moved_at = now
        slot = self._free.pop()
        slot.start(channel, delivery.id, now)
        # In this order: the maintainer sets the word first and then reads what is running. A message that
        # was taken before a recall that is over by now may be running elsewhere.
        if self._recall_word[0] != accepted:
            slot.clear()
            self.returned.append(waiting)
            return None
        return slot

    def _after_a_fault(self, delivery: Delivery, error: BaseException) -> Outcome:
        """Return the outcome after ``error``, which is one in djutils or in the settings."""
        logger.error("%s could not be run; released for %.0f s.", delivery.id, _AFTER_A_FAULT, exc_info=error)
        return Outcome(Action.RELEASE, delay=_AFTER_A_FAULT)

    def _can_wait(self, outcome: Outcome) -> bool:
        """Return whether ``outcome`` can be settled together with later ones."""
        return outcome.action is ACK or outcome.action is FINISH

    def _end(self, slot: Slot, waiting: Waiting, outcome: Outcome) -> None:
        """Record that a run has ended, and leave its outcome for the pump."""
        channel, delivery = waiting
        if not self._is_ours:
            os._exit(0)  # a child that the command forked and that returned here: the work is not its own
        # On the board first: if this process dies before the ack, the maintainer acks for it.
        slot.finish(outcome.action is ACK)
        self.finished.append(make(Finished, (channel, delivery, outcome, slot)))
