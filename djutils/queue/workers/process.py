"""A worker process: a pump in the main thread, who runs commands, and a thread that watches over both."""

from __future__ import annotations

import logging
import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from djutils.queue.backends import queues
from djutils.queue.backends.base import LeasedQueue
from djutils.queue.current import Lease
from djutils.queue.executor import Executor
from djutils.queue.middleware.database import database_connections, keep_connections
from djutils.queue.signals import worker_started, worker_stopping

from .board import Board
from .channel import Channel, make_channel
from .inline import Inline, Relief
from .options import ConsumerOptions, Hooks, nothing
from .os_signals import WorkerSignals
from .pump import Pump
from .runner import Runner
from .threads import Threads
from .world import World, keep_caches

logger = logging.getLogger("djutils.queue.workers.process")

STATM = Path("/proc/self/statm")
_LOOK_EVERY = 1.0
_MEMORY_EVERY = 5.0


class WorkerProcess:
    """One worker process in one life.

    The main thread pumps, and runs the commands itself where it is one at a time: some libraries
    work in no other. What must not wait for a command's end is done by a thread that watches.
    """

    def __init__(
        self,
        options: ConsumerOptions,
        owners: Mapping[str, int],
        board: Board,
        hooks: Hooks,
        signals: WorkerSignals,
        patient: bool,
    ) -> None:
        self._options = options
        self._owners = owners
        self._board = board
        self._hooks = hooks
        self._signals = signals
        self._patient = patient
        self._world = World(signals)
        self._parent = os.getppid()
        self._memory_checked = time.monotonic()

    def run(self, ready: Callable[[], object]) -> int:
        """Work until asked to stop, recycled or orphaned; return the exit code."""
        keep_connections()
        keep_caches()
        worker_started.send_robust(sender=None, queues=self._options.queues)
        self._pump, self._runner = self._make_pump()
        os.register_at_fork(after_in_child=self._runner.disown)
        threading.Thread(target=self._watch, name="watch", daemon=True).start()
        try:
            self._pump.run(ready, self._patient)
        except Exception:  # whatever it is, the process must end and the log must say why
            logger.exception("This worker process cannot go on.")
            return 1
        finally:
            # From here on the process ends because we say so.
            self._board.leave()
            worker_stopping.send_robust(sender=None, queues=self._options.queues)
        return 0

    def _make_pump(self) -> tuple[Pump, Runner]:
        """What was set up until now, commands will find: directory, handlers, context."""
        names, owners = self._options.queues, self._owners
        self._world.remember()
        executors = [make_executor(name, owners[name]) for name in names]

        def make_channels() -> list[Channel]:
            return [make_channel(queues.fresh(name), owners[name], self._board.hear) for name in names]

        return make_pump(self._options, executors, self._board, make_channels, self._world.restore)

    def _watch(self) -> None:
        """Act on signals, and end this process when there is a reason to; until it is gone."""
        told, deadline = False, float("inf")
        while time.monotonic() < deadline:
            self._act_on(self._signals.heard(_LOOK_EVERY))
            if deadline == float("inf") and (reason := self._reason_to_hurry()):
                deadline = time.monotonic() + self._options.grace
                self._end(reason)
            elif not told and (reason := self._reason_to_end()):
                told = True
                self._end(reason)
        # Whatever still runs is not to blame.
        self._board.leave()
        with suppress(ProcessLookupError):  # it leads no group, and dies alone
            os.killpg(os.getpid(), signal.SIGKILL)
        os._exit(1)

    def _act_on(self, number: int) -> None:
        if number == signal.SIGTERM:
            self._pump.stop()
        elif number == signal.SIGHUP:
            try:
                self._hooks.hangup()
            except Exception:  # this thread must go on: without it the process hears nothing
                logger.exception("The log cannot be opened again after SIGHUP; the old one goes on.")

    def _end(self, reason: str) -> None:
        """Take nothing more; what runs ends first, in its own time."""
        logger.warning("This worker process takes no more commands and ends after those it runs: %s.", reason)
        self._pump.stop()

    def _reason_to_hurry(self) -> str:
        """Return why what runs has no longer than the grace period: no supervisor would end it."""
        if os.getppid() != self._parent:
            return "its supervisor is gone"
        return "it has a fault" if self._pump.broken else ""

    def _reason_to_end(self) -> str:
        if not self._runner.alive:
            return "one of its threads has died"
        if self._options.max_memory and time.monotonic() - self._memory_checked > _MEMORY_EVERY:
            self._memory_checked = time.monotonic()
            used = resident_mebibytes()
            # Without a command there is nothing that a fresh process would do better.
            if used > self._options.max_memory and self._pump.received:
                return f"it uses {used} MiB, --max-memory is {self._options.max_memory}"
        return ""


def affordable(options: ConsumerOptions) -> ConsumerOptions:
    """Return ``options`` without a limit of memory that the project alone exceeds, and log that.

    To be asked when the project is loaded and before its first command: a worker process that is
    above the limit at its birth would be replaced again and again.
    """
    needed = resident_mebibytes()
    if not 0 < options.max_memory <= needed:
        return options
    logger.warning(
        "--max-memory is %d MiB, but the project needs %d MiB before its first command: no worker process is "
        "replaced for its memory. Set a limit well above that.",
        options.max_memory,
        needed,
    )
    return replace(options, max_memory=0)


def make_pump(
    options: ConsumerOptions,
    executors: Sequence[Executor],
    board: Board,
    make_channels: Callable[[], Sequence[Channel]],
    tidy: Callable[[], None] = nothing,
) -> tuple[Pump, Runner]:
    """Return a pump, and what runs the commands it receives: itself if that is one at a time.

    ``tidy`` is called there after each command.
    """
    if options.threads > 1:
        threads = Threads(options.threads, executors, board, lambda: pump.wake())  # noqa: PLW0108  (made below)
        pump = Pump(make_channels(), threads, board, options)
        return pump, threads
    inline = Inline(executors, board, tidy)
    pump = Pump(make_channels(), inline, board, options)
    Relief(inline, pump.is_stuck, pump.relieve, make_channels).start()
    return pump, inline


def make_executor(name: str, owner: int) -> Executor:
    """Return an executor of what queue ``name`` lends to ``owner``."""
    queue = queues[name]
    lease = Lease(queue, owner) if isinstance(queue, LeasedQueue) else None
    return Executor(name, (database_connections,), lease=lease)


def resident_mebibytes() -> int:
    """Return how much memory this process has resident, or had at its peak where only that is known."""
    if STATM.exists():
        return int(STATM.read_text().split()[1]) * resource.getpagesize() // 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 2**20
