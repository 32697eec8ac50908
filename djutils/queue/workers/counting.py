"""Counting: adds what the worker processes have counted to the counters in the store, every few seconds."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from math import inf

from djutils.queue import counters
from djutils.queue.backends.border import border

from .chore import Chore, Stores
from .tally import CountedRow, Tally

EVERY = 10.0


class Counting(Chore):
    """Tells the stores what is new; a consumer that runs nothing writes nothing.

    If a store fails, the rest is told later; what it was told when it failed may be counted twice.
    """

    name = "adding to the counters"

    def __init__(self, stores: Stores, tallies: Sequence[Tally]) -> None:
        self._stores = stores
        self._tallies = tallies
        self._next = time.monotonic() + EVERY

    def hurry(self) -> None:
        """Be due now."""
        self._next = 0.0

    def due_in(self) -> float:
        return self._next - time.monotonic() if self._with_store() else inf

    def do(self) -> None:
        """Tell the store beside each queue."""
        self._next = time.monotonic() + EVERY
        new = defaultdict[int, list[tuple[Tally, CountedRow]]](list)
        for tally in self._tallies:
            for row in tally.rows():
                if row.counted != row.told:
                    new[row.queue].append((tally, row))
        if new:
            self._stores.open()
        for number, queue in enumerate(self._stores.queues.values()):
            if queue.store is not None and new[number]:
                with border(queue):
                    counters.add(queue.store, _sums(row for _, row in new[number]), time.time())
                for tally, row in new[number]:
                    tally.note_told(row)

    def _with_store(self) -> bool:
        return any(queue.store is not None for queue in self._stores.queues.values())


def _sums(rows: Iterable[CountedRow]) -> dict[str, counters.Numbers]:
    found = defaultdict[str, counters.Figures](counters.Figures)
    for row in rows:
        found[row.command].add(row.untold)
    return {command: figures.numbers for command, figures in found.items()}
