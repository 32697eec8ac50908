"""Commands of which one at a time is enough."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from time import sleep

from djutils.queue.decorators import queue_command

from .files import lines, write


def _wait_for(gate: str) -> None:
    while gate and not Path(gate).exists():
        sleep(0.01)


@queue_command(unique="until_done", key="{page}", result=True, max_attempts=1)
def visit(path: str, page: int, gate: str = "") -> None:
    """Leave a line, and wait until ``gate`` exists."""
    write(path, str(page))
    _wait_for(gate)


@queue_command(unique="until_started", on_duplicate="replace", key="{page}")
def publish(path: str, page: int, text: str, gate: str = "") -> None:
    """Leave the text, and wait until ``gate`` exists."""
    write(path, text)
    _wait_for(gate)


@queue_command(unique="until_done", on_duplicate="raise", key="{page}")
def visit_alone(path: str, page: int) -> None:
    """Leave a line."""
    write(path, str(page))


@queue_command(unique="until_done", atomic=True)
def visit_in_one_commit(path: str, times: int = 2) -> None:
    """Leave a line, and call itself until it has run so often."""
    write(path, "visited")
    if len(lines(path)) < times:
        visit_in_one_commit(path, times)


@queue_command(unique=timedelta(hours=1), key="{page}")
def remind(path: str, page: int) -> None:
    """Leave a line."""
    write(path, str(page))
