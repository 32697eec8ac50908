"""What was sent, what ran, what died: and what of it should not be so."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from djutils.queue import codec
from djutils.queue.backends.base import BaseQueue
from djutils.queue.registry import registry
from tests.project.app import commands


class History:
    """The numbers of one run. The file is written by the commands: it knows nothing of the backend."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.sent: set[int] = set()
        """The backend said it has them."""
        self.doubtful: set[int] = set()
        """Sent once more because the first answer never came: two runs of these are nobody's fault."""

    def executed(self) -> Counter[int]:
        """How often each number ran."""
        return Counter(int(line.split()[0]) for line in commands.lines(self.path))

    def verdict(self, queue: BaseQueue) -> Verdict:
        """Compare, when nothing runs any more."""
        executed, dead = self.executed(), dead_numbers(queue)
        doubled = {number: runs for number, runs in executed.items() if runs > 1}
        return Verdict(
            sent=len(self.sent),
            executed=len(executed),
            dead=len(dead),
            lost=sorted(self.sent - executed.keys() - dead.keys()),
            unexpected=sorted(executed.keys() - self.sent - self.doubtful),
            unexplained=sorted(number for number, reason in dead.items() if not reason),
            doubled=sum(runs - 1 for number, runs in doubled.items() if number not in self.doubtful),
        )


class Verdict(NamedTuple):
    """Counts, and the numbers that break a promise."""

    sent: int
    executed: int
    dead: int
    lost: list[int]
    unexpected: list[int]
    unexplained: list[int]
    doubled: int


def dead_numbers(queue: BaseQueue) -> dict[int, str]:
    """The numbers among the dead letters, each with its reason."""
    found = {}
    for letter in queue.dead_letters(count=100_000):
        command = registry.get_command_for_message(codec.decode(letter.data, queue.name))
        found[command.data[0][1]] = letter.reason
    return found
