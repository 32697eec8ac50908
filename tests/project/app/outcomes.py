"""Commands of which is asked what became of them."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from djutils.queue import current_message
from djutils.queue.decorators import queue_command
from djutils.queue.progressing import progress

from .files import lines, write
from .models import Note


@queue_command(result=True)
def triple(number: int) -> int:
    """Return what depends on its argument."""
    return 3 * number


@queue_command(result=True)
async def triple_later(number: int) -> int:
    """Return the same, from a coroutine."""
    await asyncio.sleep(0)
    return 3 * number


@queue_command(result=True)
def nap(seconds: float) -> float:
    """Return after ``seconds``."""
    time.sleep(seconds)
    return seconds


@queue_command(result=True, max_attempts=3, backoff=0.05)
def stumble_twice(path: str) -> int:
    """Fail in the first two attempts."""
    write(path, "tried")
    if (tried := len(lines(path))) < 3:
        raise LookupError(f"attempt {tried}")
    return tried


@queue_command(result=True, max_attempts=2, backoff=0.05)
def give_up(text: str) -> None:
    """Fail in every attempt."""
    raise LookupError(text)


@queue_command(result=True, atomic=True)
def enter_and_return(text: str, pause: float = 0.0) -> str:
    """Leave a line in the database that counts with the result, and only then."""
    Note.objects.create(text=text)
    time.sleep(pause)
    return f"entered {text}"


@queue_command(result=True)
def advance_until(path: str, gate: str) -> str:
    """Advance a bar once, and wait until the gate is there."""
    with progress(10, "loading") as bar:
        bar.advance(4, "waiting")
        write(path, os.getpid())
        _wait_for(gate)
        bar.advance(6)
    return "through"


@queue_command(result=True)
def wait_for(path: str, gate: str) -> str:
    """Wait until the gate is there, whatever is asked meanwhile."""
    write(path, os.getpid())
    _wait_for(gate)
    return "through"


@queue_command(result=True, max_attempts=3, backoff=0.05)
def give_way(path: str) -> None:
    """Go on until it is cancelled, and then fail in its own way."""
    write(path, os.getpid())
    message = current_message()
    while message is not None and not message.cancelled:
        time.sleep(0.02)
    raise LookupError("gave way")


@queue_command(result=True, max_attempts=3, backoff=0.05)
def fail_at_gate(path: str, gate: str) -> None:
    """Fail as soon as the gate is there."""
    write(path, os.getpid())
    _wait_for(gate)
    raise LookupError("failed")


@queue_command(result=True, max_attempts=3, backoff=0.05)
async def fail_at_gate_later(path: str, gate: str) -> None:
    """As ``fail_at_gate``, in an event loop."""
    write(path, os.getpid())
    await asyncio.to_thread(_wait_for, gate)
    raise LookupError("failed")


@queue_command(result=True, max_attempts=3, backoff=0.05)
async def sleep_long(path: str) -> None:
    """Sleep where only a cancellation reaches it."""
    await _sleep_long(path)


@queue_command(result=True, max_attempts=3, backoff=0.05, time_limit=600)
async def sleep_long_in_time(path: str) -> None:
    """The same, with a time limit."""
    await _sleep_long(path)


async def _sleep_long(path: str) -> None:
    write(path, os.getpid())
    try:
        await asyncio.sleep(600)
    except asyncio.CancelledError:
        write(f"{path}.cancelled", os.getpid())
        raise


@queue_command(result=True, max_attempts=3, backoff=0.05, time_limit=600)
def spin(path: str) -> None:
    """Go on in Python, where an exception reaches it."""
    write(path, os.getpid())
    while True:
        time.sleep(0.01)


def _wait_for(gate: str) -> None:
    while not Path(gate).exists():
        time.sleep(0.02)
