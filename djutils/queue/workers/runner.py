"""What every way of running has in common: a buffer to take from, and how one command is run."""

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

from .board import Board

logger = logging.getLogger("djutils.queue.workers.runner")


class Finished(NamedTuple):
    """What one thread made of one delivery."""

    thread: int
    channel: int
    delivery: Delivery
    outcome: Outcome


Waiting = tuple[int, Delivery]
"""A channel's number and what it received."""

WEIGHT = 0.1
"""Of the last command in the average of ``cost``."""
_AFTER_A_FAULT = 30.0
_TO_BEGIN = 0.2


class Runner(ABC):
    """Runs what is put, at most ``count`` at a time, and leaves what came of it in ``finished``."""

    here = False
    """Does it run in the pump's own thread, when ``run()`` is called?"""
    batches = 2
    """How many to have at hand: while one runs, the next is on its way."""
    duty: AbstractContextManager[Any] = nullcontext()
    """Held by whoever does the pump's duties."""

    def __init__(self, count: int, executors: Sequence[Executor], board: Board) -> None:
        self.count = count
        self.buffer: deque[Waiting] = deque()
        self.finished: deque[Finished] = deque()
        self.returned: deque[Waiting] = deque()
        """What was about to begin when it was recalled."""
        self.low = count
        """How many are left in the buffer when the pump is woken to bring more."""
        self.cost = 0.01
        """A moving average of the seconds one command takes."""
        self.moved_at = time.monotonic()
        """When the buffer last moved; if that is long ago and it is not empty, all are stuck."""
        self._fresh_until = float("inf")
        self._asked_long = False
        self._executors = executors
        self._pads = board.pads
        self._recall_word = board.recall_word
        self._accepted = board.word
        self._is_ours = True

    @property
    @abstractmethod
    def idle(self) -> int:
        """How many more could run at this moment."""

    @property
    def busy(self) -> bool:
        """Is anything running or waiting to run?"""
        return bool(self.buffer) or self.idle < self.count

    @property
    def alive(self) -> bool:
        """Is everyone there who should run commands?"""
        return True

    @property
    def stale(self) -> bool:
        """Is something in the buffer that others may have by now? Then nothing is begun."""
        return bool(self.buffer) and time.monotonic() > self._fresh_until

    @property
    def recalled(self) -> bool:
        """Does the maintainer recall what was not begun? Then nothing is begun until ``accept()``."""
        return self._recall_word[0] != self._accepted

    def accept(self, word: int) -> None:
        """Nothing is left of what the maintainer had recalled when the board said ``word``: go on."""
        self._accepted = word

    def take_finished(self) -> list[Finished]:
        """Return what has ended since this was last called."""
        return [self.finished.popleft() for _ in range(len(self.finished))]

    def take_returned(self) -> list[Waiting]:
        """Return what was about to begin when it was recalled; it will not be begun."""
        return [self.returned.popleft() for _ in range(len(self.returned))]

    def trust(self, asked_at: float, seconds: float) -> None:
        """What is in the buffer is ours for some ``seconds`` from ``asked_at``, when the backend said so.

        When the answer alone took that long, the process may have been frozen: the pump asks again.
        If that takes as long, it is the network, and there must be some time to begin something.
        """
        now = time.monotonic()
        asked_long, self._asked_long = self._asked_long, now - asked_at > seconds
        self._refresh(max(asked_at + seconds, now + _TO_BEGIN if asked_long else 0.0))

    def _refresh(self, until: float) -> None:
        self._fresh_until = until

    def disown(self) -> None:
        """In a child that a command forked: it must not go on with our work."""
        self._is_ours = False

    def start(self) -> None:  # noqa: B027  (most need nothing)
        """Get ready to run."""

    def put(self, waiting: Sequence[Waiting]) -> None:
        """Hand over deliveries, to be begun in this order."""
        if not self.buffer:
            self.moved_at = time.monotonic()
        self.buffer.extend(waiting)

    def run(self, stopping: threading.Event) -> None:  # noqa: B027
        """Run what is in the buffer, if it is not run by others anyway."""

    def take_back(self) -> list[Waiting]:
        """Answer what was not begun; it will not be."""
        taken: list[Waiting] = []
        with suppress(IndexError):  # a thread may take one at the same time
            while True:
                taken.append(self.buffer.popleft())
        return taken

    def close(self) -> None:  # noqa: B027
        """Nothing more will be put."""

    def _run(self, number: int, accepted: int, waiting: Waiting, now: float) -> Outcome | None:
        """Run one delivery in the calling thread, which is the ``number``-th; None: it was recalled.

        ``accepted`` is what the recalling word must still be, read before ``waiting`` was taken.
        """
        pad = self._pads[number]
        channel, delivery = waiting
        self.moved_at = now
        pad.start(channel, delivery.id)
        # In this order: whoever recalls sets the word first and reads what runs afterwards. And what
        # was taken before a recall that is over by now may run elsewhere.
        if self._recall_word[0] != accepted:
            pad.forget()
            self.returned.append(waiting)
            return None
        try:
            outcome = self._executors[channel].execute(delivery, pad)
        except BaseException:  # a fault of ours or of the settings, not of the command
            logger.exception("%s could not be tried; it goes back for a while.", delivery.id)
            outcome = Outcome(Action.RELEASE, delay=_AFTER_A_FAULT)
        if not self._is_ours:
            os._exit(0)  # a child that the command forked and let return: the work is not its own
        # On the board first: if we die before the ack, whoever reads it acks for us.
        pad.finish(outcome.action is Action.ACK)
        self.finished.append(make(Finished, (number, channel, delivery, outcome)))
        return outcome
