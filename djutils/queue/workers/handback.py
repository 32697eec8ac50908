"""Gives back messages that wait behind a command that blocks its whole process.

A regular expression that takes ten seconds holds the interpreter lock: no thread of its process can give
back the messages that were received with it. The board shows this, so the maintainer can (see ``recall``).
"""

from __future__ import annotations

import logging
import time
from math import inf

from djutils.queue.backends.border import border

from .chore import Chore, Stores
from .crew import Crew, Member

logger = logging.getLogger("djutils.queue.workers.handback")

STUCK = 1.0
"""Seconds without progress after which a process is assumed to be unable to give back messages itself."""
_LOOK_EVERY = 0.5
_TO_BE_SEEN = 0.05
"""Seconds after which every thread that begins a command has seen, or will see, a new word on the board."""


class Handback(Chore):
    """Checks the boards; calls the backend only when a process is stuck and holds more messages than it runs."""

    name = "giving back messages behind a long command"

    def __init__(self, stores: Stores, crew: Crew) -> None:
        self._stores = stores
        self._crew = crew
        self._seen: dict[Member, tuple[frozenset[str], float]] = {}
        """What each process runs, and since when that is unchanged."""
        self._next = 0.0

    def due_in(self) -> float:
        return self._next - time.monotonic() if self._stores.leased else inf

    def do(self) -> None:
        now = time.monotonic()
        self._next = now + _LOOK_EVERY
        living = [member for member in self._crew if not member.dead and member.has_the_board]
        seen = self._seen
        self._seen = {member: seen.get(member, (frozenset(), now)) for member in living}
        for member in living:
            if self._is_stuck(member, now):
                # Not twice for the same command: the process cannot have received more.
                self._seen[member] = (self._seen[member][0], inf)
                self._hand_back(member)

    def _is_stuck(self, member: Member, now: float) -> bool:
        before, since = self._seen[member]
        running = frozenset(entry.id for entry in member.board.running())
        if running != before or not running:
            self._seen[member] = (running, now)
            return False
        since = max(since, member.board.stirred_at)
        return now - since >= STUCK and member.board.unbegun > 0

    def _hand_back(self, member: Member) -> None:
        board = member.board
        board.recall()
        try:
            time.sleep(_TO_BE_SEEN)
            held = self._unbegun(member) if member.has_the_board else {}
        except BaseException:
            board.recall_ends()  # no call was made that could take effect later
            raise
        back = 0
        for name, ids in held.items():
            queue = self._stores.leased[name]
            # If this fails the recall is not ended, and the process asks to be replaced.
            with border(queue):
                back += len(queue.release(member.owners[name], ids))
        board.recall_ends()
        if back:
            logger.warning(
                "A worker process has been blocked for more than %.0f s by %s: %d messages that waited in it "
                "go to others.",
                STUCK,
                ", ".join(entry.id for entry in board.running()) or "a command",
                back,
            )

    def _unbegun(self, member: Member) -> dict[str, list[str]]:
        """Return, for each queue, the ids lent to ``member`` that will not begin there."""
        self._stores.open()
        begun = member.board.begun()
        held: dict[str, list[str]] = {}
        for name, queue in self._stores.leased.items():
            with border(queue):
                lent = queue.adopt(member.owners[name], begun)
            if ids := [delivery.id for delivery in lent]:
                held[name] = ids
        return held
