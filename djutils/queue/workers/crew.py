"""The worker processes of this consumer, as its maintainer knows them."""

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
        """Whether it is known to have died; it is then buried as soon as the backend answers."""
        self._life = born.life

    @property
    def has_the_board(self) -> bool:
        """Whether its board is still about it; else another process lives in its place by now."""
        return self.board.life == self._life


class Crew:
    """Everybody who was born and is not buried. Read by several threads, changed by one."""

    def __init__(self, arena: Arena) -> None:
        self._boards = arena.boards
        self._members: tuple[Member, ...] = ()

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members)

    def join(self, born: Born) -> None:
        """A worker process is about to live."""
        self._members = (*self._members, Member(born, self._boards[born.place]))

    def mourn(self, owners: dict[str, int]) -> None:
        """A worker process has died."""
        for member in self._members:
            member.dead = member.dead or member.owners == owners

    def forget(self, owners: dict[str, int]) -> None:
        """A dead worker process is buried."""
        self._members = tuple(member for member in self._members if member.owners != owners)

    def owners_on(self, queue: str) -> set[int]:
        """Return the owners of everybody on ``queue``."""
        return {member.owners[queue] for member in self._members}
