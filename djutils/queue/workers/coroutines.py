"""Commands that are awaited, beside each other in one event loop."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import Context

from djutils.queue.executor import Executor

from .board import Board, Slot
from .runner import WEIGHT, Runner, Waiting

logger = logging.getLogger("djutils.queue.workers.coroutines")

_TO_ANSWER = 0.05
"""Seconds after which a loop that was asked to take messages, and has not, is blocked by a command."""


class Coroutines(Runner):
    """An event loop in its own thread, in which ``count`` commands are awaited at a time.

    ``wake`` as for ``Threads``.
    """

    def __init__(
        self, count: int, executors: Sequence[Executor], board: Board, wake: Callable[[], None]
    ) -> None:
        super().__init__(count, executors, board)
        self._wake = wake
        self._running = 0
        self._asked_at = 0.0  # when the loop was asked to take messages, until it does so
        self._lost = False
        self._closed = False
        self._commands: set[asyncio.Task[None]] = set()  # a loop refers weakly to what runs in it
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._work, name="coroutines", daemon=True)

    @property
    def least(self) -> int:
        # What waits behind commands that sleep for a minute could begin at once elsewhere.
        return self.idle

    @property
    def idle(self) -> int:
        asked_at = self._asked_at
        is_blocked = asked_at and time.monotonic() - asked_at > _TO_ANSWER
        return 0 if is_blocked else self.count - self._running

    @property
    def busy(self) -> bool:
        return not self._lost and super().busy

    @property
    def alive(self) -> bool:
        return not self._lost

    def start(self) -> None:
        """Start the loop."""
        self._thread.start()

    def put(self, waiting: Sequence[Waiting]) -> None:
        super().put(waiting)
        self._ask()

    def accept(self, word: int) -> None:
        super().accept(word)
        self._ask()

    def _refresh(self, until: float) -> None:
        was_stale = self.stale
        super()._refresh(until)
        if was_stale:
            self._ask()

    def disown(self) -> None:
        super().disown()
        self._loop.stop()

    def close(self) -> None:
        """Let the loop end; it cancels what commands have left behind in it."""
        self._closed = True
        if self._thread.is_alive():
            with suppress(RuntimeError):  # it has just died
                self._loop.call_soon_threadsafe(self._loop.stop)
        else:
            self._loop.close()

    def _work(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.get_loop()
                while not self._closed:
                    self._run_loop()
        except BaseException:  # a fault of the loop
            logger.exception("The event loop of this worker process has died; its messages are given back.")
            self._lost = True
            self._wake()

    def _run_loop(self) -> None:
        # Raised by something that a command awaits: the command is told, and the loop goes on.
        with suppress(SystemExit, KeyboardInterrupt):
            self._loop.run_forever()
        if not self._is_ours:
            os._exit(0)  # a child that a command forked: the other commands in the loop are not its work

    def _ask(self) -> None:
        """Have the loop take messages."""
        # The loop clears this before it looks into the buffer, so nothing is overlooked.
        if not self._asked_at:
            self._asked_at = time.monotonic()
            self._loop.call_soon_threadsafe(self._take_all)

    def _take_all(self) -> None:
        """Begin, in the loop, as many of the messages in the buffer as may run."""
        self._asked_at = 0.0
        while self._running < self.count and self._take_one():
            pass

    def _take_one(self) -> bool:
        # Counted first: a message neither in the buffer nor running would be overlooked.
        self._running += 1
        taken = self._take()
        slot = self._begin(*taken) if taken else None
        if taken is None or slot is None:
            self._running -= 1
            if taken:
                self._wake()
            return False
        _, waiting, now = taken
        command = self._loop.create_task(self._await(slot, waiting, now), context=Context())
        self._commands.add(command)
        command.add_done_callback(self._commands.discard)
        return True

    async def _await(self, slot: Slot, waiting: Waiting, now: float) -> None:
        channel, delivery = waiting
        try:
            outcome = await self._executors[channel].aexecute(delivery, slot)
        except BaseException as error:  # noqa: BLE001  (as in a thread)
            outcome = self._after_a_fault(delivery, error)
        self._end(slot, waiting, outcome)
        self._running -= 1
        self.cost += (time.monotonic() - now - self.cost) * WEIGHT
        if len(self.buffer) <= self.low or not self._can_wait(outcome):
            self._wake()
        if self.buffer:
            self._take_all()
