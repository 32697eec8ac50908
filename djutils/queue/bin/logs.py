"""Where the consumer's log goes: a file that may be rotated while it is open, or stderr."""

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
from djutils.queue.workers.log_lines import line_formatter
from djutils.queue.workers.project_logs import OURS, OurFilter, OurHandler, is_ours, project_handlers

CANNOT_WRITE = 73
_LOOK_EVERY = 0.1
"""Seconds after which a moved file is noticed, unless a warning or error is logged earlier."""


class LogFile(OurHandler, WatchedFileHandler):
    """The log file: any number of processes append to it, and it may be moved at any time."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, encoding="utf-8", errors="backslashreplace")
        self.setFormatter(line_formatter)
        self._standard: tuple[int, ...] = ()
        self._looked = float("-inf")

    def emit(self, record: logging.LogRecord) -> None:
        """Write ``record`` at once; a log that cannot be written must not stop the process."""
        self.before()
        try:
            # There may be thousands of lines a second.
            self._look(at_once=record.levelno > logging.INFO)
            os.write(self.output.fileno(), f"{self.format(record)}\n".encode(errors="backslashreplace"))
        except Exception:  # noqa: BLE001  (logging's own rule: a record that cannot be written stops nothing)
            self.handleError(record)

    def write_lines(self, lines: bytes) -> None:
        self._look()
        os.write(self.output.fileno(), lines)

    def _look(self, at_once: bool = False) -> None:
        """Open the file again if it was moved."""
        now = time.monotonic()
        if at_once or now - self._looked > _LOOK_EVERY:
            self._looked = now
            self.reopenIfNeeded()

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
        """Redirect stdout and stderr to this file, also after it was reopened."""
        self._standard = (1, 2)
        for fd in self._standard:
            os.dup2(self.output.fileno(), fd)

    def hangup(self) -> None:
        """Reopen the file, as logrotate requests by SIGHUP. Safe in a signal handler: takes no lock."""
        with suppress(OSError):  # keep the old file
            fresh = open_log(Path(self.baseFilename))
            try:
                # In place: a thread that is writing at this moment uses either the old file or the new one.
                if self.stream is not None:
                    os.dup2(fresh, self.stream.fileno(), inheritable=False)
                for fd in self._standard:
                    os.dup2(fresh, fd)
            finally:
                os.close(fresh)


class Terminal(OurHandler, logging.StreamHandler[TextIO]):
    """The terminal, or wherever stderr leads."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(line_formatter)

    def emit(self, record: logging.LogRecord) -> None:
        """Write ``record`` at once."""
        self.before()
        super().emit(record)

    def write_lines(self, lines: bytes) -> None:
        self.stream.write(lines.decode())
        self.flush()


class LastResort(OurHandler):
    """Shows on ``shown`` records that have no other handler, as Python itself does.

    Python does not do so when the root logger has a handler, and it has one of ours.
    """

    def __init__(self, shown: logging.Handler) -> None:
        super().__init__(logging.WARNING)
        self._shown = shown

    def emit(self, record: logging.LogRecord) -> None:
        """Pass ``record`` on, if no other handler sees it."""
        unseen = not is_ours(record.name) and not any(project_handlers(record.name))
        if unseen and record.levelno >= self._shown.level:
            self._shown.handle(record)


class NotForThem(OurFilter):
    """Keeps djutils' records below a level from a handler of the project."""

    def __init__(self, below: int) -> None:
        super().__init__()
        self._below = below

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the handler should see ``record``."""
        return record.levelno >= self._below or not is_ours(record.name)


def to_file(path: Path, level: str | None = None) -> LogFile:
    """Also send djutils' log to ``path``; raise ``ConsumerError`` 73 if it cannot be written.

    ``level`` is the requested level; without it the level is the one the project gave the logger
    ``djutils``, or INFO.
    """
    try:
        handler = LogFile(path)
    except OSError as error:
        hint = "create it" if isinstance(error, FileNotFoundError) else "name another place with -l"
        what = f"the directory {path.parent} does not exist" if hint == "create it" else error.strerror
        raise ConsumerError(f"Cannot write the log {path}: {what}; {hint}.", CANNOT_WRITE) from error
    _add(handler, level)
    return handler


def to_stderr(level: str | None = None) -> None:
    """Show djutils' log on the terminal, unless the project's own logging does so already."""
    handler, wanted, ours = Terminal(), _wanted(level), logging.getLogger(OURS)
    if wanted >= ours.getEffectiveLevel() and any(_shows(one, wanted) for one in _streams()):
        ours.setLevel(wanted if level else ours.level)
        logging.getLogger().addHandler(LastResort(handler))
    else:
        silence_streams()
        _add(handler, level)


def silence_streams() -> None:
    """Keep djutils' records from the project's handlers for stderr and stdout.

    In a daemon both streams lead to the log file, to which our handler has already written the records.
    """
    for handler in _streams():
        handler.addFilter(NotForThem(logging.CRITICAL + 1))


def _our_loggers() -> list[logging.Logger]:
    known = logging.Logger.manager.loggerDict.items()
    return [one for name, one in known if is_ours(name) and isinstance(one, logging.Logger)]


def _wanted(asked: str | None) -> int:
    """Return the level of our log, and enable our loggers."""
    for one in _our_loggers():
        # A project's LOGGING disables every existing logger, unless it says otherwise.
        one.disabled = False
    ours = logging.getLogger(OURS)
    return logging.getLevelNamesMapping()[asked] if asked else ours.level or logging.INFO


def _add(handler: logging.Handler, asked: str | None) -> None:
    """Give ``handler`` djutils' records, and the project's handlers no records that they did not get before."""
    ours, wanted = logging.getLogger(OURS), _wanted(asked)
    theirs = ours.getEffectiveLevel()
    if wanted < theirs:
        for one in {one for logger in _our_loggers() for one in project_handlers(logger.name)}:
            one.addFilter(NotForThem(theirs))
    if asked or wanted < theirs:
        ours.setLevel(wanted)
    handler.setLevel(wanted)
    ours.addHandler(handler)
    logging.getLogger().addHandler(LastResort(handler))


def _streams() -> list[logging.Handler]:
    """Return the project's handlers for djutils' records that write to the terminal."""
    return [handler for handler in project_handlers(OURS) if _is_standard(handler)]


def _is_standard(handler: logging.Handler) -> bool:
    streams = (sys.stderr, sys.stdout, sys.__stderr__, sys.__stdout__)
    return isinstance(handler, logging.StreamHandler) and handler.stream in streams


def _shows(handler: logging.Handler, level: int) -> bool:
    return handler.level <= level and not handler.filters
