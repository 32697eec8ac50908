"""One command at a time, in the pump's own thread, and the thread that stands in for the pump meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from djutils.queue.backends.border import nothing
from djutils.queue.backends.channel import Channel
from djutils.queue.executor import Executor

from .board import Board
from .runner import WEIGHT, Runner

_LOOK_EVERY = 0.2


class Inline(Runner):
    """Runs commands in the thread that calls ``run()``: with one command at a time no handover is needed.

    A second thread beside the pump would cost more than most commands: both would compete for the
    interpreter lock each time one of them returns from the store.
    """

    here = True
    batches = 1

    def __init__(
        self, executors: Sequence[Executor], board: Board, tidy: Callable[[], None] = nothing
    ) -> None:
        super().__init__(1, executors, board)
        self._tidy = tidy
        self.duty: threading.Lock = threading.Lock()
        self.closed = False
        self.begun = threading.Event()
        """Set when a command begins; the relief thread clears it."""
        self._running = False

    @property
    def idle(self) -> int:
        return 0 if self._running else 1

    def close(self) -> None:
        self.closed = True
        self.begun.set()

    def run(self, stopping: threading.Event) -> None:
        """Run the messages in the buffer until it is empty or ``stopping`` is set; the pump is off duty meanwhile."""
        duty, begun, buffer = self.duty, self.begun, self.buffer
        started = 0.0
        while not stopping.is_set():
            # Read the clock once for all: is the message still ours, when did it begin, how long did the last one take?
            now, accepted = time.monotonic(), self._accepted
            if started:
                self.cost += (now - started - self.cost) * WEIGHT
            # A process that was frozen, perhaps with its machine, does not know for how long.
            if not buffer or now > self._fresh_until:
                break
            waiting = buffer.popleft()
            self._running, started = True, now
            # Set afterwards, so that a thread that clears it and then checks whether anything runs misses nothing.
            if not begun.is_set():
                begun.set()
            duty.release()
            outcome = self._run(accepted, waiting, now)
            self._tidy()
            duty.acquire()
            self._running = False
            if outcome is None:
                break


class Relief:
    """A thread that does what cannot wait for a slow command to end.

    It has its own connections, which it opens when it first needs them.
    """

    def __init__(
        self,
        inline: Inline,
        is_needed: Callable[[], bool],
        relieve: Callable[[Sequence[Channel]], None],
        make_channels: Callable[[], Sequence[Channel]],
    ) -> None:
        self._inline = inline
        self._is_needed = is_needed
        self._relieve = relieve
        self._make_channels = make_channels
        self._channels: Sequence[Channel] = ()

    def start(self) -> None:
        """Watch until the pump has ended."""
        threading.Thread(target=self._watch, name="relief", daemon=True).start()

    def _watch(self) -> None:
        inline = self._inline
        while not inline.closed:
            time.sleep(_LOOK_EVERY)
            if self._is_called_for() and inline.duty.acquire(blocking=False):
                self._take_over()
            inline.begun.clear()
            if inline.idle and not inline.closed:
                inline.begun.wait()

    def _take_over(self) -> None:
        try:
            # Another command may have begun since the check.
            if self._is_called_for():
                self._do_duty()
        finally:
            self._inline.duty.release()

    def _is_called_for(self) -> bool:
        return not self._inline.idle and self._is_needed()

    def _do_duty(self) -> None:
        if not self._channels:
            self._channels = self._make_channels()
        self._relieve(self._channels)
