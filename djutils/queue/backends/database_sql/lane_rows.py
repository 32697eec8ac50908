"""What the statements for lanes read and return."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from djutils.queue.backends.lanes import HORIZON

AHEAD = round(HORIZON * 1_000_000)
"""Microseconds: how long before its turn a message of a lane with a pace is admitted."""


class LockedLane(NamedTuple):
    """The row of a lane that this transaction has locked; times in microseconds of the database's clock."""

    id: int
    name: str
    width: int
    pace: int
    burst: int
    admitted: int
    started: int
    now: int

    @property
    def base(self) -> int:
        return max(self.admitted, self.now)

    @property
    def let_in(self) -> int | None:
        """How many its pace admits now; None: any number."""
        return max(0, self.burst + (self.now + AHEAD - self.base) // self.pace) if self.pace else None

    @property
    def opens(self) -> int:
        """When its pace admits the next one, in milliseconds."""
        return -(-(max(self.admitted, self.now) + (1 - self.burst) * self.pace - AHEAD) // 1000)

    def room(self, held: int) -> int:
        """How many more may be admitted beside the ``held`` ones."""
        room = self.width - held
        return room if self.let_in is None else min(room, self.let_in)

    def turn(self, number: int) -> int | None:
        """When the ``number``-th of those that are admitted now may start, in milliseconds; None: at once."""
        turn = self.base + (number - self.burst) * self.pace if self.pace else 0
        return -(-turn // 1000) if turn > self.now else None


class Admitted(NamedTuple):
    """One message that is about to be admitted."""

    number: int
    """Which of its lane."""
    id: int
    """Of its row in the table of messages in lanes."""
    message_id: str
    due: int | None


class Ended(NamedTuple):
    """The messages that have ended, and what came of it."""

    ours: set[str]
    admitted: int
    awaited: bool = True
    """Whether a caller may wait for the end of one of them."""
    unfilled: Collection[str] = ()
    """Lanes in which there may be room for more."""
