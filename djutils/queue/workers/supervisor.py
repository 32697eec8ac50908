"""The supervisor: forks the maintainer and the workers, replaces those that die, and ends them all.

It calls no backend and has no threads: nothing can delay a signal, and forking stays safe.
"""

from __future__ import annotations

import gc
import logging
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import NoReturn

from django.db import connections

from djutils.queue.backends.base import new_owner

from .arena import Arena
from .child import leave, leave_finalizers
from .liaison import Liaison
from .maintainer import Maintainer
from .options import ConsumerOptions, Hooks
from .os_signals import WorkerSignals, hear_only_hangup
from .process import WorkerProcess, affordable
from .seats import Seat, seats_of
from .streams import flush_standard_streams, take_standard_streams
from .worker import Deaf, WorkerRecord, cause_of

logger = logging.getLogger("djutils.queue.workers.supervisor")

CANNOT_BOOT = 70
_BOOT_FAILURES = 5
_TO_SETTLE = 5.0
_FOR_BYSTANDERS = 5.0
_LOOK_EVERY = 1.0
_ONE_REQUEST = 1.0
"""Seconds within which several signals count as one request to stop: Ctrl-C through an init wrapper sends two."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
_KIB_PER_MIB = 1024 if sys.platform != "darwin" else 2**20


class Supervisor:
    """Runs a consumer: ``run()`` blocks until everything has ended and returns the exit code.

    0: ended as requested. 1: something had to be killed. 70: no worker process can start.
    """

    def __init__(self, options: ConsumerOptions, hooks: Hooks | None = None) -> None:
        self._options = options
        self._hooks = hooks or Hooks()
        self._arena = Arena(options.processes, options.at_once, len(options.queues))
        self._seats = seats_of(self._arena)
        self._workers: dict[int, WorkerRecord] = {}
        self._unready: dict[int, int] = {}  # the pipe on which it will report -> its process id
        self._stillborn: set[int] = set()
        self._was_ready = False
        self._has_come_up = False
        self._boot_failures = 0
        self._maintainer = 0
        self._maintainer_at = 0.0
        self._liaison = Liaison()
        self._stops = 0
        self._stopped_at = float("-inf")
        self._hangups = 0
        self._killing = False
        self._exit_code = 0
        self._wakeup = os.pipe()

    def run(self) -> int:
        """Run in the main thread of a process with no other threads and no open connections."""
        self._listen_to_signals()
        self._options = affordable(self._options)
        gc.freeze()
        while not self._stops:
            self._look_after()
            self._wait(_LOOK_EVERY)
        self._drain()
        self._dismiss_maintainer()
        logger.info("Stopped.")
        return self._exit_code or int(self._killing)

    def _look_after(self) -> None:
        """Replace missing processes; give up if no worker process has ever come up."""
        self._keep_maintainer()
        if self._boot_failures >= _BOOT_FAILURES and not self._has_come_up:
            logger.error("%d worker processes in a row could not start: giving up.", _BOOT_FAILURES)
            self._exit_code = CANNOT_BOOT
            self._stops = 1
        elif free := [seat for seat in self._seats if seat.is_free]:
            self._spawn_workers(free)
        self._end_overdue()

    def _end_overdue(self) -> None:
        """End the worker processes whose commands exceed their hard time limit.

        Their other threads, which are not to blame, get some seconds to finish first.
        """
        now = time.monotonic()
        for worker in self._workers.values():
            if worker.kill_at and now >= worker.kill_at:
                _kill([worker.pid])
            elif not worker.kill_at and worker.board.overdue(now):
                logger.error("Worker process %d runs a command past its time limit: it is ended.", worker.pid)
                self._signal(signal.SIGTERM, [worker.pid])
                worker.kill_at = now + (_FOR_BYSTANDERS if self._options.at_once > 1 else 0.0)

    def _drain(self) -> None:
        """Let the workers end; kill those that do not, without charging the commands they run."""
        logger.info("Stopping: running commands have %.0f s to end.", self._options.grace)
        self._signal(signal.SIGTERM, self._workers)
        deadline = time.monotonic() + self._options.grace
        while self._workers and self._stops < 2 and time.monotonic() < deadline:
            self._wait(min(_LOOK_EVERY, max(0.0, deadline - time.monotonic())))
            self._end_overdue()
        if self._workers:
            logger.warning("%d worker processes did not end and are killed.", len(self._workers))
            self._killing = True
            _kill(self._workers)
        while self._workers:
            self._wait(_LOOK_EVERY)

    def _dismiss_maintainer(self) -> None:
        """Let the maintainer give back what dead workers held, then close its pipe."""
        deadline = time.monotonic() + _TO_SETTLE
        while self._liaison.has_dead_workers and time.monotonic() < deadline:
            self._keep_maintainer()
            self._wait(_LOOK_EVERY / 10)
        if self._liaison.has_dead_workers:
            logger.error("The backend does not respond: messages of dead workers return when leases end.")
        self._liaison.hang_up()
        while self._maintainer:
            self._wait(_LOOK_EVERY / 10)
            if time.monotonic() > deadline:
                self._signal(signal.SIGKILL, [self._maintainer])

    # Signal handlers only record; the loop acts on them.

    def _listen_to_signals(self) -> None:
        for end in self._wakeup:
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._wakeup[1])
        signal.signal(signal.SIGTERM, self._note_stop)
        signal.signal(signal.SIGINT, self._note_stop)
        signal.signal(signal.SIGHUP, self._note_hangup)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # The program that started this process may have blocked them.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)

    def _note_stop(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if now - self._stopped_at >= _ONE_REQUEST:
            self._stopped_at = now
            self._stops += 1

    def _note_hangup(self, number: int, frame: FrameType | None) -> None:
        self._hangups += 1

    def _signal(self, number: int, pids: Iterable[int]) -> None:
        for pid in filter(None, pids):  # a pid of 0 would mean the whole process group
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _wait(self, seconds: float) -> None:
        """Sleep until a signal arrives, a child reports, or the time is up; then handle all of these."""
        maintainer = self._liaison.descriptors
        readable, _, _ = select.select([self._wakeup[0], *self._unready, *maintainer], [], [], seconds)
        if self._wakeup[0] in readable:
            with suppress(BlockingIOError):
                os.read(self._wakeup[0], 4096)
        for hear in [fd for fd in self._unready if fd in readable]:
            self._hear_unready(hear)
        if maintainer and maintainer[0] in readable and (deaf := self._liaison.hear()):
            self._end_deaf(deaf)
        self._collect_dead()
        if self._hangups:
            self._hangups = 0
            self._hang_up()

    def _hang_up(self) -> None:
        if self._hooks.terminal_is_gone():
            logger.warning("The terminal was closed: stopping, as after SIGTERM.")
            if not self._stops:
                self._note_stop(signal.SIGHUP, None)
            return
        self._hooks.hangup()
        self._signal(signal.SIGHUP, [*self._workers, self._maintainer])

    # Children.

    def _fork(self, live: Callable[[], int], listen: Callable[[], None]) -> int:
        """Fork; the child calls ``live``, exits with its result, and never returns from here.

        No signal reaches it before ``listen`` has set its handlers: our handlers would record a stop that
        is never read, and without handlers it would die.
        """
        connections.close_all()
        flush_standard_streams()
        held = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            pid = os.fork()
            if not pid:
                self._be_child(live, listen)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, held)
        return pid

    def _be_child(self, live: Callable[[], int], listen: Callable[[], None]) -> NoReturn:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listen()
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            leave_finalizers()
            take_standard_streams()
            self._close_ours()
            code = live()
        except BaseException:  # the child must not continue in its parent's code
            logger.exception("A process of the consumer failed.")
        finally:
            leave(code, self._options.grace)

    def _close_ours(self) -> None:
        for fd in (*self._wakeup, *self._unready):
            os.close(fd)
        self._liaison.hang_up()
        self._hooks.forked()

    def _spawn_workers(self, seats: Iterable[Seat]) -> None:
        for seat in seats:
            owners = {name: new_owner() for name in self._options.queues}
            worker = WorkerRecord(self._options.queues, owners, seat.board, seat.number)
            seat.taken = True
            hear, say = os.pipe()
            # Announced before it starts, so that its first message already has a beating owner.
            self._liaison.tell_of_birth(worker.born)
            signals = WorkerSignals()
            live = partial(self._live_as_worker, worker, signals, hear, say)
            worker.pid = self._fork(live, signals.listen)
            with suppress(OSError):  # the child has done so itself, or is dead
                os.setpgid(worker.pid, worker.pid)
            os.close(say)
            self._unready[hear] = worker.pid
            self._workers[worker.pid] = worker
        self._hooks.workers_changed(list(self._workers))

    def _live_as_worker(self, worker: WorkerRecord, signals: WorkerSignals, hear: int, say: int) -> int:
        os.setpgid(0, 0)
        os.close(hear)
        logging.getLogger().addHandler(worker.last_words)
        # If the very first worker is refused, the configuration is wrong; later it is an outage.
        patient = self._has_come_up
        process = WorkerProcess(self._options, worker, self._hooks, signals, patient, self._arena)

        def ready() -> None:
            with suppress(BrokenPipeError):  # the supervisor is gone; the process notices that by itself
                os.write(say, b"1")

        return process.run(ready)

    def _keep_maintainer(self) -> None:
        """Replace the maintainer if it is missing, after a pause if it died soon after its start."""
        if not self._maintainer and time.monotonic() >= self._maintainer_at:
            self._maintainer_at = time.monotonic() + _LOOK_EVERY
            self._spawn_maintainer()

    def _spawn_maintainer(self) -> None:
        theirs = self._liaison.open()
        self._maintainer = self._fork(
            lambda: Maintainer(self._options, theirs, self._arena).run(),
            partial(hear_only_hangup, self._hooks.hangup),
        )
        theirs.close()
        self._liaison.tell_everything(worker.born for worker in self._workers.values())

    def _end_deaf(self, deaf: Deaf) -> None:
        """End a worker process that holds messages but cannot reach the backend; another one can."""
        for worker in self._workers.values():
            if worker.owners == deaf.owners and not worker.kill_at:
                logger.error(
                    "Worker process %d has not reached the backend for twice the lease, although the maintainer "
                    "has: it is replaced, and its messages go to others.",
                    worker.pid,
                )
                worker.kill_at = time.monotonic()

    def _hear_unready(self, hear: int) -> None:
        word = os.read(hear, 1)
        os.close(hear)
        pid = self._unready.pop(hear)
        if word:
            self._has_come_up = True
            logger.info("Worker process %d is ready.", pid)
        else:
            self._stillborn.add(pid)
        if not self._unready and not self._was_ready and word:
            self._was_ready = True
            self._hooks.ready()

    def _collect_dead(self) -> None:
        with suppress(ChildProcessError):
            while (found := os.wait4(-1, os.WNOHANG))[0]:
                pid, status, used = found
                self._note_death(pid, os.waitstatus_to_exitcode(status), used.ru_maxrss // _KIB_PER_MIB)

    def _note_death(self, pid: int, code: int, peak: int) -> None:
        if pid in self._workers:
            self._note_worker_death(self._workers.pop(pid), code, peak)
        elif pid == self._maintainer:
            self._maintainer = 0
            self._liaison.lose()
            if code:
                logger.error("The maintainer %s; it is replaced.", cause_of(code))

    def _note_worker_death(self, worker: WorkerRecord, code: int, peak: int) -> None:
        busy, by_us = worker.board.busy, self._killing or worker.was_ended_by_us(code)
        died = worker.death_report(code, peak, blameless=self._killing)
        self._liaison.tell_of_death(died)
        if code or died.reason:
            _kill([worker.pid])  # what it left running: the programs of its last command
        if died.reason:
            headline = died.reason.partition("\n")[0].removeprefix("Its process ")
            logger.error("Worker process %d %s", worker.pid, headline)
        # The end of its pipe may be noticed before its death, or after.
        if code and worker.pid in {*self._stillborn, *self._unready.values()}:
            self._boot_failures += 1
        self._stillborn.discard(worker.pid)
        # A death caused by a command is charged to it and so cannot repeat forever: no reason to wait.
        at_fault = code != 0 and not busy and not (by_us and code < 0)
        self._seats[worker.born.seat].vacate(worker.born_at, at_fault=at_fault)
        self._hooks.workers_changed(list(self._workers))


def _kill(workers: Iterable[int]) -> None:
    """Kill each of ``workers`` with the programs that its commands started, which are in its process group.

    A program that has started its own session or process group, as daemons do, keeps running.
    """
    for pid in workers:
        with suppress(
            ProcessLookupError, PermissionError
        ):  # all are gone, or the rest belongs to another user
            os.killpg(pid, signal.SIGKILL)
