"""How a line of the consumer's log looks; made once for everybody who keeps it."""

from __future__ import annotations

import logging

FORMAT = "%(asctime)s %(levelname)s [%(process)d] %(name)s: %(message)s"


class Lines(logging.Formatter):
    """Formats a record once for all handlers that have this one, and the time once a second."""

    def __init__(self) -> None:
        super().__init__(FORMAT)
        self._now: tuple[int, str] = (0, "")

    def format(self, record: logging.LogRecord) -> str:
        """Answer the line, as the handler before us has made it."""
        line: str | None = record.__dict__.get("djutils_line")
        if line is None:
            line = record.__dict__["djutils_line"] = super().format(record)
        return line

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        """Answer the time of ``record`` in milliseconds."""
        second, text = self._now
        if second != int(record.created):
            second = int(record.created)
            text = super().formatTime(record, "%Y-%m-%d %H:%M:%S")
            self._now = second, text
        return f"{text},{int(record.msecs):03d}"


lines = Lines()
