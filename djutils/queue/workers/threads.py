"""The threads that run commands, and the buffer they take them from."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from djutils.queue.executor import Executor
from djutils.queue.message import ACKED, Action, Delivery, Outcome

from .board import Board, Pad

logger = logging.getLogger("djutils.queue.workers.threads")


class Finished(NamedTuple):
    """What one thread made of one delivery."""

    thread: int
    channel: int
    delivery: Delivery
    outcome: Outcome


Waiting = tuple[int, Delivery]
"""A channel's number and what it received."""

_WEIGHT = 0.1
_AFTER_A_FAULT = 30.0


class Threads:
    """``count`` threads that run what is put, and leave what came of it in ``finished``.

    ``wake`` is called when there may be something to do for the pump: a thread found the buffer
    running low. ``cost`` is a moving average of the seconds one command takes.
    """

    def __init__(
        self, count: int, executors: Sequence[Executor], board: Board, wake: Callable[[], None]
    ) -> None:
        self.count = count
        self.buffer: deque[Waiting] = deque()
        self.finished: deque[Finished] = deque()
        self.idle = 0
        self.low = count
        """How many are left in the buffer when the pump is woken to bring more."""
        self.cost = 0.01
        self.moved_at = time.monotonic()
        """When the buffer last moved; if that is long ago and it is not empty, all are stuck."""
        self._executors = executors
        self._pads = board.pads
        self._wake = wake
        self._changed = threading.Condition()
        self._closed = False
        self._process = os.getpid()
        self._threads = [
            threading.Thread(target=self._work, args=(number,), name=f"worker-{number}", daemon=True)
            for number in range(count)
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def put(self, waiting: Sequence[Waiting]) -> None:
        """Hand over deliveries, to be begun in this order."""
        with self._changed:
            if not self.buffer:
                self.moved_at = time.monotonic()
            self.buffer.extend(waiting)
            self._changed.notify(min(len(waiting), self.count))

    def take_back(self) -> list[Waiting]:
        """Answer what no thread has begun; it is no longer theirs."""
        taken: list[Waiting] = []
        while (waiting := self._take()) is not None:
            taken.append(waiting)
        return taken

    def close(self) -> None:
        """Let the threads end when the buffer is empty."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def alive(self) -> bool:
        """Do all the threads live? Nothing a command raises ends one; a fault of our own might."""
        return all(thread.is_alive() for thread in self._threads if thread.ident)

    @property
    def busy(self) -> bool:
        """Is anything running or waiting to run?"""
        return bool(self.buffer) or self.idle < self.count

    def _work(self, number: int) -> None:
        pad, finished, monotonic = self._pads[number], self.finished, time.monotonic
        while (waiting := self._next()) is not None:
            channel, delivery = waiting
            self.moved_at = started = monotonic()
            pad.start(channel, delivery.id)
            outcome = self._execute(channel, delivery, pad)
            if os.getpid() != self._process:
                os._exit(0)  # a child that the command forked and let return: the work is not its own
            # On the board first: if we die before the ack, whoever reads it acks for us.
            pad.finish(outcome is ACKED)
            finished.append(Finished(number, channel, delivery, outcome))
            self.cost += (monotonic() - started - self.cost) * _WEIGHT
            if len(self.buffer) <= self.low or outcome is not ACKED:
                self._wake()

    def _execute(self, channel: int, delivery: Delivery, pad: Pad) -> Outcome:
        try:
            return self._executors[channel].execute(delivery, pad)
        except BaseException:  # a fault of ours or of the settings, not of the command
            logger.exception("%s could not be tried; it goes back for a while.", delivery.id)
            return Outcome(Action.RELEASE, delay=_AFTER_A_FAULT)

    def _next(self) -> Waiting | None:
        while (waiting := self._take()) is None:
            if not self._wait():
                return None
        return waiting

    def _take(self) -> Waiting | None:
        try:
            return self.buffer.popleft()
        except IndexError:
            return None

    def _wait(self) -> bool:
        """Wait until there is something to take, and answer True; False when it has closed.

        Idle no more before it takes: what is neither in the buffer nor running would be overlooked.
        Busy threads take without the lock, so what was there may be gone.
        """
        with self._changed:
            self.idle += 1
            self._wake()
            while not self.buffer and not self._closed:
                self._changed.wait()
            self.idle -= 1
            return bool(self.buffer)
