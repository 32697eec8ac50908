"""A worker process from the supervisor's point of view, and the reports of its birth and its death."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from typing import NamedTuple

from .board import Board
from .last_words import LastWords
from .success_lines import SuccessLines, listening, pass_on


class Born(NamedTuple):
    """A report of the supervisor: there is a new worker process."""

    owners: dict[str, int]
    """Its owner token on each queue."""
    seat: int
    """The number of its board in the arena."""
    life: int
    """The number of its life in that seat."""


class Reclaimed(NamedTuple):
    """A report of the maintainer: nothing is lent to these owners any more."""

    owners: dict[str, int]


class Deaf(NamedTuple):
    """A report of the maintainer: a worker process does not reach the backend, which replies to the others."""

    owners: dict[str, int]


class Died(NamedTuple):
    """A report of the supervisor: a worker process is gone, with the contents of its board."""

    owners: dict[str, int]
    done: dict[str, list[str]]
    running: dict[str, list[str]]
    """Ids to charge with the death."""
    overdue: dict[str, list[str]]
    """Ids that had exceeded their time limit by then."""
    reason: str
    """What killed it and what it logged last; empty if the running commands are not to blame."""


class WorkerRecord:
    """The lifetime of one worker process; ``board`` is its own during that time."""

    def __init__(self, queues: Sequence[str], owners: dict[str, int], board: Board, seat: int = 0) -> None:
        self.pid = 0
        self.owners = owners
        self.board = board
        self.born = Born(owners, seat, board.begin_life())
        self.born_at = time.monotonic()
        self.last_words = LastWords()
        self.success_lines = SuccessLines()
        self.kill_at = 0.0
        """When it will be killed if it does not end as it should, by the monotonic clock."""
        self._queues = queues

    def was_ended_by_us(self, code: int) -> bool:
        """Return whether a process that ended with ``code`` was killed by us without fault, or left by itself."""
        return self.board.left or (bool(self.kill_at) and code == -signal.SIGKILL)

    def death_report(self, code: int, peak: int, *, blameless: bool) -> Died:
        """Return the report of its death, and log what it had no time to write.

        ``code`` is how it ended, ``peak`` its peak memory in MiB. Code 0 with a command
        still running is a death like any other: ``os._exit(0)``. ``blameless``: no running command is
        charged, as if we had ended the process.
        """
        if left := self.success_lines.left():
            pass_on(left, [self.last_words, *(listening() or ())])
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
            charged = {}  # killed because of the overdue commands: the others are not to blame
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
    """Return how a process ended, as text for a message."""
    if code < 0:
        known = [known.name for known in signal.Signals if known == -code]
        return f"was killed by {known[0] if known else f'signal {-code}'}"
    return f"exited with code {code}"
