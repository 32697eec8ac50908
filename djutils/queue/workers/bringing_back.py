"""Bringing back: what was put aside of a paused command is due as soon as the command is resumed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from djutils.queue.backends.border import border
from djutils.queue.backends.leased import PUT_ASIDE_FOR, LeasedQueue
from djutils.queue.command_pauses import why_put_aside

from .chore import Chore, Stores
from .pausing import EVERY, Pausing

_AT_ONCE = 500
_PARTS = 4
_LONGEST_PAUSE = 16.0
_RECENT = 2 * PUT_ASIDE_FOR


@dataclass
class _Search:
    """Of one command that was resumed: when to look, and how long to wait if there is nothing."""

    moment: float
    due: float
    pause: float = EVERY


class BringingBack(Chore):
    """Looks a few times after each resume: a worker may have put a message aside that it received shortly before.

    What it misses is due when its delay is over; so is what was resumed longer ago than that.
    """

    name = "bringing back messages of resumed commands"

    def __init__(
        self, stores: Stores, pausing: Pausing, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._stores = stores
        self._pausing = pausing
        self._monotonic = monotonic
        self._searches: dict[tuple[str, str], _Search] = {}

    def due_in(self) -> float:
        self._note_resumed()
        return min((one.due for one in self._searches.values()), default=inf) - self._monotonic()

    def do(self) -> None:
        """Bring back one part of what each resumed command has waiting."""
        self._note_resumed()
        self._stores.open()
        for (name, command), search in self._searches.items():
            if search.due <= self._monotonic():
                more = self._bring_back(self._stores.leased[name], why_put_aside(command))
                search.pause = EVERY if more else search.pause * 2
                search.due = self._monotonic() + (0.0 if more else search.pause)
                if search.pause > _LONGEST_PAUSE:
                    search.due = inf

    def _bring_back(self, queue: LeasedQueue, why: str) -> int:
        brought = 0
        for _ in range(_PARTS):
            with border(queue):
                some = queue.bring_back(why, _AT_ONCE)
            brought += some
            if some < _AT_ONCE:
                break
        return brought

    def _note_resumed(self) -> None:
        resumed = {
            (name, command): moment
            for name, known in self._pausing.commands.items()
            for command, moment in known.resumed.items()
            if name in self._stores.leased and moment > time.time() - _RECENT
        }
        kept = self._searches
        now = self._monotonic()
        self._searches = {
            which: kept[which] if which in kept and kept[which].moment == moment else _Search(moment, now)
            for which, moment in resumed.items()
        }
