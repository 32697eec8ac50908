"""What was sent, what ran and what died, and which of it breaks a guarantee."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from djutils.queue import codec
from djutils.queue.backends.base import BaseQueue
from djutils.queue.exceptions import InvalidMessage
from djutils.queue.message import DeadLetter
from djutils.queue.registry import registry
from tests.project.app import trials
from tests.project.app.files import lines

Key = tuple[int, int]
"""A number, and how often it had been sent before: two messages if the first reply never came."""

_LAST = 1.0
"""Seconds before its end that count as the last moments of a backend."""

CRASHED = "processes that died"


class Run(NamedTuple):
    """The start of one run of a message, as recorded by the command itself."""

    key: Key
    process: str
    begun: float
    rivals: tuple[str, ...]
    """Processes that had begun the same message before and were alive at this moment."""


class History:
    """The numbers of one run of the driver, in ``folder``.

    The files are written by the commands: they know nothing of the backend.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        Path(folder).mkdir()
        self.sent: set[int] = set()
        """Numbers that the backend confirmed."""
        self.doubtful: set[int] = set()
        """Numbers sent once more because the first reply never came."""
        self.silenced: set[int] = set()
        """Processes that a fault kept silent for longer than the lease."""
        self.at_risk: set[int] = set()
        """Sent just before the backend was replaced by one that may not have heard of them."""
        self._sent_at: dict[int, float] = {}
        self.forgotten: list[tuple[float, float]] = []
        """From when to when the backend was gone, and came back without what it had last acknowledged."""

    def note_sent(self, number: int) -> None:
        """Record that the backend confirmed this number."""
        self.sent.add(number)
        self._sent_at[number] = monotonic()

    @contextmanager
    def forgetting(self, sent: bool = False) -> Iterator[None]:
        """Record that the backend goes away and comes back, and may have forgotten its last acknowledgements.

        ``sent``: also of what was sent.
        """
        gone = monotonic()
        yield
        self.forgotten.append((gone, monotonic()))
        if sent:
            self.at_risk |= {number for number, moment in self._sent_at.items() if moment > gone - _LAST}

    def _events(self, kind: str) -> list[list[str]]:
        written = (line.split(" ") for line in lines(Path(self.folder, trials.HISTORY)))
        return [words for words in written if words[0] == kind]

    def executed(self) -> Counter[int]:
        """Return how often each number ran to its end."""
        return Counter(_key(words[1])[0] for words in self._events("end"))

    def runs(self) -> list[Run]:
        """Return every start of a run, in order."""
        return [
            Run(_key(key), process, float(begun), tuple(filter(None, rivals.split(","))))
            for _, key, process, begun, rivals in self._events("begin")
        ]

    def verdict(self, queue: BaseQueue) -> Verdict:
        """Compare, when nothing runs any more."""
        executed, runs = self.executed(), self.runs()
        letters = [(number_of(letter, queue.name), letter) for letter in queue.dead_letters(count=100_000)]
        dead = {number for number, _ in letters if number is not None}
        return Verdict(
            sent=len(self.sent),
            executed=len(executed),
            dead=len(letters),
            lost=sorted(self.sent - executed.keys() - dead),
            unexpected=sorted(executed.keys() - self.sent - self.doubtful),
            unexplained=sorted(letter.id for _, letter in letters if not letter.reason),
            crashed=sum(CRASHED in letter.reason for _, letter in letters),
            doubled=len(runs) - len({run.key for run in runs}),
            doubled_within_lease=self._doubled_within_lease(runs),
        )

    def _doubled_within_lease(self, runs: list[Run]) -> list[Run]:
        """Return runs that began while the process of another run lived and held its lease, and nothing was forgotten."""
        first: dict[tuple[Key, str], float] = {}
        doubled = []
        for run in runs:
            if any(not self._is_excused(first[run.key, rival], rival, run.begun) for rival in run.rivals):
                doubled.append(run)
            first.setdefault((run.key, run.process), run.begun)
        return doubled

    def _is_excused(self, first: float, rival: str, second: float) -> bool:
        pid = int(rival.partition("/")[0])
        return pid in self.silenced or any(
            # Messages that were lent before the backend went away may have begun while it was gone.
            first < back and second > gone
            for gone, back in self.forgotten
        )


class Verdict(NamedTuple):
    """Counts, and broken guarantees."""

    sent: int
    executed: int
    dead: int
    lost: list[int]
    unexpected: list[int]
    """Numbers that ran although they were never sent."""
    unexplained: list[str]
    """Dead letters without a reason."""
    crashed: int
    """Dead letters that are charged with crashes."""
    doubled: int
    doubled_within_lease: list[Run]


def _key(text: str) -> Key:
    number, _, sending = text.partition(".")
    return int(number), int(sending)


def number_of(letter: DeadLetter, queue: str) -> int | None:
    """The number of a dead letter; None if it is something else."""
    try:
        message = codec.decode(letter.data, queue)
    except InvalidMessage:
        return None
    if message.command != trials.record.command_class.name:
        return None
    number: int = registry.get_command_for_message(message).data[0][1]
    return number
