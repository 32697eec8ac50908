"""Several threads that run commands concurrently."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from djutils.queue.executor import Executor

from .board import Board
from .runner import WEIGHT, Runner, Taken, Waiting

logger = logging.getLogger("djutils.queue.workers.threads")


class Threads(Runner):
    """``count`` threads beside the pump.

    ``wake`` is called when there may be something to do for the pump: a thread found the buffer
    running low, or its command needs more than an ack.
    """

    def __init__(
        self, count: int, executors: Sequence[Executor], board: Board, wake: Callable[[], None]
    ) -> None:
        super().__init__(count, executors, board)
        self._idle = 0
        self._lost = 0
        self._wake = wake
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"worker-{number}", daemon=True)
            for number in range(count)
        ]

    @property
    def idle(self) -> int:
        return self._idle

    @property
    def busy(self) -> bool:
        return bool(self.buffer) or self._idle + self._lost < self.count

    @property
    def alive(self) -> bool:
        return not self._lost

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def put(self, waiting: Sequence[Waiting]) -> None:
        with self._changed:
            super().put(waiting)
            self._changed.notify(min(len(waiting), self.count))

    def _refresh(self, until: float) -> None:
        was_stale = self.stale
        super()._refresh(until)
        if was_stale:
            with self._changed:
                self._changed.notify_all()

    def accept(self, word: int) -> None:
        super().accept(word)
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Let the threads end when the buffer is empty."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _work(self) -> None:
        try:
            while (taken := self._next()) is not None:
                outcome = self._run(*taken)
                if outcome is not None:
                    self.cost += (time.monotonic() - taken[-1] - self.cost) * WEIGHT
                if outcome is None or len(self.buffer) <= self.low or not self._can_wait(outcome):
                    self._wake()
        except BaseException:  # an exception that a command scheduled in its thread
            logger.exception(
                "A thread of this worker process has died; its message is given back without a charge."
            )
            with self._changed:
                self._lost += 1
            self._wake()

    def _next(self) -> Taken | None:
        while (taken := self._take()) is None:
            if not self._wait():
                return None
        return taken

    def _wait(self) -> bool:
        """Wait until there is something to take, and return True; False when the runner has closed.

        The thread stops being idle before it takes: a message neither in the buffer nor running would be overlooked.
        Busy threads take without the lock, so the buffer may be empty again.
        """
        with self._changed:
            self._idle += 1
            try:
                self._wake()
                while (not self.buffer or self.stale or self.recalled) and not self._closed:
                    self._changed.wait()
            finally:
                self._idle -= 1
            return bool(self.buffer) and not self.stale and not self.recalled
