"""The log line of each command that has succeeded, without a log record where only the consumer's handlers see it.

There may be tens of thousands in a second, and a ``LogRecord`` takes longer to make, pass on and format than a small
command to run. Where the project has its own handler, filter or record class on the way, the record is made.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable

from djutils.queue.executor import log_success, logger
from djutils.queue.message import Message

from .log_lines import line_formatter


def log_quickly(message: Message, duration: float) -> None:
    """Log that the command of ``message`` has succeeded after ``duration`` seconds; as ``log_success``."""
    if (writers := _writers()) is not None:
        told = f"{message.id} {message.command} succeeded in {duration:.3f} s"
        line = line_formatter.line(time.time(), f"INFO [{os.getpid()}] {logger.name}: {told}")
        if line.isprintable():
            for write in writers:
                write(line)
            return
    log_success(message, duration)


def _writers() -> list[Callable[[str], None]] | None:
    """Return what writes to each handler that wants the line; None if a record is needed."""
    own = logging.getLogRecordFactory() is not logging.LogRecord or type(logger) is not logging.Logger
    if own or logger.filters:
        return None
    found: list[Callable[[str], None]] = []
    one: logging.Logger | None = logger
    while one is not None:
        for handler in one.handlers:
            if handler.level > logging.INFO:
                continue
            write = getattr(handler, "write_line", None)
            if handler.filters or write is None:
                return None
            found.append(write)
        one = one.parent if one.propagate else None
    return found
