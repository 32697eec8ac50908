"""The maintainer: one process per consumer that does all the upkeep, as a list of chores.

Beating runs alone, in a thread with its own connections: no other chore can delay it,
whatever it waits for. The others run one after the other, and each fails on its own.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import suppress
from multiprocessing.connection import Connection

from .admitting import Admitting
from .arena import Arena
from .beating import Beating
from .bringing_back import BringingBack
from .chore import Chore, Guard, Stores
from .clock import Clock
from .counting import Counting
from .crew import Crew
from .expiring import Expiring
from .handback import Handback
from .options import ConsumerOptions
from .pausing import Pausing
from .presenting import Presenting
from .publishing import Publishing
from .reclaiming import Reclaiming
from .retention import Retention
from .strangers import Strangers
from .sweeping import Sweeping
from .unattended import Unattended
from .worker import Born, Deaf, Died, Reclaimed

logger = logging.getLogger("djutils.queue.workers.maintainer")

_LONGEST_NAP = 0.5


class Ticking(Chore):
    """Enqueues the periodic commands."""

    name = "enqueuing periodic commands"

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._clock = Clock(stores.queues)
        self._is_behind = False

    def due_in(self) -> float:
        return 0.0 if self._is_behind else self._clock.seconds_left()

    def do(self) -> None:
        self._is_behind = True
        self._clock.look()  # even when the store does not respond: commands that are due are kept until it does
        self._stores.open()
        self._clock.tick()
        self._is_behind = False


class Maintainer:
    """Does the upkeep of ``options.queues`` until the supervisor closes the connection."""

    def __init__(self, options: ConsumerOptions, supervisor: Connection, arena: Arena) -> None:
        self._supervisor = supervisor
        self._patience = options.lease / 2
        self._crew = crew = Crew(arena)
        stores = Stores(options.queues)
        self._reclaiming = Reclaiming(stores, crew, self._tell)
        pausing = Pausing(stores, arena.switches, arena.paused_commands)
        self._counting = Counting(stores, arena.tallies)
        chores: list[Chore] = [
            pausing,  # first: until it is done nothing begins
            BringingBack(stores, pausing),
            self._reclaiming,
            Handback(stores, crew),
            Strangers(stores, crew, options),
            Sweeping(stores),
            Admitting(stores),
            Retention(stores),
            Expiring(stores),
            Publishing(stores, crew, options),
            Presenting(stores, crew, options),
            Unattended(stores, options),
            self._counting,
        ]
        if options.periodic:
            chores.append(Ticking(stores))
        self._chores = [Guard(chore, stores, logger, options.beat_every) for chore in chores]
        own = Stores(options.queues)
        self._beating = Beating(own, crew, options)
        self._beat = Guard(self._beating, own, logger, options.beat_every)

    def run(self) -> int:
        """Work until the supervisor hangs up; return the exit code."""
        for live in (self._keep_beating, self._keep_watch):
            threading.Thread(target=live, name=live.__name__, daemon=True).start()
        listening, parent = True, os.getppid()
        while (listening or not self._reclaiming.is_over) and os.getppid() == parent:
            listening = listening and self._listen()
            if not listening:
                time.sleep(self._nap())
            for chore in self._chores:
                chore.do_if_due()
            while self._beating.deaf:
                self._tell(self._beating.deaf.popleft())
        self._counting.hurry()
        for chore in self._chores:
            chore.do_if_due()
        return 0

    def _keep_beating(self) -> None:
        while True:
            self._beat.do_if_due()
            time.sleep(min(_LONGEST_NAP, max(0.0, self._beat.due_in())))

    def _keep_watch(self) -> None:
        """Break calls that get no reply: none may delay a chore, least of all the beat, for longer than a lease."""
        while True:
            time.sleep(_LONGEST_NAP)
            for guard in (self._beat, *self._chores):
                guard.break_off(self._patience)

    def _listen(self) -> bool:
        """Handle reports of the supervisor until a chore is due; return False when it has hung up."""
        try:
            while self._supervisor.poll(self._nap()):
                self._hear(self._supervisor.recv())
        except (EOFError, OSError):
            return False
        return True

    def _hear(self, news: Born | Died) -> None:
        if isinstance(news, Born):
            self._crew.join(news)
            return
        self._crew.mark_dead(news.owners)
        self._reclaiming.add(news)

    def _nap(self) -> float:
        return max(0.0, min(_LONGEST_NAP, *(chore.due_in() for chore in self._chores)))

    def _tell(self, word: Reclaimed | Deaf) -> None:
        with suppress(OSError):  # the supervisor has hung up and needs no more reports
            self._supervisor.send(word)
