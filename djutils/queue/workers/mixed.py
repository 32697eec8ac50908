"""Coroutines and threads in one process: each message goes to the side that runs its command."""

from __future__ import annotations

from collections.abc import Sequence

from djutils.queue.executor import Executor

from .board import Board
from .coroutines import Coroutines
from .runner import Runner, Waiting
from .threads import Threads

_WEIGHT = 0.2
"""The weight of the last batch in the moving average ``share``."""
_LEAST_SHARE = 0.01


class Mixed(Runner):
    """One runner for the pump; the two sides share what has ended and what was returned."""

    def __init__(
        self, coroutines: Coroutines, threads: Threads, executors: Sequence[Executor], board: Board
    ) -> None:
        super().__init__(coroutines.count + threads.count, executors, board)
        self._sides = (coroutines, threads)
        for side in self._sides:
            side.finished, side.returned = self.finished, self.returned
            side.share = 0.5

    @property
    def sides(self) -> Sequence[Runner]:
        return self._sides

    @property
    def idle(self) -> int:
        return sum(side.idle for side in self._sides)

    @property
    def waiting(self) -> int:
        return sum(side.waiting for side in self._sides)

    @property
    def busy(self) -> bool:
        return any(side.busy for side in self._sides)

    @property
    def alive(self) -> bool:
        return all(side.alive for side in self._sides)

    @property
    def stale(self) -> bool:
        return any(side.stale for side in self._sides)

    def accept(self, word: int) -> None:
        super().accept(word)
        for side in self._sides:
            side.accept(word)

    def _refresh(self, until: float) -> None:
        for side in self._sides:
            side._refresh(until)

    def disown(self) -> None:
        for side in self._sides:
            side.disown()

    def start(self) -> None:
        """Start both sides."""
        for side in self._sides:
            side.start()

    def put(self, waiting: Sequence[Waiting]) -> None:
        if not waiting:
            return
        awaited: list[Waiting] = []
        others: list[Waiting] = []
        for channel, delivery in waiting:
            opened, is_awaited = self._executors[channel].open(delivery)
            (awaited if is_awaited else others).append((channel, opened))
        for side, its_own in zip(self._sides, (awaited, others), strict=True):
            share = len(its_own) / len(waiting)
            side.share = max(_LEAST_SHARE, side.share + (share - side.share) * _WEIGHT)
            if its_own:
                side.put(its_own)

    def take_back(self) -> list[Waiting]:
        return [one for side in self._sides for one in side.take_back()]

    def close(self) -> None:
        for side in self._sides:
            side.close()
