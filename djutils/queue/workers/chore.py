"""Chores: the maintainer's periodic work, each isolated from the others."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from math import inf

from djutils.queue.backends import queues
from djutils.queue.backends.base import BaseQueue
from djutils.queue.backends.border import border
from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.exceptions import BackendError

from .outage import Outage


class Stores:
    """The connections to the queues that the chores of one thread share; opened when needed."""

    def __init__(self, names: Sequence[str]) -> None:
        self.queues: dict[str, BaseQueue] = {name: queues.fresh(name) for name in names}
        self.leased = {n: queue for n, queue in self.queues.items() if isinstance(queue, LeasedQueue)}
        self._open: set[str] = set()

    def open(self) -> None:
        """Open them. Raises ``BackendError``."""
        for name in self.leased.keys() - self._open:
            with border(self.leased[name]):
                self.leased[name].open()
            self._open.add(name)

    def hang_up(self) -> None:
        """Break every connection, so that a thread that waits on one of them returns; in any thread."""
        for queue in self.leased.values():
            queue.hang_up()

    def close(self) -> None:
        """Close every connection, so that the next ``open()`` opens new ones."""
        self._open.clear()
        for queue in self.leased.values():
            with suppress(Exception):  # the connection is given up, whatever the error
                queue.close()


class Chore(ABC):
    """A piece of periodic work."""

    name: str

    @abstractmethod
    def due_in(self) -> float:
        """Return the seconds until it is due; 0 or less: now."""

    @abstractmethod
    def do(self) -> None:
        """Do it. After any exception there is a pause, and then it is done again."""


class Guard:
    """Isolates a chore from the others: it fails alone and waits alone."""

    def __init__(self, chore: Chore, stores: Stores, logger: logging.Logger, longest_pause: float) -> None:
        self._chore = chore
        self._stores = stores
        self._logger = logger
        headline = f"Upkeep is delayed ({chore.name}): %s It is retried; everything else continues."
        self._outage = Outage(logger, headline, longest_pause)
        self._not_before = 0.0
        self._began = inf

    def due_in(self) -> float:
        """Return the seconds until the chore is due."""
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
                self._logger.exception(
                    "A chore of the maintainer failed (%s); it is retried.", self._chore.name
                )
            self._not_before = time.monotonic() + self._outage.note(error)
            self._stores.close()
        else:
            self._outage.over()
        finally:
            self._began = inf

    def break_off(self, after: float) -> None:
        """Break the chore's connections if it has been running for ``after`` seconds; called in another thread."""
        if time.monotonic() - self._began > after:
            self._stores.hang_up()
