"""Commands that are paused, by an operator or by their own fuse."""

from __future__ import annotations

from pathlib import Path

from djutils.queue.decorators import queue_command

from .files import write


@queue_command(fuse="50% of 20 in 1m", backoff=1.0, max_attempts=50)
def call_service(path: str, broken: str, number: int) -> None:
    """Leave a line, or fail while the file ``broken`` exists."""
    if Path(broken).exists():
        write(path + ".failed", str(number))
        raise ConnectionError("the service is down")
    write(path, str(number))


@queue_command(result=True)
def mail(path: str, number: int) -> int:
    """Leave a line, and return the number."""
    write(path, str(number))
    return number


@queue_command(result=True)
async def mail_later(path: str, number: int) -> int:
    """The same, as a coroutine."""
    write(path, str(number))
    return number


@queue_command(key="{tenant}", ordered=True)
def mail_in_order(path: str, tenant: str, number: int) -> None:
    """The same, one after the other."""
    write(path, f"{tenant} {number}")
