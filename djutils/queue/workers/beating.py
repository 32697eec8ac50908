"""Beating for the worker processes whose pumps hear the backend, and finding those that do not."""

from __future__ import annotations

import logging
import time
from collections import deque
from math import inf

from .border import border
from .chore import Chore, Stores
from .crew import Crew, Member
from .options import ConsumerOptions
from .watch import Watch
from .worker import Deaf

logger = logging.getLogger("djutils.queue.workers.beating")


class Beating(Chore):
    """Advances the counters of the crew.

    A beat says more than that a process lives: its pump has heard the backend within the lease, or
    it runs a command, during which there may be nothing to hear. So what is lent to a process that
    is cut off alone does not stay there: others take it when its counter has stood still for the
    lease, and its supervisor hears of it.
    """

    name = "beating"

    def __init__(self, stores: Stores, crew: Crew, options: ConsumerOptions) -> None:
        self.deaf: deque[Deaf] = deque()
        """Processes that have heard nothing for twice the lease; whoever tells the supervisor takes them."""
        self._stores = stores
        self._crew = crew
        self._options = options
        self._hearing: Watch[Member] = Watch(2 * options.beat_every)
        self._next = 0.0

    def due_in(self) -> float:
        return self._next - time.monotonic() if self._stores.leased else inf

    def do(self) -> None:
        members = [member for member in self._crew if member.dead or member.has_the_board]
        certified = [member for member in members if self._is_certified(member)]
        self._stores.open()
        for name, queue in self._stores.leased.items():
            with border(queue):
                queue.beat([member.owners[name] for member in certified])
        now = time.monotonic()
        self._next = now + self._options.beat_every
        # Only now: who does not hear the backend itself can say nothing about others.
        self._hearing.look({member: self._sign_of_life(member, now) for member in members}, now)
        for member in members:
            if self._hearing.stood_still(member) >= 2 * self._options.lease and member.board.heard_at:
                self.deaf.append(Deaf(member.owners))

    def _is_certified(self, member: Member) -> bool:
        # What a dead one has done is known, and acked for it, as long as it is not struck off.
        return member.dead or self._hearing.stood_still(member) < self._options.lease

    def _sign_of_life(self, member: Member, now: float) -> float:
        return now if member.dead or member.board.busy else member.board.heard_at
