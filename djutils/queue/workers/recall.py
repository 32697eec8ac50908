"""A recall of messages that have not begun, from the point of view of the process that holds them.

While a command holds the interpreter lock, no thread of its process can give back the messages that wait
behind it. The maintainer does it from outside: it sets the word on the board, waits until every thread that
begins a command has seen it, gives back the messages that have not begun, and sets the word again.
"""

from __future__ import annotations

import logging
import time

from .board import Board
from .runner import Runner

logger = logging.getLogger("djutils.queue.workers.recall")


class Recall:
    """Tracks the recall word on the board for the pump."""

    def __init__(self, runner: Runner, board: Board, patience: float) -> None:
        self._runner = runner
        self._board = board
        self._patience = patience
        self._since = 0.0

    @property
    def word(self) -> int:
        """The current word on the board; read it before anything is dropped."""
        return self._board.word

    def ends(self, word: int) -> bool:
        """Note that everything was dropped while the board had ``word``; return whether to go on."""
        if word % 2:
            return False
        self._since = 0.0
        self._runner.accept(word)
        return True

    def takes_too_long(self) -> bool:
        """Return whether the maintainer began a recall and does not finish it.

        Its pending calls may then take effect at any time, even on messages that
        are lent to this owner again: only a new owner is safe from that.
        """
        now = time.monotonic()
        self._since = self._since or now
        if now - self._since <= self._patience:
            return False
        logger.error("The maintainer did not finish giving back messages: this worker process is replaced.")
        return True
