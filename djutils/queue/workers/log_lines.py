"""How a line of the consumer's log looks; made once for all handlers that keep it."""

from __future__ import annotations

import logging

from djutils.queue.current import running

FORMAT = "%(asctime)s %(levelname)s [%(process)d] %(name)s: %(message)s"
_CONTINUED = "\n    "
_HALF = 32 * 1024
"""Characters to keep of the beginning and of the end of a record that is longer than both."""


class Lines(logging.Formatter):
    """Formats a record once for all handlers that have this one, and the time once a second.

    What a command logs has its id. What a record has beyond its first line is indented,
    and control characters are escaped: nothing that a command logs looks like a line of ours.
    Of a record of more than 64 Ki characters the middle is left out.
    """

    def __init__(self) -> None:
        super().__init__(FORMAT)
        self._now: tuple[int, str] = (0, "")

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, as the handler before us has made it."""
        line: str | None = record.__dict__.get("djutils_line")
        if line is None:
            line = record.__dict__["djutils_line"] = as_one_line(shortened(super().format(record)))
        return line

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """Return the first line, with the id of the command that runs here."""
        run = running.get()
        line = super().formatMessage(record)
        if run is None or run.message.id in record.message:
            return line
        return line.replace("] ", f"] {run.message.id} ", 1)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        """Return the time of ``record`` in milliseconds."""
        second, text = self._now
        if second != int(record.created):
            second = int(record.created)
            text = super().formatTime(record, "%Y-%m-%d %H:%M:%S")
            self._now = second, text
        return f"{text},{int(record.msecs):03d}"


def shortened(text: str) -> str:
    """Return ``text``; of a very long one, such as an error with all its data, the beginning and the end."""
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


lines = Lines()
