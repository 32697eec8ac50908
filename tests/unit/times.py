"""Time as a parameter: a test says when it passes, and when the clock of the machine is set."""

from __future__ import annotations

from datetime import UTC, datetime

from djutils.queue import codec
from djutils.queue.backends.base import BaseQueue
from djutils.queue.workers.chore import Chore
from djutils.queue.workers.clock import Clock

MODULE = "tests.unit.commands_for_tests"
LEAP = datetime(2024, 2, 29, 3, 7, 30, tzinfo=UTC)
"""In this minute two of its commands are due, and a third one fails."""


def names_on(queue: BaseQueue) -> list[str]:
    """Take everything off ``queue``; return the names of the commands, sorted."""
    waiting = iter(queue.read, None)
    return sorted(codec.decode(data, queue.name).command.removeprefix(f"{MODULE}.") for data in waiting)


class Times:
    """The clock of a machine, and its monotonic clock, which cannot be set."""

    def __init__(self, moment: datetime) -> None:
        self._shown = moment.timestamp()
        self._passed = 1000.0

    def now(self) -> float:
        return self._shown

    def monotonic(self) -> float:
        return self._passed

    def until(self, moment: datetime) -> None:
        """Let the time pass until the clock shows ``moment``."""
        self.elapse(moment.timestamp() - self._shown)

    def elapse(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        self._shown += seconds
        self._passed += seconds

    def rounds(self, chore: Chore) -> int:
        """Do ``chore`` until nothing is left of a round, let the time pass in between; return how often it was done."""
        count = 0
        while count < 100 and chore.due_in() < 30:
            self.elapse(max(0.0, chore.due_in()))
            chore.do()
            count += 1
        return count

    def set_clock(self, moment: datetime) -> None:
        """Set the clock of the machine, or suspend the machine until then."""
        self._shown = moment.timestamp()

    def shown(self) -> datetime:
        return datetime.fromtimestamp(self._shown, UTC)

    def clock(self, *queues: BaseQueue) -> Clock:
        """Return the clock of one more consumer of ``queues`` on this machine."""
        return Clock({queue.name: queue for queue in queues}, self.now, self.monotonic)


def minutes(clock: Clock, times: Times, queue: BaseQueue, count: int = 1) -> list[str]:
    """Let so many minutes pass; return the names of what was enqueued."""
    found = []
    for _ in range(count):
        times.elapse(60)
        clock.tick()
        found += names_on(queue)
    return found
