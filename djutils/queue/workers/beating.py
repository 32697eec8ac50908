"""Beats for the worker processes whose pumps reach the backend, and finds those that do not."""

from __future__ import annotations

import logging
import time
from collections import deque
from math import inf

from djutils.queue.backends.border import border

from .chore import Chore, Stores
from .crew import Crew, Member
from .options import ConsumerOptions
from .watch import Watch
from .worker import Deaf

logger = logging.getLogger("djutils.queue.workers.beating")


class Beating(Chore):
    """Advances the counters of the crew.

    A beat means more than that a process is alive: its pump has reached the backend within the lease, or
    it is running a command, during which there may be nothing to send. So messages lent to a process that
    alone has lost its connection do not stay there: others take them when its counter has not advanced for the
    lease, and its supervisor is told.
    """

    name = "beating"

    def __init__(self, stores: Stores, crew: Crew, options: ConsumerOptions) -> None:
        self.deaf: deque[Deaf] = deque()
        """Processes that have not reached the backend for twice the lease; the maintainer reports and removes them."""
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
        # Only now: a maintainer that does not reach the backend itself cannot judge others.
        self._hearing.look({member: self._sign_of_life(member, now) for member in members}, now)
        for member in members:
            if self._hearing.stood_still(member) >= 2 * self._options.lease and member.board.heard_at:
                self.deaf.append(Deaf(member.owners))

    def _is_certified(self, member: Member) -> bool:
        # The board shows what a dead process has done; it can be acked as long as the owner is not removed.
        return member.dead or self._hearing.stood_still(member) < self._options.lease

    def _sign_of_life(self, member: Member, now: float) -> float:
        return now if member.dead or member.board.busy else member.board.heard_at
