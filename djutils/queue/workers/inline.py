"""One command at a time, in the pump's own thread, and who stands in for the pump meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from djutils.queue.executor import Executor

from .board import Board
from .channel import Channel
from .options import nothing
from .runner import WEIGHT, Runner

_LOOK_EVERY = 0.2


class Inline(Runner):
    """Runs in the thread that calls ``run()``: with one command at a time nothing is handed over.

    A thread beside the pump would cost more than most commands do: both would fight for the
    interpreter each time one of them comes back from the store.
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
        """A command has begun since somebody last looked."""
        self._running = False

    @property
    def idle(self) -> int:
        return 0 if self._running else 1

    def close(self) -> None:
        self.closed = True
        self.begun.set()

    def run(self, stopping: threading.Event) -> None:
        """Run what is in the buffer, until it is empty or ``stopping`` is set; off duty meanwhile."""
        duty, begun, buffer = self.duty, self.begun, self.buffer
        started = 0.0
        while not stopping.is_set():
            # One look at the clock for all: is it still ours, since when does it run, what did the last one cost?
            now, accepted = time.monotonic(), self._accepted
            if started:
                self.cost += (now - started - self.cost) * WEIGHT
            # Whoever was frozen, with its machine perhaps, does not know for how long.
            if not buffer or now > self._fresh_until:
                break
            waiting = buffer.popleft()
            self._running, started = True, now
            # Afterwards, so that whoever clears it and then looks whether anything runs misses nothing.
            if not begun.is_set():
                begun.set()
            duty.release()
            outcome = self._run(0, accepted, waiting, now)
            self._tidy()
            duty.acquire()
            self._running = False
            if outcome is None:
                break


class Relief:
    """A thread that does what cannot wait for the end of a slow command.

    It has connections of its own, which it makes when it needs them for the first time.
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
            # Between the look and the duty another command may have begun.
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
