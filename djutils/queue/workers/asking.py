"""Asking ahead: the backend lends the next batch while the last one is run."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from djutils.queue.exceptions import BackendError
from djutils.queue.message import Delivery

from .feed import Feed, ids
from .runner import Finished


class Asked(NamedTuple):
    """A batch that was asked for before the last one was run, and what is acked with it."""

    answer: Callable[[], list[Delivery]]
    done: list[Finished]
    at: float


class Asking:
    """What was asked of one feed and is not yet heard."""

    def __init__(self) -> None:
        self._asked: Asked | None = None

    def __bool__(self) -> bool:
        return self._asked is not None

    def ask(self, feed: Feed, count: int) -> bool:
        """Ask for up to ``count`` deliveries and ack what is done; return whether the backend can do so."""
        done, now = feed.done, time.monotonic()
        answer = feed.channel.ask(count, ids(done))
        if answer is None:
            return False
        self._asked, feed.done = Asked(answer, done, now), []
        return True

    def hear(self, feed: Feed) -> tuple[list[Delivery], float]:
        """Return what was asked for, and when; first of all, for nothing else may be asked before."""
        asked, self._asked = self._asked, None
        if asked is None:
            return [], 0.0
        try:
            deliveries = asked.answer()
        except BackendError:
            feed.take_again(asked.done)
            raise
        feed.confirm(asked.done)
        return deliveries, asked.at

    def drop(self) -> None:
        """Nobody will hear it."""
        self._asked = None
