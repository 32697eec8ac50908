"""The log line of each command that has succeeded, without a log record where only the consumer's handlers see it.

There may be tens of thousands in a second, and to make a ``LogRecord``, pass it on, format it and write it takes longer
than a small command runs. So lines are put together in memory that outlives the process, and written several at a time:
at most a second later, before any other line of this process, and by the supervisor if the process is killed. Where
the project has its own handler, filter or record class on the way, each line is a record, made at once.
"""

from __future__ import annotations

import logging
import mmap
import os
import struct
import time
from collections.abc import Iterable
from contextlib import suppress

from djutils.queue.executor import log_success, logger
from djutils.queue.message import Message

from .log_lines import line_formatter
from .project_logs import OurHandler

SIZE = 16 * 1024
_HEAD = struct.Struct("=Q")
_write_length = _HEAD.pack_into
_LOOK_EVERY = 0.1
"""Seconds for which it stays known who listens."""
_TOGETHER = 0.05
"""Seconds after the last writing in which a line waits for others."""


class SuccessLines:
    """Lines that are not written yet. Made before the fork; one process adds them, any may read them."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, SIZE)
        self._end = _HEAD.size
        self._is_ours = False
        self._lock = OurHandler.ONE_LOCK
        self._handlers: list[OurHandler] | None = None
        self._look_at = self._write_at = 0.0
        self._names: set[str] = set()
        """Names of commands that are as printable as they should be."""

    def begin(self) -> None:
        """Prepare, in the process that adds lines."""
        self._is_ours = True
        self._middle = f"INFO [{os.getpid()}] {logger.name}:"
        os.register_at_fork(after_in_child=self._leave_to_parent)

    def log(self, message: Message, duration: float) -> None:
        """Log that the command of ``message`` has succeeded after ``duration`` seconds; as ``log_success``."""
        # A record is made without the lock: the handlers of the project may take their time.
        if not (self._is_ours and self._keep(message, duration)):
            log_success(message, duration)

    def _keep(self, message: Message, duration: float) -> bool:
        """Keep the line, to be written soon; return False if it must be a record."""
        with self._lock:
            now = time.monotonic()
            if now >= self._look_at:
                self._look(now)
            name = message.command
            if self._handlers is None or not (name in self._names or self._is_printable(name)):
                return False
            text = f"{self._middle} {message.id} {name} succeeded in {duration:.3f} s\n"
            self._add(line_formatter.line(time.time(), text).encode())
            if now >= self._write_at:
                self.write()
        return True

    def write(self) -> None:
        """Write the lines that wait; whatever happens, the process goes on."""
        if not self._is_ours or self._end == _HEAD.size:
            return
        with self._lock:
            # Cleared last: a process that dies in between leaves them to be written twice, not to be lost.
            pass_on(self._memory[_HEAD.size : self._end], self._handlers or ())
            self._end = _HEAD.size
            _write_length(self._memory, 0, 0)
            self._write_at = time.monotonic() + _TOGETHER

    def left(self) -> bytes:
        """Return the lines that its process did not write."""
        (length,) = _HEAD.unpack_from(self._memory)
        return self._memory[_HEAD.size : _HEAD.size + length]

    def _look(self, now: float) -> None:
        self._look_at = now + _LOOK_EVERY
        found = listening()
        if found is None:
            self.write()
        for handler in found or ():
            handler.before = self.write
        self._handlers = found

    def _is_printable(self, name: str) -> bool:
        if name.isprintable() and len(name) < SIZE // 4:
            self._names.add(name)
        return name in self._names

    def _add(self, line: bytes) -> None:
        if self._end + len(line) > SIZE:
            self.write()
        end = self._end + len(line)
        self._memory[self._end : end] = line
        self._end = end
        _write_length(self._memory, 0, end - _HEAD.size)

    def _leave_to_parent(self) -> None:
        self._is_ours = False


def listening() -> list[OurHandler] | None:
    """Return the handlers that want these lines; None if one of them, a filter or a record class needs a record."""
    own = logging.getLogRecordFactory() is not logging.LogRecord or type(logger) is not logging.Logger
    if own or logger.filters:
        return None
    found: list[OurHandler] = []
    one: logging.Logger | None = logger
    while one is not None:
        for handler in one.handlers:
            if handler.level > logging.INFO:
                continue
            if handler.filters or not isinstance(handler, OurHandler):
                return None
            found.append(handler)
        one = one.parent if one.propagate else None
    return found


def pass_on(lines: bytes, handlers: Iterable[OurHandler]) -> None:
    """Give whole ``lines`` to ``handlers``; whatever happens, the process goes on."""
    for handler in handlers:
        with suppress(Exception):
            handler.write_lines(lines)
