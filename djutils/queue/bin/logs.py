"""Where the consumer's log goes: a file that may be rotated under it, or stderr."""

from __future__ import annotations

import logging
import os
import sys
import time
from contextlib import suppress
from io import TextIOWrapper
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import TextIO

from djutils.queue.bin.safe_files import open_log
from djutils.queue.exceptions import ConsumerError
from djutils.queue.workers.log_lines import lines

CANNOT_WRITE = 73
_OURS = "djutils"
_LOOK_EVERY = 0.1
"""Seconds after which a moved file is noticed, if nothing worse than information comes before."""


class LogFile(WatchedFileHandler):
    """The log file: any number of processes append to it, and it may be moved away at any time."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, encoding="utf-8", errors="backslashreplace")
        self.setFormatter(lines)
        self._standard: tuple[int, ...] = ()
        self._looked = float("-inf")

    def emit(self, record: logging.LogRecord) -> None:
        """Write ``record`` at once; a log that cannot be written must not end what is logged."""
        try:
            now = time.monotonic()
            # There may be a line for each of thousands of commands a second.
            if record.levelno > logging.INFO or now - self._looked > _LOOK_EVERY:
                self._looked = now
                self.reopenIfNeeded()
            line = f"{self.format(record)}\n".encode(errors="backslashreplace")
            os.write(self.output.fileno(), line)
        except Exception:  # noqa: BLE001  (logging's own rule: a record that cannot be written ends nothing)
            self.handleError(record)

    def _open(self) -> TextIOWrapper:
        fd = open_log(Path(self.baseFilename))
        return os.fdopen(fd, "a", encoding=self.encoding, errors=self.errors)

    @property
    def output(self) -> TextIO:
        """The open file."""
        if self.stream is None:
            self.stream = self._open()
        return self.stream

    def take_standard_streams(self) -> None:
        """From now on stdout and stderr lead here too, and follow a hangup."""
        self._standard = (1, 2)

    def hangup(self) -> None:
        """Open the file anew, as logrotate asks by SIGHUP. Fit for a signal handler: takes no lock."""
        with suppress(OSError):  # the old file goes on
            fresh = open_log(Path(self.baseFilename))
            try:
                # In place: whoever is just writing finds either the old file or the new one.
                if self.stream is not None:
                    os.dup2(fresh, self.stream.fileno(), inheritable=False)
                for fd in self._standard:
                    os.dup2(fresh, fd)
            finally:
                os.close(fresh)


def to_file(path: Path, level: str) -> LogFile:
    """Send djutils' log to ``path`` as well; ``ConsumerError`` 73 when it cannot be written."""
    try:
        handler = LogFile(path)
    except OSError as error:
        hint = "create it" if isinstance(error, FileNotFoundError) else "name another place with -l"
        what = f"the directory {path.parent} does not exist" if hint == "create it" else error.strerror
        raise ConsumerError(f"Cannot write the log {path}: {what}; {hint}.", CANNOT_WRITE) from error
    _listen(level).addHandler(handler)
    return handler


def to_stderr(level: str) -> None:
    """Show djutils' log on the terminal, unless the project's own logging does so already."""
    ours = _listen(level)
    if not any(_shows(handler, ours.getEffectiveLevel()) for handler in _streams(ours)):
        handler = logging.StreamHandler()
        handler.setFormatter(lines)
        ours.addHandler(handler)


def silence_streams() -> None:
    """Keep djutils' records from the project's handlers of stderr and stdout.

    In a daemon both streams end in the log file, where our handler has already written them.
    """
    for handler in _streams(logging.getLogger(_OURS)):
        handler.addFilter(lambda record: record.name.partition(".")[0] != _OURS)


def _listen(level: str) -> logging.Logger:
    # A project's LOGGING switches off every logger made before it, unless it says otherwise.
    for name, logger in logging.Logger.manager.loggerDict.items():
        if name.partition(".")[0] == _OURS and isinstance(logger, logging.Logger):
            logger.disabled = False
    ours = logging.getLogger(_OURS)
    ours.setLevel(level)
    return ours


def _streams(logger: logging.Logger | None) -> list[logging.Handler]:
    """Answer the handlers between ``logger`` and the root that write to the terminal."""
    found: list[logging.Handler] = []
    while logger:
        found += [handler for handler in logger.handlers if _is_standard(handler)]
        logger = logger.parent if logger.propagate else None
    return found


def _is_standard(handler: logging.Handler) -> bool:
    streams = (sys.stderr, sys.stdout, sys.__stderr__, sys.__stdout__)
    return isinstance(handler, logging.StreamHandler) and handler.stream in streams


def _shows(handler: logging.Handler, level: int) -> bool:
    return handler.level <= level and not handler.filters
