"""The format of the consumer's log lines; each line is formatted once for all handlers."""

from __future__ import annotations

import logging
import time

from djutils.queue.current import running

FORMAT = "%(asctime)s %(levelname)s [%(process)d] %(name)s: %(message)s"
_CONTINUED = "\n    "
_HALF = 32 * 1024
"""Characters to keep of the start and of the end of a longer record."""


class LineFormatter(logging.Formatter):
    """Formats a record once for all handlers that share this formatter, and the time once a second.

    Records logged by a command contain its id and its name. Lines after the first are indented,
    and control characters are escaped: nothing that a command logs can look like a line of djutils.
    The middle of a record of more than 64 Ki characters is left out.
    """

    def __init__(self) -> None:
        super().__init__(FORMAT)
        self._now: tuple[int, str] = (0, "")

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, reusing the one that another handler has just formatted."""
        line: str | None = record.__dict__.get("djutils_line")
        if line is None:
            line = record.__dict__["djutils_line"] = as_one_line(shortened(super().format(record)))
        return line

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """Return the first line, with the id and the name of the running command."""
        run = running.get()
        line = super().formatMessage(record)
        if run is None or run.message.id in record.message:
            return line
        return line.replace("] ", f"] {run.message.id} {run.message.command} ", 1)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        """Return the time of ``record`` in milliseconds."""
        return self._time(record.created)

    def line(self, moment: float, rest: str) -> str:
        """Return the line of a record that was made at ``moment`` and of which ``rest`` follows the time."""
        return f"{self._time(moment)} {rest}"

    def _time(self, moment: float) -> str:
        second, text = self._now
        if second != int(moment):
            second = int(moment)
            text = time.strftime("%Y-%m-%d %H:%M:%S", self.converter(moment))
            self._now = second, text
        return f"{text},{int(moment % 1 * 1000):03d}"


def shortened(text: str) -> str:
    """Return ``text``; if it is very long, such as an error with all its data, only its start and end."""
    left_out = len(text) - 2 * _HALF
    if left_out <= 0:
        return text
    return f"{text[:_HALF]}\n[... {left_out} characters are left out ...]\n{text[-_HALF:]}"


def as_one_line(text: str) -> str:
    """Return ``text`` with every line but the first indented, and control characters escaped."""
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable() or character == "\t"
        else _CONTINUED
        if character == "\n"
        else character.encode("unicode_escape").decode()
        for character in text
    )


line_formatter = LineFormatter()
