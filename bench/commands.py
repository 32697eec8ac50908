"""The measured commands, which the consumer finds like those of any app."""

from __future__ import annotations

import time

from bench import moments
from bench.peers import work
from djutils.queue.decorators import queue_command


@queue_command(result=work.KEEPS)
def noop(a: int, b: int, c: int, text: str) -> int | None:
    return work.run(a, b, c, text)


@queue_command(key="{a}", concurrency=1)
def limited(a: int, b: int, c: int, text: str) -> None:
    work.run(a, b, c, text)


@queue_command(key="{a}", rate="1/d")
def daily(a: int, b: int, c: int, text: str) -> None:
    work.run(a, b, c, text)


@queue_command
def timed(kind: int, called: float, seconds: float) -> None:
    """Note when it begins, then sleep."""
    moments.note(kind, called)
    time.sleep(seconds)
