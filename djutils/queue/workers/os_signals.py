"""Operating system signals in a worker process, in its forked children, and before the consumer is up."""

from __future__ import annotations

import os
import signal
import threading

# The C function: signal.getsignal takes ten times as long, to convert the result to an enum.
from _signal import getsignal  # type: ignore[import-not-found]
from collections.abc import Callable
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], Any] | int | signal.Handlers | None

_FATAL = 128
_TERM, _HUP, _ALRM, _CHLD, _PIPE = map(
    int, (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM, signal.SIGCHLD, signal.SIGPIPE)
)
"""Signals whose handlers commands are known to change; if one differs, all are restored."""
_IGNORED_BY_PYTHON = {signal.SIGPIPE, getattr(signal, "SIGXFSZ", signal.SIGPIPE)}


def end_at_sigterm() -> None:
    """Let SIGTERM end this process even if it is process 1, for which the kernel has no default.

    Used before the supervisor handles signals: a container that is stopped while its project is
    being imported ends at once.
    """
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, lambda number, _: os._exit(_FATAL + number))


def hear_only_hangup(hangup: Callable[[], None]) -> None:
    """Make SIGHUP call ``hangup``, and ignore SIGTERM and SIGINT, which may be sent to the whole process group."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, lambda *_: hangup())


class WorkerSignals:
    """The signals of a worker process: recorded at once, and handled by another thread.

    The main thread runs commands, and a handler interrupts them: it raises nothing,
    takes no lock and needs no open file. No signal is set to SIG_IGN, because a program that a command
    starts would inherit that.
    """

    def __init__(self) -> None:
        self._noted: SimpleQueue[int] = SimpleQueue()
        self._held = threading.local()
        self._found: dict[int, Handler] = {}
        # The method itself, which takes the frame for a switch that it does not need. In a function of ours the exception that
        # ends a command at its time limit could be raised, and the signal would be lost.
        note: Any = self._noted.put
        self._ours: dict[signal.Signals, Handler] = {
            signal.SIGTERM: note,
            signal.SIGHUP: note,
            signal.SIGINT: _do_nothing,
            # An alarm that a command has left must not end the next command.
            signal.SIGALRM: _do_nothing,
        }

    def listen(self) -> None:
        """Set the handlers, in a newly forked process, while signals are still blocked."""
        for number in signal.valid_signals() - _IGNORED_BY_PYTHON:
            # Ignored by a shell, nohup or the daemon's context: a program that a command starts would not expect that.
            if signal.getsignal(number) is signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        for number, handler in self._ours.items():
            signal.signal(number, handler)
            signal.siginterrupt(number, False)
        os.register_at_fork(before=self._hold, after_in_parent=self._let_go, after_in_child=self._disown)

    def heard(self, seconds: float) -> int:
        """Return the next recorded signal, waiting up to ``seconds``; 0 if there was none."""
        try:
            return self._noted.get(timeout=seconds)
        except Empty:
            return 0

    def remember(self) -> None:
        """Record the current handlers as the ones that every command should find."""
        found = {number: signal.getsignal(number) for number in signal.valid_signals()}
        self._found = {number: handler for number, handler in found.items() if handler is not None}
        self._term, self._hup = getsignal(_TERM), getsignal(_HUP)
        self._alrm, self._chld, self._pipe = map(getsignal, (_ALRM, _CHLD, _PIPE))

    def restore(self) -> None:
        """Restore what a command changed, and cancel its alarm; in the main thread."""
        # Runs after each command: a loop would cost three times as much.
        if (
            getsignal(_TERM) is self._term
            and getsignal(_ALRM) is self._alrm
            and getsignal(_HUP) is self._hup
            and getsignal(_CHLD) is self._chld
            and getsignal(_PIPE) is self._pipe
        ):
            return
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._found.items():
            if signal.getsignal(number) != handler:
                signal.signal(number, handler)
                signal.siginterrupt(number, number not in self._ours)

    def _hold(self) -> None:
        """Block signals before a fork: a child may get SIGTERM before it has dropped our handlers."""
        self._held.mask = signal.pthread_sigmask(signal.SIG_BLOCK, self._ours)

    def _let_go(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._held.mask)

    def _disown(self) -> None:
        """In a child that a command forked: restore Python's defaults, except handlers that the command set itself."""
        for number, handler in self._ours.items():
            if signal.getsignal(number) == handler:
                fresh = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
                signal.signal(number, fresh)
        self._let_go()


def _do_nothing(number: int, _: FrameType | None) -> None:
    """Do nothing: a handler, and not SIG_IGN, which would be inherited."""
