"""How much a pump asks for at a time, and how long it waits when there is nothing."""

from __future__ import annotations

import time

from .feed import Feed
from .options import ConsumerOptions
from .runner import Runner

BUDGET = 0.05
"""Seconds of estimated work per thread to have at hand."""
_SHORT_WAIT = 0.2


class Pace:
    """Follows what the runner's commands cost."""

    def __init__(self, runner: Runner, options: ConsumerOptions) -> None:
        self._runner = runner
        self._options = options
        self._delay = options.delay

    def work_was_found(self) -> None:
        """Begin with short pauses again."""
        self._delay = self._options.delay

    def pause(self) -> float:
        """Return the seconds to wait for work; longer each time there was none."""
        delay = self._delay
        self._delay = min(self._options.max_delay, delay * self._options.backoff)
        return min(delay, self._options.beat_every)

    def wait(self, feed: Feed) -> float:
        """Return how long the backend may wait for a message by itself."""
        if not feed.channel.blocking or self._runner.buffer:
            return 0.0
        wait = self.pause()
        return min(wait, _SHORT_WAIT) if self._runner.idle < self._runner.count else wait

    def room(self, feed: Feed, received: int) -> int:
        """Return how many to ask for: the budget's worth, nothing while every thread is stuck.

        ``received`` is how many this process has received in its life.
        """
        channel, runner = feed.channel, self._runner
        if feed.is_clogged:
            return 0
        if not channel.prefetches:
            return max(0, runner.idle - len(runner.buffer))
        if not runner.idle and time.monotonic() - runner.moved_at > BUDGET:
            return 0
        most = max(runner.count, min(runner.batches * channel.batch, self._budget()))
        runner.low = max(runner.count, most - channel.batch)
        room = min(channel.batch, most - len(runner.buffer))
        if self._options.max_commands:
            room = min(room, self._options.max_commands - received)
        return max(0, room)

    def ahead(self, feed: Feed, got: int) -> int:
        """Return how many to ask for while the ``got`` last ones are run: half of what the budget allows.

        So the others wait for no more than they did without it. 0 if these take too long already.
        """
        if self._runner.cost * got > BUDGET:
            return 0
        return min(feed.channel.batch, self._budget() // 2)

    def _budget(self) -> int:
        """Return how many commands all threads together seem to run in ``BUDGET`` seconds."""
        return int(self._runner.count * BUDGET / max(self._runner.cost, 1e-6))
