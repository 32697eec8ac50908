"""Commands that say when, and how often, a run is worth it."""

from __future__ import annotations

from datetime import timedelta

from djutils.queue.decorators import queue_command

from .files import write


@queue_command(result=True, expires=timedelta(seconds=0.5))
def write_soon(path: str, text: str) -> None:
    """Leave a line, if that is not too late."""
    write(path, text)


@queue_command(max_attempts=3, backoff=(4.0, 4.0))
def fail_and_be_late(path: str) -> None:
    """Fail, so that the next run is two seconds away at least."""
    write(path, "ran")
    raise LookupError("there was something in the way")


@queue_command(result=True, retry_on=ConnectionError, discard_on=LookupError, max_attempts=3, backoff=0.05)
def fetch(path: str, error: Exception | None) -> str:
    """Leave a line, and fail as the caller likes."""
    write(path, type(error).__name__)
    if error is not None:
        raise error
    return "fetched"
