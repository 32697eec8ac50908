"""The seats of a consumer's worker processes, and when a dead process is replaced."""

from __future__ import annotations

import time

from .arena import Arena
from .board import Board

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 30.0
_LONG_LIFE = 60.0
"""Seconds after which a process counts as successfully started."""


class Seat:
    """A slot for one worker process at a time."""

    def __init__(self, number: int, board: Board) -> None:
        self.number = number
        self.board = board
        self.taken = False
        self._failures = 0
        self._free_at = 0.0

    @property
    def is_free(self) -> bool:
        """Whether a process may be started here now."""
        return not self.taken and time.monotonic() >= self._free_at

    def vacate(self, born_at: float, *, at_fault: bool) -> None:
        """Note that the process that was ``born_at`` (by the monotonic clock) is gone.

        ``at_fault``: it died neither because of a command nor because we ended it. Then the next one must
        wait, twice as long each time, until one lives for a minute.
        """
        self.taken = False
        now = time.monotonic()
        if now - born_at > _LONG_LIFE:
            self._failures = 0
        if at_fault:
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(self._failures, 10))
            self._free_at = now + pause
            self._failures += 1


def seats_of(arena: Arena) -> list[Seat]:
    """Return a seat for each board of ``arena``."""
    return [Seat(number, board) for number, board in enumerate(arena.boards)]
