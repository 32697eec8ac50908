"""The maintainer: one process per consumer that does all the upkeep.

It beats for the consumer's workers, hands back what dead ones held, takes from owners whose beats
stand still, and enqueues periodic commands.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection

from djutils.queue.backends import queues
from djutils.queue.backends.base import LeasedQueue
from djutils.queue.exceptions import BackendUnavailable

from .burial import Grave
from .clock import Clock
from .options import ConsumerOptions
from .worker import Born, Died

logger = logging.getLogger("djutils.queue.workers.maintainer")

_BEATS_PER_LEASE = 6
_OUTAGE_PAUSE = 1.0


class Watch:
    """Judges by its own monotonic clock whose beat counter on one queue stands still."""

    def __init__(self, lease: float) -> None:
        self._lease = lease
        self._seen: dict[int, tuple[int, float]] = {}

    def still(self, beats: Mapping[int, int], now: float) -> list[tuple[int, int]]:
        """Answer (owner, beats) of those whose counter has not moved for the lease."""
        for owner, count in beats.items():
            if self._seen.get(owner, (None,))[0] != count:
                self._seen[owner] = (count, now)
        for owner in self._seen.keys() - beats.keys():
            del self._seen[owner]
        return [(o, count) for o, (count, since) in self._seen.items() if now - since >= self._lease]

    def forget(self) -> None:
        """Begin anew: for a while nothing could be seen, so nothing can be said."""
        self._seen.clear()


class Maintainer:
    """Does the upkeep of ``options.queues`` until the supervisor closes the connection."""

    def __init__(self, options: ConsumerOptions, supervisor: Connection) -> None:
        self._options = options
        self._supervisor = supervisor
        self._queues = {name: queues.fresh(name) for name in options.queues}
        self._leased = {n: q for n, q in self._queues.items() if isinstance(q, LeasedQueue)}
        self._living: dict[str, set[int]] = {name: set() for name in self._leased}
        self._watches = {name: Watch(options.lease) for name in self._leased}
        self._dead: list[Died] = []
        self._beat_every = options.lease / _BEATS_PER_LEASE
        self._next_beat = time.monotonic()
        self._clock = Clock(self._queues) if options.periodic else None

    def run(self) -> int:
        """Live; answer the exit code."""
        for queue in self._leased.values():
            queue.open()
        listening, parent = True, os.getppid()
        while (listening or self._dead) and os.getppid() == parent:
            listening = listening and self._listen()
            try:
                self._upkeep()
            except BackendUnavailable as error:
                logger.warning("Upkeep has to wait: %s", error)
                for watch in self._watches.values():
                    watch.forget()
                time.sleep(_OUTAGE_PAUSE)
        return 0

    def _listen(self) -> bool:
        """Hear what the supervisor says, until something is due; False when it has hung up."""
        try:
            while not self._dead and self._supervisor.poll(self._idle_for()):
                self._hear(self._supervisor.recv())
        except EOFError:
            return False
        return True

    def _hear(self, news: Born | Died) -> None:
        if isinstance(news, Died):
            self._dead.append(news)
            return
        for name in self._leased:
            self._living[name].add(news.owners[name])

    def _idle_for(self) -> float:
        wait = self._next_beat - time.monotonic()
        if self._clock:
            wait = min(wait, self._clock.seconds_left())
        return max(0.0, wait)

    def _upkeep(self) -> None:
        if self._clock:
            self._clock.look()
        while self._dead:
            self._bury(self._dead[0])
            died = self._dead.pop(0)
            self._supervisor.send(died.owners)
        if time.monotonic() >= self._next_beat:
            for name, queue in self._leased.items():
                queue.beat(self._living[name])
                self._reap_strangers(name, queue)
            self._next_beat = time.monotonic() + self._beat_every
        if self._clock:
            self._clock.tick()

    def _bury(self, died: Died) -> None:
        for name, queue in self._leased.items():
            self._living[name].discard(died.owners[name])
            Grave(died, name).settle(queue)

    def _reap_strangers(self, name: str, queue: LeasedQueue) -> None:
        for owner, beats in self._watches[name].still(queue.owners(), time.monotonic()):
            if owner not in self._living[name]:
                back = queue.reap(owner, beats)
                logger.warning(
                    "An owner on %s was silent for %.0f s: %d messages are handed back.",
                    name,
                    self._options.lease,
                    back,
                )
