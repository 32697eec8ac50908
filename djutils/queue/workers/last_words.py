"""The last lines that a worker process logged, in memory that outlives it, for the dead letter of a crash."""

from __future__ import annotations

import copy
import logging
import mmap
import struct

from django.utils.log import RequireDebugFalse, RequireDebugTrue

from .log_lines import as_one_line, line_formatter
from .project_logs import OurFilter, OurHandler, project_handlers

SIZE = 4096
_LONGEST_LINE = 500
_HEAD = struct.Struct("=Q")
_LOOK_EVERY = 1.0
_NO_SECRETS = (OurFilter, RequireDebugFalse, RequireDebugTrue)
"""Filters that decide where a record is shown, not which parts of it."""
_PLAIN = (type(None), logging.Formatter)


class LastWords(OurHandler):
    """Keeps the last ``SIZE`` bytes of what is logged. Created before the fork, written in the child.

    They are stored in a dead letter, so they contain nothing that the project's handlers drop or mask. It must be
    the last handler of the root logger, because a filter may count the records it sees.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(line_formatter)
        self._memory = mmap.mmap(-1, _HEAD.size + SIZE)
        self._written = 0
        self._censors: dict[str, list[logging.Handler]] = {}
        self._looked = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        """Append the record, overwriting the oldest ones."""
        self.before()
        try:
            text = self._text_of(record)
        except Exception:  # noqa: BLE001  (logging's own rule: a record that cannot be formatted stops nothing)
            self.handleError(record)
            return
        if text is not None:
            self._append(f"{text[:_LONGEST_LINE]}\n".encode(errors="backslashreplace"))

    def write_lines(self, lines: bytes) -> None:
        """Append ``lines``, which no handler of the project sees."""
        self._append(lines[-SIZE:])

    def read(self, count: int = 10) -> str:
        """Return the last ``count`` lines, oldest first; in any process."""
        (written,) = _HEAD.unpack_from(self._memory)
        kept = self._memory[_HEAD.size :]
        at = written % SIZE
        text = (kept[at:] + kept[:at]) if written > SIZE else kept[:at]
        whole = text.decode(errors="replace").splitlines()
        return "\n".join((whole[1:] if written > SIZE else whole)[-count:])

    def _append(self, line: bytes) -> None:
        at = _HEAD.size + self._written % SIZE
        to_end = _HEAD.size + SIZE - at
        self._memory[at : at + len(line[:to_end])] = line[:to_end]
        self._memory[_HEAD.size : _HEAD.size + len(line[to_end:])] = line[to_end:]
        self._written += len(line)
        _HEAD.pack_into(self._memory, 0, self._written)

    def _text_of(self, record: logging.LogRecord) -> str | None:
        """Return the line as the project's handlers show it; None if they do not."""
        if abs(record.created - self._looked) > _LOOK_EVERY:
            self._looked = record.created
            self._censors.clear()
        censors = self._censors.get(record.name)
        if censors is None:
            censors = self._censors[record.name] = [*filter(_may_censor, project_handlers(record.name))]
        return _censored(record, censors) if censors else self.format(record)


def _may_censor(handler: logging.Handler) -> bool:
    strict = any(not isinstance(one, _NO_SECRETS) for one in handler.filters)
    return strict or type(handler.formatter) not in _PLAIN


def _censored(record: logging.LogRecord, censors: list[logging.Handler]) -> str | None:
    """Return the line after the filters and formatters of ``censors``; None if one of them drops it."""
    shown = copy.copy(record)
    shown.__dict__.pop("djutils_line", None)
    for one in (one for handler in censors for one in handler.filters):
        passed = True if isinstance(one, _NO_SECRETS) else _apply(one, shown)
        if not passed:
            return None
        if isinstance(passed, logging.LogRecord):
            shown = passed
    line = line_formatter.format(copy.copy(shown))
    for handler in censors:
        if type(handler.formatter) in _PLAIN:
            continue
        theirs = handler.format(shown)
        # A formatter that keeps all words masks nothing: it only adds text around them.
        if not all(told in theirs for told in _told(shown)):
            line = as_one_line(theirs)
    return line


def _told(record: logging.LogRecord) -> list[str]:
    """Return the lines of the record itself, without time and logger name."""
    trace = line_formatter.formatException(record.exc_info) if record.exc_info else ""
    return [*record.getMessage().splitlines(), *trace.splitlines()]


def _apply(one: object, record: logging.LogRecord) -> object:
    """Apply a filter, which is an object with ``filter`` or a function."""
    apply = getattr(one, "filter", one)
    return apply(record) if callable(apply) else True
