"""The worker processes of this consumer, from the maintainer's point of view."""

from __future__ import annotations

from collections.abc import Iterator

from .arena import Arena
from .board import Board
from .worker import Born


class Member:
    """One worker process in one life."""

    def __init__(self, born: Born, board: Board) -> None:
        self.owners = born.owners
        self.board = board
        self.dead = False
        """Whether it is known to have died; its messages are then settled as soon as the backend responds."""
        self._life = born.life

    @property
    def has_the_board(self) -> bool:
        """Whether its board still describes it; otherwise another process has taken its seat."""
        return self.board.life == self._life


class Crew:
    """All members that were started and are not yet settled. Read by several threads, changed by one."""

    def __init__(self, arena: Arena) -> None:
        self._boards = arena.boards
        self._members: tuple[Member, ...] = ()

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members)

    def join(self, born: Born) -> None:
        """Add a worker process that is about to start."""
        self._members = (*self._members, Member(born, self._boards[born.seat]))

    def mark_dead(self, owners: dict[str, int]) -> None:
        """Mark a worker process as dead."""
        for member in self._members:
            member.dead = member.dead or member.owners == owners

    def forget(self, owners: dict[str, int]) -> None:
        """Remove a dead worker process whose messages are settled."""
        self._members = tuple(member for member in self._members if member.owners != owners)

    def owners_on(self, queue: str) -> set[int]:
        """Return the owners of all members on ``queue``."""
        return {member.owners[queue] for member in self._members}
