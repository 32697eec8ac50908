"""What a project's own LOGGING does with a record, for the handlers that a consumer adds."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator

from djutils.queue.backends.border import nothing

OURS = "djutils"
"""The parent of all our loggers."""


class OurHandler(logging.Handler):
    """A handler added by the consumer: it is ignored when the project's configuration is examined."""

    ONE_LOCK = threading.RLock()
    """One for all: no thread can hold the lock of one handler and wait for that of another."""

    before: Callable[[], object] = staticmethod(nothing)
    """Called before a record is written: writes lines that are older."""

    def createLock(self) -> None:  # noqa: N802  (as logging calls it)
        super().createLock()
        self.lock = self.ONE_LOCK

    def write_lines(self, lines: bytes) -> None:
        """Write whole lines that are no records; may raise anything. By default they are left out."""


class OurFilter(logging.Filter):
    """A filter that the consumer added to a handler of the project: not part of the project's configuration."""


def is_ours(name: str) -> bool:
    """Return whether the logger ``name`` belongs to djutils."""
    return name.partition(".")[0] == OURS


def project_handlers(name: str) -> Iterator[logging.Handler]:
    """Yield the project's handlers that get a record of the logger ``name``, in this order."""
    logger: logging.Logger | None = logging.getLogger(name)
    while logger:
        yield from (handler for handler in logger.handlers if not isinstance(handler, OurHandler))
        logger = logger.parent if logger.propagate else None
