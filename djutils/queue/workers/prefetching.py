"""Prefetching: the backend lends the next batch while the last one runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from djutils.queue.exceptions import BackendError
from djutils.queue.message import Delivery

from .feed import Feed, ids
from .runner import Finished


class Requested(NamedTuple):
    """A batch that was requested before the last one ran, and what is acked with it."""

    answer: Callable[[], list[Delivery]]
    done: list[Finished]
    at: float


class Prefetch:
    """A request for a batch of one feed whose reply has not been read yet."""

    def __init__(self) -> None:
        self._requested: Requested | None = None

    def __bool__(self) -> bool:
        return self._requested is not None

    def start(self, feed: Feed, count: int) -> bool:
        """Request up to ``count`` deliveries and ack what is done; return whether the backend supports this."""
        done, now = feed.done, time.monotonic()
        answer = feed.channel.prefetch(count, ids(done))
        if answer is None:
            return False
        self._requested, feed.done = Requested(answer, done, now), []
        return True

    def hear(self, feed: Feed) -> tuple[list[Delivery], float]:
        """Return the requested deliveries, and when they were requested; call this before any other request."""
        requested, self._requested = self._requested, None
        if requested is None:
            return [], 0.0
        try:
            deliveries = requested.answer()
        except BackendError:
            feed.take_again(requested.done)
            raise
        feed.confirm(requested.done)
        return deliveries, requested.at

    def drop(self) -> None:
        """Discard the request: its reply will not be read."""
        self._requested = None
