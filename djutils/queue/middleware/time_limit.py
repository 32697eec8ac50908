"""``@queue_command(time_limit=...)``: a command that takes too long gets an exception, and is then killed.

After the soft limit ``TimeLimitExceeded`` is raised in the thread that runs the command, as soon as
it executes Python code again: a call into C that never returns is not interrupted. The hard
limit covers that case: the supervisor kills the process.
"""

from __future__ import annotations

import ctypes
import threading
import time
from math import inf
from typing import Any

from djutils.queue.command import Command, limits_of
from djutils.queue.current import running
from djutils.queue.exceptions import TimeLimitExceeded

from .base import Run

_raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc


class _Alarm:
    """Raises ``TimeLimitExceeded`` in the thread that created it, unless it is cancelled first."""

    def __init__(self, seconds: float) -> None:
        self._thread = threading.get_ident()
        self._lock = threading.Lock()
        self._over = False
        self._rung = False
        self._timer = threading.Timer(seconds, self._ring)
        self._timer.daemon = True
        self._timer.start()

    def _ring(self) -> None:
        with self._lock:
            if not self._over:
                self._rung = True
                _raise_in(ctypes.c_ulong(self._thread), ctypes.py_object(TimeLimitExceeded))

    def call_off(self) -> None:
        """Cancel: from here on nothing is raised, not even if the alarm has just rung."""
        self._timer.cancel()
        with self._lock:
            self._over = True
            if self._rung:
                _raise_in(ctypes.c_ulong(self._thread), None)


def time_limit(command: Command, run: Run) -> Any:
    """Run the command; raise ``TimeLimitExceeded`` in it after its soft limit."""
    soft, hard = limits_of(command.time_limit or inf)
    now = running.get()
    if now and now.watchdog:
        now.watchdog.must_end(time.monotonic() + hard)
    alarm = _Alarm(soft)
    try:
        try:
            return run(command)
        finally:
            alarm.call_off()
    except TimeLimitExceeded:
        raise TimeLimitExceeded(f"It ran for longer than its time limit of {soft:g} s.") from None
