"""A worker process: a pump in the main thread, a runner of commands, and a thread that watches over both."""

from __future__ import annotations

import logging
import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from djutils.queue.backends import queues
from djutils.queue.backends.border import nothing
from djutils.queue.backends.channel import Channel
from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.counters import EndedRuns
from djutils.queue.current import Lease
from djutils.queue.executor import Executor, log_success
from djutils.queue.interrupting import interrupt
from djutils.queue.message import Message
from djutils.queue.middleware.database import database_connections, keep_connections, shared_connections
from djutils.queue.resuming import giving_way
from djutils.queue.signals import worker_started, worker_stopping

from .arena import Arena
from .board import Board
from .coroutines import Coroutines
from .inline import Inline, Relief
from .mixed import Mixed
from .options import ConsumerOptions, Hooks
from .os_signals import WorkerSignals
from .paused_commands import PausedCommands
from .pump import Pump
from .runner import Runner
from .threads import Threads
from .worker import WorkerRecord
from .world import World, keep_caches

logger = logging.getLogger("djutils.queue.workers.process")

STATM = Path("/proc/self/statm")
_LOOK_EVERY = 1.0
_MEMORY_EVERY = 5.0


class WorkerProcess:
    """The lifetime of one worker process.

    The main thread runs the pump, and also the commands if only one runs at a time: some libraries
    work in no other thread. A second thread does what cannot wait for a command to end.
    """

    def __init__(
        self,
        options: ConsumerOptions,
        worker: WorkerRecord,
        hooks: Hooks,
        signals: WorkerSignals,
        patient: bool,
        arena: Arena,
    ) -> None:
        self._options = options
        self._owners = worker.owners
        self._board = worker.board
        self._success_lines = worker.success_lines
        self._hooks = hooks
        self._signals = signals
        self._patient = patient
        self._pauses = arena.switches, arena.paused_commands
        self._tally = arena.tallies[worker.born.seat]
        self._world = World(signals)
        self._parent = os.getppid()
        self._memory_checked = time.monotonic()
        self._interrupted: set[str] = set()

    def run(self, ready: Callable[[], object]) -> int:
        """Work until asked to stop, recycled or orphaned; return the exit code."""
        keep_connections()
        keep_caches()
        self._success_lines.begin()
        self._tally.begin()
        self._board.sit()
        worker_started.send_robust(sender=None, queues=self._options.queues)
        self._pump, self._runner = self._make_pump()
        os.register_at_fork(after_in_child=self._runner.disown)
        threading.Thread(target=self._watch, name="watch", daemon=True).start()
        try:
            self._pump.run(ready, self._patient)
        except Exception:  # after any error the process must end and the log must say why
            logger.exception("This worker process failed and ends.")
            return 1
        finally:
            # From here on the process ends by its own decision.
            self._board.leave()
            self._success_lines.write()
            self._tally.add_up()
            worker_stopping.send_robust(sender=None, queues=self._options.queues)
        return 0

    def _make_pump(self) -> tuple[Pump, Runner]:
        """Return the pump and the runner; directory, handlers and context as of now are what commands will find."""
        names, owners = self._options.queues, self._owners
        self._world.remember()
        log_success = self._success_lines.log
        executors = [
            make_executor(name, owners[name], log_success, ended)
            for name, ended in zip(names, self._tally.ended, strict=True)
        ]

        def make_channels() -> list[Channel]:
            together = queues.fresh_together(names)
            return [queue.channel(owners[queue.name], self._board.hear) for queue in together]

        return make_pump(
            self._options, executors, self._board, make_channels, self._world.restore, *self._pauses
        )

    def _watch(self) -> None:
        """Handle signals, and end this process when there is a reason to."""
        told, deadline = False, float("inf")
        while time.monotonic() < deadline:
            self._act_on(self._signals.heard(_LOOK_EVERY))
            self._success_lines.write()
            self._tally.add_up()
            self._interrupt_cancelled()
            if deadline == float("inf") and (reason := self._reason_to_hurry()):
                deadline = time.monotonic() + self._options.grace
                self._end(reason)
            elif not told and (reason := self._reason_to_end()):
                told = True
                self._end(reason)
        # Commands that still run are not to blame.
        self._board.leave()
        with suppress(ProcessLookupError):  # it leads no group, and dies alone
            os.killpg(os.getpid(), signal.SIGKILL)
        os._exit(1)

    def _interrupt_cancelled(self) -> None:
        asked = {entry.id for entry in self._board.running() if entry.asked}
        # Once each: what a command does when it is interrupted is not interrupted again.
        new = {id for id in asked - self._interrupted if interrupt(id)}
        self._interrupted = self._interrupted & asked | new

    def _act_on(self, number: int) -> None:
        if number == signal.SIGTERM:
            self._stop()
        elif number == signal.SIGHUP:
            try:
                self._hooks.hangup()
            except Exception:  # this thread must continue: without it the process handles no signals
                logger.exception("The log cannot be reopened after SIGHUP; the old file stays in use.")

    def _end(self, reason: str) -> None:
        """Receive nothing more; let running commands finish."""
        logger.warning(
            "This worker process receives no more commands and ends when those it runs have ended: %s.",
            reason,
        )
        self._stop()

    def _stop(self) -> None:
        giving_way.set()
        self._pump.stop()

    def _reason_to_hurry(self) -> str:
        """Return why running commands get only the grace period; '' if they may take their time."""
        if os.getppid() != self._parent:
            return "its supervisor is gone"
        return "it has an internal error" if self._pump.broken else ""

    def _reason_to_end(self) -> str:
        if not self._runner.alive:
            return "one of its threads has died"
        if self._options.max_memory and time.monotonic() - self._memory_checked > _MEMORY_EVERY:
            self._memory_checked = time.monotonic()
            used = resident_mebibytes()
            # Before the first command a new process would not use less.
            if used > self._options.max_memory and self._pump.received:
                return f"it uses {used} MiB, --max-memory is {self._options.max_memory}"
        return ""


