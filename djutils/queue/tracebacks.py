"""An exception as text: what a dead letter, a result and the log say of it."""

from __future__ import annotations

import traceback
from types import TracebackType

_MOST = 16 * 1024


def users_part(error: BaseException) -> TracebackType | None:
    """Return the traceback from where the command's own code begins; all of it if that was never reached."""
    part = error.__traceback__
    while part is not None and part.tb_frame.f_globals.get("__name__", "").startswith("djutils.queue."):
        part = part.tb_next
    return part or error.__traceback__


def describe(error: BaseException) -> str:
    """Return one line with the exception, then its traceback; at most 16 KiB."""
    headline = traceback.TracebackException(type(error), error, None)
    headline.__notes__ = None
    *_, last = headline.format_exception_only()
    summary = last.strip().partition("\n")[0]
    text = "".join(traceback.format_exception(type(error), error, users_part(error)))
    if len(text) > _MOST:
        text = f"[...]\n{text[-_MOST:]}"
    return f"{summary[:500]}\n\n{text}"
