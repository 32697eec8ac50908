"""A worker process: signals in the main thread, a pump, and threads that run commands."""

from __future__ import annotations

import logging
import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from djutils.queue.backends import queues
from djutils.queue.backends.base import LeasedQueue
from djutils.queue.current import Lease
from djutils.queue.executor import Executor
from djutils.queue.middleware.database import database_connections, keep_connections

from .board import Board
from .channel import Channel, make_channel
from .inline import Inline, Relief
from .options import ConsumerOptions, Hooks
from .pump import Pump
from .runner import Runner
from .threads import Threads

logger = logging.getLogger("djutils.queue.workers.process")

STATM = Path("/proc/self/statm")
_LOOK_EVERY = 1.0
_MEMORY_EVERY = 5.0


class WorkerProcess:
    """One worker process in one life."""

    def __init__(
        self, options: ConsumerOptions, owners: Mapping[str, int], board: Board, hooks: Hooks
    ) -> None:
        self._options = options
        self._hooks = hooks
        self._parent = os.getppid()
        self._memory_checked = time.monotonic()
        executors = [make_executor(name, owners[name]) for name in options.queues]

        def make_channels() -> list[Channel]:
            return [make_channel(queues.fresh(name), owners[name]) for name in options.queues]

        self._pump, self._runner = make_pump(options, executors, board, make_channels)
        self._ended = threading.Event()
        self._failed = False

    def run(self, ready: Callable[[], object]) -> int:
        """Work until asked to stop, recycled or orphaned; answer the exit code."""
        keep_connections()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: self._pump.stop())
        signal.signal(signal.SIGHUP, lambda *_: self._hooks.hangup())
        threading.Thread(target=self._pump_on, args=(ready,), name="pump", daemon=True).start()
        self._watch()
        return 1 if self._failed else 0

    def _watch(self) -> None:
        """Wait for the pump's end; ask for it when there is a reason to."""
        reason, deadline = "", float("inf")
        while not self._ended.wait(_LOOK_EVERY) and time.monotonic() < deadline:
            if not reason and (reason := self._reason_to_end()):
                logger.warning("This worker process ends: %s.", reason)
                self._pump.stop()
                # Nobody is left who would kill it if a command does not end.
                deadline = time.monotonic() + self._options.grace

    def _pump_on(self, ready: Callable[[], object]) -> None:
        try:
            self._pump.run(ready)
        except Exception:  # whatever it is, the process must end and the log must say why
            logger.exception("This worker process cannot go on.")
            self._failed = True
        finally:
            self._ended.set()

    def _reason_to_end(self) -> str:
        if os.getppid() != self._parent:
            return "its supervisor is gone"
        if not self._runner.alive:
            return "one of its threads has died"
        if self._options.max_memory and time.monotonic() - self._memory_checked > _MEMORY_EVERY:
            self._memory_checked = time.monotonic()
            if (used := resident_mebibytes()) > self._options.max_memory:
                return f"it uses {used} MiB"
        return ""


def make_pump(
    options: ConsumerOptions,
    executors: Sequence[Executor],
    board: Board,
    make_channels: Callable[[], Sequence[Channel]],
) -> tuple[Pump, Runner]:
    """Answer a pump, and what runs the commands it receives: itself if that is one at a time."""
    if options.threads > 1:
        threads = Threads(options.threads, executors, board, lambda: pump.wake())  # noqa: PLW0108  (made below)
        pump = Pump(make_channels(), threads, board, options)
        return pump, threads
    inline = Inline(executors, board)
    pump = Pump(make_channels(), inline, board, options)
    Relief(inline, pump.is_stuck, pump.relieve, make_channels).start()
    return pump, inline


def make_executor(name: str, owner: int) -> Executor:
    """Answer an executor of what queue ``name`` lends to ``owner``."""
    queue = queues[name]
    lease = Lease(queue, owner) if isinstance(queue, LeasedQueue) else None
    return Executor(name, (database_connections,), lease=lease)


def resident_mebibytes() -> int:
    """Answer how much memory this process has resident, or had at its peak where only that is known."""
    if STATM.exists():
        return int(STATM.read_text().split()[1]) * resource.getpagesize() // 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 2**20
