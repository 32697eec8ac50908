"""The command that is measured, found by the consumer as any app's."""

from __future__ import annotations

from bench.peers import work
from djutils.queue.decorators import queue_command


@queue_command
def noop(a: int, b: int, c: int, text: str) -> None:
    work.run(a, b, c, text)
