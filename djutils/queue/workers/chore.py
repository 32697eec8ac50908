"""Chores: what the maintainer does, each apart from the others."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from math import inf

from djutils.queue.backends import queues
from djutils.queue.backends.base import BaseQueue, LeasedQueue
from djutils.queue.exceptions import BackendError

from .border import border
from .outage import Outage


class Stores:
    """The connections to the queues that the chores of one thread share; made when they are needed."""

    def __init__(self, names: Sequence[str]) -> None:
        self.queues: dict[str, BaseQueue] = {name: queues.fresh(name) for name in names}
        self.leased = {n: queue for n, queue in self.queues.items() if isinstance(queue, LeasedQueue)}
        self._open: set[str] = set()

    def open(self) -> None:
        """Get ready to use them. Raises ``BackendError``."""
        for name in self.leased.keys() - self._open:
            with border(self.leased[name]):
                self.leased[name].open()
            self._open.add(name)

    def hang_up(self) -> None:
        """Break every connection, for a thread that waits on one of them; in any thread."""
        for queue in self.leased.values():
            queue.hang_up()

    def close(self) -> None:
        """Let go of every connection, so that the next ``open()`` makes new ones."""
        self._open.clear()
        for queue in self.leased.values():
            with suppress(Exception):  # it is given up, whatever it says
                queue.close()


class Chore(ABC):
    """Something to be done now and then."""

    name: str

    @abstractmethod
    def due_in(self) -> float:
        """Return the seconds until it is to be done; 0 or less: now."""

    @abstractmethod
    def do(self) -> None:
        """Do it. Whatever it raises is waited out, and then it is done again."""


class Guard:
    """Keeps what happens to one chore away from the others: it fails alone and waits alone."""

    def __init__(self, chore: Chore, stores: Stores, logger: logging.Logger, longest_pause: float) -> None:
        self._chore = chore
        self._stores = stores
        self._logger = logger
        headline = f"Upkeep has to wait ({chore.name}): %s It is tried again; everything else goes on."
        self._outage = Outage(logger, headline, longest_pause)
        self._not_before = 0.0
        self._began = inf

    def due_in(self) -> float:
        """Return the seconds until there is something to do."""
        return max(self._chore.due_in(), self._not_before - time.monotonic())

    def do_if_due(self) -> None:
        """Do the chore if it is due; never raises."""
        if self.due_in() > 0:
            return
        self._began = time.monotonic()
        try:
            self._chore.do()
        except Exception as error:
            if not isinstance(error, BackendError) and not self._outage.lasts:
                self._logger.exception("The maintainer failed at a chore (%s).", self._chore.name)
            self._not_before = time.monotonic() + self._outage.note(error)
            self._stores.close()
        else:
            self._outage.over()
        finally:
            self._began = inf

    def break_off(self, after: float) -> None:
        """Break the chore's connections if it has been going on for ``after`` seconds; in another thread."""
        if time.monotonic() - self._began > after:
            self._stores.hang_up()
