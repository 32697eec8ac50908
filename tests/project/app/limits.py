"""Commands of which only some may run at once, or start in a period."""

from __future__ import annotations

from time import monotonic, sleep

from djutils.queue.decorators import queue_command

from .files import write
from .models import Note


def _run(path: str, tenant: str, number: int, seconds: float) -> None:
    write(path, f"+ {tenant} {number} {monotonic()}")
    sleep(seconds)
    write(path, f"- {tenant} {number} {monotonic()}")


@queue_command(key="{tenant}", concurrency=2, max_attempts=5, backoff=0.1)
def visit(path: str, tenant: str, number: int, seconds: float = 0.01) -> None:
    """Leave a line at the begin and one at the end."""
    _run(path, tenant, number, seconds)


@queue_command(key="{tenant}", concurrency=1, result=True)
def tell(path: str, tenant: str, number: int, seconds: float = 0.01) -> int:
    """The same, and return the number."""
    _run(path, tenant, number, seconds)
    return number


@queue_command(key="{tenant}", concurrency=1, atomic=True)
def note(path: str, tenant: str, number: int, seconds: float = 0.01) -> None:
    """The same, and leave a note in the database."""
    _run(path, tenant, number, seconds)
    Note.objects.create(text=f"{tenant} {number}")


@queue_command(key="{tenant}", ordered=True, max_attempts=3, backoff=0.2)
def follow(path: str, tenant: str, number: int, failures: int = 0) -> None:
    """Leave a line at each begin, and fail the first ``failures`` times."""
    write(path, f"{tenant} {number}")
    with open(path) as file:
        began = file.read().splitlines().count(f"{tenant} {number}")
    if began <= failures:
        raise ValueError(f"number {number} fails, run {began}")


@queue_command(rate="10/s", lane="api")
def call(path: str, number: int) -> None:
    """Leave the moment."""
    write(path, monotonic())


@queue_command(rate="10/s", lane="api")
def call_again(path: str, number: int) -> None:
    """Leave the moment, in the lane of another command."""
    write(path, monotonic())
