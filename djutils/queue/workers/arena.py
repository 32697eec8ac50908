"""One piece of shared memory for a consumer, made before anything is forked."""

from __future__ import annotations

import mmap

from .board import Board, size_of
from .paused_commands import PausedCommands
from .switches import new_switches
from .tally import Tally


class Arena:
    """A board and a tally for each worker process that may exist at the same time, and a switch for each queue.

    All processes see them.
    """

    def __init__(self, processes: int, at_once: int, queues: int = 1) -> None:
        size = size_of(at_once)
        memory = mmap.mmap(-1, processes * size)
        self.boards = [Board(at_once, memory, number * size) for number in range(processes)]
        self.tallies = [Tally(queues) for _ in range(processes)]
        self.switches = new_switches(queues)
        self.paused_commands = PausedCommands(queues)