def affordable(options: ConsumerOptions) -> ConsumerOptions:
    """Return ``options`` without a memory limit that the project alone exceeds, and log that.

    Called when the project is loaded and before its first command: a worker process that
    starts above the limit would be replaced again and again.
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
    switches: memoryview | None = None,
    paused_commands: PausedCommands | None = None,
) -> tuple[Pump, Runner]:
    """Return a pump and the runner of its commands, which uses the pump's own thread if it runs one at a time.

    ``tidy`` is called in that thread after each command. Without ``switches`` no queue is ever paused, and without
    ``paused_commands`` no command.
    """
    if options.at_once > 1:

        def wake() -> None:
            pump.wake()

        threads = Threads(options.threads, executors, board, wake)
        runner: Runner = threads
        if options.coroutines:
            coroutines = Coroutines(options.coroutines, executors, board, wake)
            runner = Mixed(coroutines, threads, executors, board)
        pump = Pump(make_channels(), runner, board, options, switches, paused_commands)
        return pump, runner
    inline = Inline(executors, board, tidy)
    pump = Pump(make_channels(), inline, board, options, switches, paused_commands)
    Relief(inline, pump.is_stuck, pump.relieve, make_channels).start()
    return pump, inline


def make_executor(
    name: str,
    owner: int,
    log_success: Callable[[Message, float], None] = log_success,
    ended: EndedRuns | None = None,
) -> Executor:
    """Return an executor for messages that the queue ``name`` lends to ``owner``."""
    queue = queues[name]
    lease = Lease(queue, owner) if isinstance(queue, LeasedQueue) else None
    return Executor(
        name,
        (database_connections,),
        lease=lease,
        log_success=log_success,
        awaited_layers=(shared_connections,),
        ended=ended,
    )


def resident_mebibytes() -> int:
    """Return the resident memory of this process in MiB, or its peak where only that is known."""
    if STATM.exists():
        return int(STATM.read_text().split()[1]) * resource.getpagesize() // 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 2**20
