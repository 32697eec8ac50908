"""How many messages a pump requests at a time, and how long it waits when there are none."""

from __future__ import annotations

import time

from .feed import Feed
from .options import ConsumerOptions
from .runner import Runner

BUDGET = 0.05
"""Seconds of estimated work to buffer per thread."""
_SHORT_WAIT = 0.2


class Pace:
    """Adapts to how long the runner's commands take."""

    def __init__(self, runner: Runner, options: ConsumerOptions) -> None:
        self._runner = runner
        self._options = options
        self._delay = options.delay

    def work_was_found(self) -> None:
        """Start again with short pauses."""
        self._delay = self._options.delay

    def pause(self) -> float:
        """Return the seconds to wait for work; they grow each time there is none."""
        delay = self._delay
        self._delay = min(self._options.max_delay, delay * self._options.backoff)
        return min(delay, self._options.beat_every)

    def wait(self, feed: Feed) -> float:
        """Return how long the backend may wait for a message by itself."""
        if not feed.channel.blocking or self._runner.waiting:
            return 0.0
        wait = self.pause()
        return min(wait, _SHORT_WAIT) if self._runner.idle < self._runner.count else wait

    def room(self, feed: Feed, received: int) -> int:
        """Return how many to request: as many as the budget allows, none while every thread is stuck.

        ``received`` is how many this process has received in its lifetime.
        """
        channel, runner = feed.channel, self._runner
        if feed.is_clogged:
            return 0
        if not channel.prefetches:
            return max(0, min(side.idle - side.waiting for side in runner.sides))
        rooms = [(side, _room_on(side, channel.batch)) for side in runner.sides]
        # Which side the next messages are for is not known: a side that is full may be lent one that it gives back.
        if any(side.waiting and room <= 0 for side, room in rooms) or all(room <= 0 for _, room in rooms):
            return 0
        room = min(channel.batch, runner.room, *(int(max(1, room) / side.share) for side, room in rooms))
        if self._options.max_commands:
            room = min(room, self._options.max_commands - received)
        return max(0, room)

    def to_prefetch(self, feed: Feed) -> int:
        """Return how many to prefetch while those in the buffer run: half of what the budget allows.

        So no message waits longer than it would without prefetching. 0 if these already take too long.
        """
        runner = self._runner
        if runner.cost * runner.waiting > BUDGET:
            return 0
        return min(feed.channel.batch, _budget(runner) // 2, runner.room)


def _room_on(side: Runner, batch: int) -> int:
    """Return how many more messages ``side`` should hold; 0 while all that it runs are stuck."""
    if not side.idle and time.monotonic() - side.moved_at > BUDGET:
        return 0
    most = max(side.least, min(side.batches * batch, _budget(side)))
    side.low = max(side.least, most - batch)
    return most - side.waiting


def _budget(side: Runner) -> int:
    """Return an estimate of how many commands all threads of ``side`` together run in ``BUDGET`` seconds."""
    return int(side.count * BUDGET / max(side.cost, 1e-6))
