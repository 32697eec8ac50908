"""Commands that say when, and how often, a run is worth it."""

from __future__ import annotations

import os
import signal
from datetime import timedelta
from pathlib import Path
from time import sleep

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


@queue_command(at_most_once=True, result=True)
def fire_once(path: str, error: BaseException | None = None) -> str:
    """Leave a line, and fail or die as the caller likes."""
    write(path, "ran")
    if isinstance(error, SystemError):
        os.kill(os.getpid(), signal.SIGKILL)
    if error is not None:
        raise error
    return "fired"


@queue_command(at_most_once=True, result=True)
def fire_and_wait(path: str, gate: str) -> str:
    """Leave a line, and wait until the gate is there."""
    write(path, os.getpid())
    while not Path(gate).exists():
        sleep(0.01)
    return "fired"


@queue_command(at_most_once=True)
async def fire_later(path: str) -> None:
    """Leave a line, from a coroutine."""
    write(path, "ran")
