"""What a worker process receives: from which queue, how many at a time, and how long it waits for messages."""

from __future__ import annotations

import time
from collections.abc import Sequence

from djutils.queue.message import Delivery

from .aside import put_aside
from .board import Board
from .feed import Feed
from .feeds import Feeds
from .options import ConsumerOptions
from .pace import Pace
from .runner import Runner, Waiting
from .suspects import Suspects


class Intake:
    """Receives messages and hands them to the runner, or to the suspects.

    Every method raises ``BackendError`` if the backend fails; what was lent in a lost reply is then unknown here.
    """

    def __init__(
        self, feeds: Feeds, runner: Runner, suspects: Suspects, board: Board, options: ConsumerOptions
    ) -> None:
        self.received = 0
        """How many deliveries were handed over and not given back."""
        self.waited = False
        """Whether the backend was allowed to wait for a message in the last ``receive()``."""
        self.pace = Pace(runner, options)
        self._feeds = feeds
        self._runner = runner
        self._suspects = suspects
        self._board = board
        self._options = options

    def hear(self) -> Feed | None:
        """Take in the batch that was requested, before any other call of its channel; return a feed that had some."""
        for feed in self._feeds:
            if feed.is_requested:
                return feed if self._take_in(feed, feed.hear()) else None
        return None

    def receive(self, heard: Feed | None) -> bool:
        """Ask the queues in turn while there is room, wait if there is nothing; return whether there was something."""
        got, enough, only = heard is not None, False, self._feeds.only
        self.waited = False
        for feed in self._feeds.in_turn():
            if feed is not heard:
                got |= self._ask(feed, 0 if enough else self._room(feed), may_wait=feed is only)
            enough = enough or (feed.has_plenty and not feed.is_paused)
        for feed in () if got or only else self._feeds.waiting:
            got = got or self._ask(feed, self._room(feed), may_wait=True)
        self._board.hold(self._feeds.held)
        return got

    def _ask(self, feed: Feed, room: int, *, may_wait: bool) -> bool:
        if not room and not feed.done and not self._runner.stale:
            return False
        wait = self._wait(feed) if room and may_wait else 0.0
        self.waited = self.waited or wait > 0
        self._board.hold(self._feeds.held + room)
        return self._take_in(feed, feed.receive(room, wait))

    def _wait(self, feed: Feed) -> float:
        return min(self.pace.wait(feed), self._feeds.patience) / max(1, len(self._feeds.waiting))

    def _room(self, feed: Feed) -> int:
        if feed.is_paused or self._suspects.exclusive:
            return 0
        room = self.pace.room(feed, self.received)
        # What is put aside needs no room, and other commands wait behind it; of these, what is too much is given back.
        return feed.channel.batch if room and feed.is_all_aside else room

    def _take_in(self, feed: Feed, deliveries: Sequence[Delivery]) -> bool:
        """Hand over deliveries; those held already are still ours, as the backend knew this owner."""
        if feed.channel.leased:
            self._runner.trust(feed.asked_at, self._options.lease / 2)
        self.hand_over(feed, deliveries)
        return bool(deliveries)

    def hand_over(self, feed: Feed, deliveries: Sequence[Delivery]) -> None:
        """Hand deliveries of ``feed`` to the runner, or to the suspects; give them back if it was paused meanwhile."""
        if not deliveries:
            return
        waiting = [(feed.number, delivery) for delivery in deliveries]
        if feed.is_paused:
            self._feeds.give_back(waiting, delay=0.0)
            return
        paused = self._feeds.paused_commands.current()
        if paused or feed.is_all_aside:
            waiting = self._put_aside(feed, deliveries, paused)
        self.received += len(waiting)
        self._feeds.charge(feed, len(waiting))
        self._runner.put(self._suspects.set_aside(waiting))

    def _put_aside(
        self, feed: Feed, deliveries: Sequence[Delivery], paused: frozenset[bytes]
    ) -> list[Waiting]:
        """Put aside those of ``deliveries`` whose commands are paused; return as many of the others as there is room for."""
        others = [(feed.number, one) for one in put_aside(feed, deliveries, paused)]
        room = self.pace.room(feed, self.received) if feed.is_all_aside else len(others)
        feed.is_all_aside = not others and feed.channel.leased
        self._feeds.give_back(others[room:], delay=0.0)
        return others[:room]

    def ack(self) -> None:
        """Ack what is done; receive nothing."""
        for feed in self._feeds:
            self._ask(feed, 0, may_wait=False)
        self._board.hold(self._feeds.held)

    def keep_in_touch(self) -> None:
        """Call the backend now and then even if there is nothing to do: a worker that does not loses its lease."""
        if time.monotonic() - self._board.heard_at > self._options.beat_every:
            for feed in self._feeds:
                feed.receive(0)

    def prefetch(self) -> None:
        """Request the next messages while these run, where there seem to be more."""
        if not self._runner.here or self._options.max_commands or self._suspects.exclusive:
            return
        feed = next((one for one in self._feeds.in_turn() if one.has_plenty and not one.is_paused), None)
        if feed and (count := self.pace.to_prefetch(feed)) and feed.prefetch(count):
            self._board.hold(self._feeds.held + count)
