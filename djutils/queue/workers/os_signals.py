"""What the operating system's signals do in a worker process, in what it forks, and before the consumer is up."""

from __future__ import annotations

import os
import signal
import threading

# The plain one: signal.getsignal takes ten times as long, to name what it found.
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
"""Those that commands change, as far as anyone has seen; if one differs, all are put back."""
_IGNORED_BY_PYTHON = {signal.SIGPIPE, getattr(signal, "SIGXFSZ", signal.SIGPIPE)}


def end_at_sigterm() -> None:
    """Let SIGTERM end this process even if it is process 1, for which the kernel has no default.

    For the time before the supervisor listens: a container that is stopped while its project is
    being imported ends at once.
    """
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, lambda number, _: os._exit(_FATAL + number))


def hear_only_hangup(hangup: Callable[[], None]) -> None:
    """SIGHUP calls ``hangup``; SIGTERM and SIGINT, which a whole process group may get, do nothing."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, lambda *_: hangup())


class WorkerSignals:
    """The signals of a worker process: noted at once, and acted upon by another thread.

    The main thread runs commands, and a handler runs in the middle of one: it raises nothing,
    takes no lock and needs no open file. None is ignored, for a program that a command starts
    would inherit that.
    """

    def __init__(self) -> None:
        self._noted: SimpleQueue[int] = SimpleQueue()
        self._held = threading.local()
        self._found: dict[int, Handler] = {}
        self._ours: dict[signal.Signals, Handler] = {
            signal.SIGTERM: self._note,
            signal.SIGHUP: self._note,
            signal.SIGINT: _do_nothing,
            # What a command leaves running must not end the next one.
            signal.SIGALRM: _do_nothing,
        }

    def listen(self) -> None:
        """Take over from the supervisor, in a process just forked, while signals are still blocked."""
        for number in signal.valid_signals() - _IGNORED_BY_PYTHON:
            # By a shell, nohup or the daemon's context: a program that a command starts would not expect it.
            if signal.getsignal(number) is signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        for number, handler in self._ours.items():
            signal.signal(number, handler)
            signal.siginterrupt(number, False)
        os.register_at_fork(before=self._hold, after_in_parent=self._let_go, after_in_child=self._disown)

    def heard(self, seconds: float) -> int:
        """Return the next signal that was noted, waiting up to ``seconds``; 0 if there was none."""
        try:
            return self._noted.get(timeout=seconds)
        except Empty:
            return 0

    def remember(self) -> None:
        """Take the handlers of now for those that every command is to find."""
        found = {number: signal.getsignal(number) for number in signal.valid_signals()}
        self._found = {number: handler for number, handler in found.items() if handler is not None}
        self._term, self._hup = getsignal(_TERM), getsignal(_HUP)
        self._alrm, self._chld, self._pipe = map(getsignal, (_ALRM, _CHLD, _PIPE))

    def restore(self) -> None:
        """Put back what a command changed, and call off its alarm; in the main thread."""
        # Asked after each command: a loop over them would cost three times as much.
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

    def _note(self, number: int, _: FrameType | None) -> None:
        self._noted.put(number)

    def _hold(self) -> None:
        """A child may be asked to end before it has let go of our handlers."""
        self._held.mask = signal.pthread_sigmask(signal.SIG_BLOCK, self._ours)

    def _let_go(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._held.mask)

    def _disown(self) -> None:
        """In a child that a command forked: what a fresh Python has, except what the command chose itself."""
        for number, handler in self._ours.items():
            if signal.getsignal(number) == handler:
                fresh = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
                signal.signal(number, fresh)
        self._let_go()


def _do_nothing(number: int, _: FrameType | None) -> None:
    """A handler, and not SIG_IGN, which would be inherited."""
