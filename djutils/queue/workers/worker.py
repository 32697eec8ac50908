"""A worker process as its supervisor knows it, and what is told of its birth and its death."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from typing import NamedTuple

from .board import Board
from .last_words import LastWords


class Born(NamedTuple):
    """The supervisor tells of a new worker process."""

    owners: dict[str, int]
    """Its owner token on each queue."""
    place: int
    """Which board of the arena is its own."""
    life: int
    """Which life of that place it is."""


class Buried(NamedTuple):
    """The maintainer tells that nothing is lent to these owners any more."""

    owners: dict[str, int]


class Deaf(NamedTuple):
    """The maintainer tells that a worker process does not hear the backend, which answers everybody else."""

    owners: dict[str, int]


class Died(NamedTuple):
    """The supervisor tells of a worker process that is gone, and what its board said."""

    owners: dict[str, int]
    done: dict[str, list[str]]
    running: dict[str, list[str]]
    """What is to be charged with the death."""
    overdue: dict[str, list[str]]
    """What had to have ended by then."""
    reason: str
    """What killed it and what it said last; empty if nobody is to blame for what was running."""


class Worker:
    """One worker process in one life; ``board`` is its own while it lives."""

    def __init__(self, queues: Sequence[str], owners: dict[str, int], board: Board, place: int = 0) -> None:
        self.pid = 0
        self.owners = owners
        self.board = board
        self.born = Born(owners, place, board.begin_life())
        self.born_at = time.monotonic()
        self.last_words = LastWords()
        self.kill_at = 0.0
        """When it will be killed because it does not end as it should, by the monotonic clock."""
        self._queues = queues

    def was_ended_by_us(self, code: int) -> bool:
        """Return whether a process that ended with ``code`` was killed for what others did, or left by itself."""
        return self.board.left or (bool(self.kill_at) and code == -signal.SIGKILL)

    def obituary(self, code: int, peak: int, *, blameless: bool) -> Died:
        """Return what is to be told of its death.

        ``code`` is how it ended, ``peak`` the most memory it ever had, in MiB. Code 0 with a command
        still running is a death like any other: ``os._exit(0)``. ``blameless``: nobody is to be
        charged for what ran, as if we had ended it.
        """
        well = blameless or self.was_ended_by_us(code) or (code == 0 and not self.board.busy)
        cause = "" if well else cause_of(code)
        done, running = self.board.report()
        now = time.monotonic()
        charged: dict[str, list[str]] = {}
        overdue: dict[str, list[str]] = {}
        for channel, entries in running.items():
            name = self._queues[channel]
            overdue[name] = [entry.id for entry in entries if 0.0 < entry.deadline <= now]
            charged[name] = [entry.id for entry in entries if entry.id not in overdue[name]]
        if not cause or any(overdue.values()):
            charged = {}  # killed because of those that are overdue: the others only stood by
        reason = f"Its process {cause}; at its peak it had {peak} MiB." if cause else ""
        if reason and (lines := self.last_words.read()):
            reason = f"{reason}\n\nThe last lines it logged:\n{lines}"
        return Died(
            self.owners,
            {self._queues[channel]: ids for channel, ids in done.items()},
            charged,
            overdue,
            reason,
        )


def cause_of(code: int) -> str:
    """Return in words how a process ended."""
    if code < 0:
        known = [known.name for known in signal.Signals if known == -code]
        return f"was killed by {known[0] if known else f'signal {-code}'}"
    return f"exited with code {code}"
