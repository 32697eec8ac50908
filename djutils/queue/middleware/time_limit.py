"""``@queue_command(time_limit=...)``: a command that takes too long gets an exception, and is then killed.

After the soft limit ``TimeLimitExceeded`` is raised in the thread that runs the command, as soon as
it executes Python code again: a call into C that never returns is not interrupted. A coroutine is cancelled
instead, at its next ``await``. The hard limit covers what neither reaches: the supervisor kills the process.
"""

from __future__ import annotations

import asyncio
import ctypes
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from math import inf
from typing import Annotated, Any, TypedDict

from djutils.queue.command import Command, limits_of
from djutils.queue.command_options import Option
from djutils.queue.current import running
from djutils.queue.exceptions import TimeLimitExceeded
from djutils.queue.interrupting import interruptible
from djutils.queue.message import Message

from .base import Middleware

_raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc


def _is_time_limit(value: Any) -> bool:
    first, last = value if isinstance(value, tuple) and len(value) == 2 else (value, inf)
    numbers = all(isinstance(n, int | float) and not isinstance(n, bool) for n in (first, last))
    return numbers and 0 < first <= last


class _Alarm:
    """Raises ``TimeLimitExceeded`` in the thread that created it, unless it is cancelled first."""

    def __init__(self, seconds: float) -> None:
        self._thread = threading.get_ident()
        self._lock = threading.Lock()
        self._over = False
        self.rung = False
        self._timer = threading.Timer(seconds, self.ring)
        self._timer.daemon = True
        self._timer.start()

    def ring(self) -> None:
        """Raise it once, if it is not called off."""
        with self._lock:
            # A second one could arrive when the command has been ended by the first, in whatever runs after it.
            if not (self._over or self.rung):
                self.rung = True
                _raise_in(ctypes.c_ulong(self._thread), ctypes.py_object(TimeLimitExceeded))

    def call_off(self) -> None:
        """Cancel: from here on nothing is raised, not even if the alarm has just rung."""
        self._timer.cancel()
        with self._lock:
            self._over = True
            if self.rung:
                _raise_in(ctypes.c_ulong(self._thread), None)


class _Cancellation:
    """As ``_Alarm`` for a coroutine, beside which others run in the same thread: cancels it and no other."""

    def __init__(self, seconds: float) -> None:
        self._current: Any = asyncio.current_task()
        self.rung = False
        self._timer = asyncio.get_running_loop().call_later(seconds, self.ring)

    def ring(self) -> None:
        """Cancel the coroutine, in its loop."""
        self.rung = True
        self._current.cancel()

    def call_off(self) -> None:
        """Cancel the alarm; if it has rung, it no longer counts as a request to end."""
        self._timer.cancel()
        if self.rung:
            self._current.uncancel()


class TimeLimitOptions(TypedDict, total=False):
    """The option of ``TimeLimit``."""

    time_limit: Annotated[
        float | tuple[float, float],
        Option(_is_time_limit, "seconds, or (seconds, seconds until it is killed)"),
    ]


class TimeLimit(Middleware):
    """Raises ``TimeLimitExceeded`` in the command after its soft limit."""

    options = TimeLimitOptions

    def applies_to(self, command_class: type[Command]) -> bool:
        return bool(command_class.time_limit)

    def run(self, command: Command, message: Message) -> Iterator[None]:
        soft, hard = limits_of(command.time_limit or inf)
        now = running.get()
        if now and now.watchdog:
            now.watchdog.must_end(time.monotonic() + hard)
        awaited = now is not None and now.awaited
        alarm = _Cancellation(soft) if awaited else _Alarm(soft)
        try:
            try:
                # Every coroutine can be cancelled, with a limit or without.
                is_async = type(command).aexecute is not None
                with nullcontext() if is_async else interruptible(message.id, lambda _: alarm.ring()):
                    yield
            finally:
                alarm.call_off()
        except (TimeLimitExceeded, asyncio.CancelledError) as error:
            # A command may also be cancelled by itself.
            if isinstance(error, asyncio.CancelledError) and not alarm.rung:
                raise
            raise TimeLimitExceeded(f"It ran for longer than its time limit of {soft:g} s.") from None
