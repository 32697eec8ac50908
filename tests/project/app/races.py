"""Commands that write down when they run, so that a judge sees if limits were kept."""

from __future__ import annotations

import os
from time import monotonic, sleep

from djutils.queue.decorators import queue_command

from .files import write

PACE = 1 / 40
"""Seconds from one start of ``paced`` to the next."""
BURST = 2


def _run(path: str, lane: str, number: int, pause: float, fails: bool) -> None:
    """Write down the begin and the end, and which process ran it; the first run fails if ``fails``."""
    begun = f"{lane} {number} {os.getpid()}"
    failed_before = fails and os.path.exists(f"{path}-{lane}-{number}")
    write(path, f"+ {begun} {monotonic()}")
    sleep(pause)
    if fails and not failed_before:
        write(f"{path}-{lane}-{number}", "failed")
    write(path, f"- {begun} {monotonic()}")
    if fails and not failed_before:
        raise ValueError("the first run fails")


@queue_command(key="{lane}", ordered=True, max_attempts=1000, backoff=0.05)
def ordered(path: str, lane: str, number: int, pause: float, fails: bool) -> None:
    """One after another."""
    _run(path, lane, number, pause, fails)


@queue_command(key="{lane}", concurrency=1, max_attempts=1000, backoff=0.05)
def one(path: str, lane: str, number: int, pause: float, fails: bool) -> None:
    """One at a time."""
    _run(path, lane, number, pause, fails)


@queue_command(key="{lane}", concurrency=2, max_attempts=1000, backoff=0.05)
def two(path: str, lane: str, number: int, pause: float, fails: bool) -> None:
    """Two at a time."""
    _run(path, lane, number, pause, fails)


@queue_command(key="{lane}", concurrency=3, max_attempts=1000, backoff=0.05)
def three(path: str, lane: str, number: int, pause: float, fails: bool) -> None:
    """Three at a time."""
    _run(path, lane, number, pause, fails)


@queue_command(key="{lane}", concurrency=6, rate="40/s", burst=BURST, max_attempts=1000, backoff=0.05)
def paced(path: str, lane: str, number: int, pause: float, fails: bool) -> None:
    """Forty a second."""
    _run(path, lane, number, pause, fails)


WIDTHS = {"ordered": 1, "one": 1, "two": 2, "three": 3, "paced": 6}
