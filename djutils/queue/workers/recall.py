"""A recall of what was not begun, seen from the process it is recalled from.

While a command holds the interpreter, nobody in its process can give back what waits behind it. The
maintainer does it from outside: it sets the word on the board, waits until everything that begins
has seen it, hands back what has not begun, and sets the word again.
"""

from __future__ import annotations

import logging
import time

from .board import Board
from .runner import Runner

logger = logging.getLogger("djutils.queue.workers.recall")


class Recall:
    """Follows the word on the board for the pump."""

    def __init__(self, runner: Runner, board: Board, patience: float) -> None:
        self._runner = runner
        self._board = board
        self._patience = patience
        self._since = 0.0

    @property
    def word(self) -> int:
        """What the board says now; to be read before anything is let go of."""
        return self._board.word

    def ends(self, word: int) -> bool:
        """Everything was let go of when the board said ``word``: return whether to go on."""
        if word % 2:
            return False
        self._since = 0.0
        self._runner.accept(word)
        return True

    def takes_too_long(self) -> bool:
        """Return whether the maintainer began a recall and does not finish it.

        Then what it has asked the backend for may take effect at any time, even on messages that
        were lent to this owner again: only another owner is safe from it.
        """
        now = time.monotonic()
        self._since = self._since or now
        if now - self._since <= self._patience:
            return False
        logger.error("The maintainer did not finish handing back messages: this worker process is replaced.")
        return True
