"""The pump of a worker process: receives messages for the runner, and settles finished ones."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from djutils.queue.exceptions import BackendError, BackendUnavailable, OwnerLost
from djutils.queue.message import Delivery

from .board import Board
from .channel import Channel
from .feed import Feed
from .options import ConsumerOptions
from .outage import Outage
from .pace import Pace
from .prefetching import Prefetch
from .recall import Recall
from .runner import Runner, Waiting
from .suspects import Suspects

logger = logging.getLogger("djutils.queue.workers.pump")

STUCK = 0.2
"""Seconds after which messages that wait behind busy threads are given back."""
_TO_BE_ALONE = 1.0
_LOOK_AGAIN = 0.1


class Pump:
    """Supplies the runner of one process with messages.

    It opens the channels, loops until asked to stop, then gives back messages that have not begun, waits
    for running commands, settles them and leaves. It waits for a backend that does not respond.
    """

    def __init__(
        self, channels: Sequence[Channel], runner: Runner, board: Board, options: ConsumerOptions
    ) -> None:
        self.broken = False
        """Whether an internal error has ended it, or will."""
        self.received = 0
        """How many deliveries it has handed to the runner."""
        self._board = board
        self._feeds = [Feed(channel, board) for channel in channels]
        self._runner = runner
        self._options = options
        self._prefetch = Prefetch()
        self._wanted = 0
        self._suspects = Suspects(runner)
        self._pace = Pace(runner, options)
        self._unsure = False
        self._recall = Recall(runner, board, options.lease)
        self._outage = Outage(logger, "%s Waiting for it; running commands continue.", options.beat_every)
        self._stopping = threading.Event()
        self._woken = threading.Event()

    def wake(self) -> None:
        """Wake the pump: there may be something to do."""
        if not self._woken.is_set():
            self._woken.set()

    def stop(self) -> None:
        """Receive nothing more, and end when running commands have ended."""
        self._stopping.set()
        self._woken.set()

    def run(self, ready: Callable[[], object], patient: bool = True) -> None:
        """Work until stopped; ``ready`` is called when the backend was reached for the first time.

        No failure of the backend ends it, except, unless ``patient``, a refusal of the first call. An internal
        error also ends it, once running commands have ended. Either is then raised.
        """
        self._patient = patient
        try:
            with self._runner.duty:
                self._live(ready)
        except Exception:
            self.broken = True
            self.stop()
            self._let_end()
            raise
        finally:
            self._runner.close()

    def is_stuck(self) -> bool:
        """Whether there is something to do that cannot wait for the running commands to end."""
        self._board.stir()
        moved_at = self._runner.moved_at
        undone = self._runner.buffer or self._unsettled()
        return bool(undone) and (self._stopping.is_set() or time.monotonic() - moved_at > STUCK)

    def relieve(self, channels: Sequence[Channel]) -> None:
        """Do the pump's duties over ``channels``: give back messages that have not begun, settle ended ones."""
        mine = [feed.channel for feed in self._feeds]
        try:
            self._lead_through(channels)
            self._patiently(self._do_duties)
        except OwnerLost:
            pass  # the pump raises it when the command has ended
        except Exception:
            logger.exception("This worker process failed; it ends when its command has ended.")
            self.broken = True
            self.stop()
        finally:
            self._lead_through(mine)

    def _lead_through(self, channels: Sequence[Channel]) -> None:
        for feed, channel in zip(self._feeds, channels, strict=True):
            feed.channel = channel

    def _do_duties(self) -> None:
        for feed in self._feeds:
            feed.channel.join()
        self._collect()
        self._give_back()
        for number in range(len(self._feeds)):
            self._receive(number, room=0)

    def _live(self, ready: Callable[[], object]) -> None:
        """Do everything from opening the channels to the last settlement."""
        try:
            while not self._patiently(self._open):
                if self._stopping.is_set():
                    return
            ready()
            while not self._stopping.is_set():
                self._patiently(self._turn)
                self._runner.run(self._stopping)
            self._patiently(self._give_back)
            while self._runner.busy or self._unsettled():
                self._patiently(self._finish)
            while not self._patiently(self._leave):
                pass
        except OwnerLost:
            self._abandon()

    def _patiently(self, step: Callable[[], None]) -> bool:
        """Call ``step`` and return True; if the backend fails, wait for some time and return False."""
        try:
            step()
        except BackendError as error:
            refused = not (self._patient or isinstance(error, BackendUnavailable))
            if refused or isinstance(error, OwnerLost):
                raise
            self._unsure = True
            for feed in self._feeds:
                feed.channel.disconnect()
            pause = self._outage.note(error)
            self._stopping.wait(pause) if not self._stopping.is_set() else time.sleep(min(pause, 0.5))
            return False
        self._outage.over()
        return True

    def _open(self) -> None:
        for feed in self._feeds:
            feed.channel.open()
        self._runner.start()
        self._unsure, self._patient = False, True

    def _turn(self) -> None:
        self._board.stir()
        self._collect()
        got = self._hear()
        if self._unsure:
            self._recover()
        if self._runner.recalled:
            self._obey_recall()
            return
        self._settle()
        got = got or sum(self._receive(number) for number in range(len(self._feeds)))
        if not got:
            self._keep_in_touch()
        self._suspects.try_next()
        self._release_stuck()
        self._start_prefetch(got)
        if self._has_had_enough():
            logger.info("%d commands were received; this worker process is replaced.", self.received)
            self.stop()
        self._pause(got)

    def _has_had_enough(self) -> bool:
        most = self._options.max_commands
        return bool(most) and self.received >= most and not (self._runner.busy or self._unsettled())

    def _collect(self) -> None:
        ended = self._runner.take_finished()
        if ended:
            self._pace.work_was_found()
            for number, feed in enumerate(self._feeds):
                feed.note([one for one in ended if one.channel == number])
        if self._runner.returned:
            self._release(self._runner.take_returned(), delay=0.0)

    def _settle(self) -> None:
        for feed in self._feeds:
            feed.settle()

    def _receive(self, number: int, room: int | None = None) -> int:
        feed = self._feeds[number]
        if room is None:
            room = 0 if self._suspects.exclusive else self._pace.room(feed, self.received)
        if not room and not feed.done and not self._runner.stale:
            return 0
        asked_at, self._wanted = time.monotonic(), room or self._wanted
        self._board.take(self.received + room)
        deliveries = feed.receive(room, self._wait(feed) if room else 0.0)
        self._trust(feed, asked_at)
        self._take(0)
        self._hand_over(number, deliveries)
        return len(deliveries)

    def _keep_in_touch(self) -> None:
        """Call the backend now and then even if there is nothing to do: a worker that does not loses its lease."""
        if time.monotonic() - self._board.heard_at > self._options.beat_every:
            for feed in self._feeds:
                feed.receive(0, 0.0)

    def _trust(self, feed: Feed, asked_at: float) -> None:
        """Note that the backend knew this owner at ``asked_at``: the messages held are still its own."""
        if feed.channel.leased:
            self._runner.trust(asked_at, self._options.lease / 2)

    def _start_prefetch(self, got: int) -> None:
        """Prefetch the next messages while these run, if there seem to be more."""
        feed, runner = self._feeds[0], self._runner
        if len(self._feeds) > 1 or not runner.here or not got or got < self._wanted:
            return
        count = self._pace.to_prefetch(feed, got)
        if not count or self._options.max_commands:
            return
        if self._suspects.exclusive or self._stopping.is_set():
            return
        if self._prefetch.start(feed, count):
            self._wanted = count
            self._board.take(self.received + count)

    def _hear(self) -> int:
        """Take in the prefetched messages; this must come before any other call of the channel."""
        if not self._prefetch:
            return 0
        deliveries, asked_at = self._prefetch.hear(self._feeds[0])
        self._trust(self._feeds[0], asked_at)
        self._take(0)
        self._hand_over(0, deliveries)
        return len(deliveries)

    def _hand_over(self, number: int, deliveries: Sequence[Delivery]) -> None:
        if deliveries:
            self._feeds[number].held.update([delivery.id for delivery in deliveries])
            self._take(len(deliveries))
            waiting = [(number, delivery) for delivery in deliveries]
            self._runner.put(self._suspects.set_aside(waiting))

    def _take(self, count: int) -> None:
        self.received += count
        self._board.take(self.received)

    def _release_stuck(self) -> None:
        runner = self._runner
        if runner.buffer and not runner.idle and time.monotonic() - runner.moved_at > STUCK:
            self._give_back()
        elif self._suspects.are_stuck(STUCK):
            self._release(self._suspects.take_back(), delay=_TO_BE_ALONE)

    def _give_back(self) -> None:
        """Give back messages that no thread has begun."""
        self._hear()
        waiting = self._runner.take_back() + self._runner.take_returned() + self._suspects.take_back()
        self._release(waiting, delay=0.0)
        self._settle()

    def _obey_recall(self) -> None:
        word = self._recall.word
        self._give_back()
        if self._recall.ends(word):
            return
        if self._recall.takes_too_long():
            self.stop()
        self._nap()

    def _release(self, waiting: Sequence[Waiting], delay: float) -> None:
        for number, delivery in waiting:
            self._feeds[number].give_back(delivery, delay)
        self._take(-len(waiting))

    def _pause(self, got: int) -> None:
        """Wait until woken: briefly if there is work, with growing pauses if there is none."""
        if self._runner.buffer and self._runner.here:
            return
        if self._runner.buffer or self._suspects.wait:
            self._woken.wait(_LOOK_AGAIN)
        elif not got and not self._waited_in_backend():
            self._woken.wait(self._pace.pause())
        self._woken.clear()

    def _wait(self, feed: Feed) -> float:
        """Return how long the backend may wait for a message by itself."""
        return self._pace.wait(feed) if len(self._feeds) == 1 else 0.0

    def _nap(self) -> None:
        self._woken.wait(_LOOK_AGAIN)
        self._woken.clear()

    def _waited_in_backend(self) -> bool:
        return len(self._feeds) == 1 and self._feeds[0].channel.blocking and self._runner.idle > 0

    def _recover(self) -> None:
        """Fetch, after an outage, messages that were lent in lost replies."""
        for number, feed in enumerate(self._feeds):
            feed.channel.join()
            unheard = feed.adopt()
            if unheard:
                logger.info(
                    "%d messages of queue %s were lent in a lost reply; they run here.",
                    len(unheard),
                    feed.channel.name,
                )
            self._hand_over(number, unheard)
        self._unsure = False

    def _finish(self) -> None:
        """Settle, while draining, what has ended meanwhile."""
        self._nap()
        self._collect()
        self._settle()
        for number in range(len(self._feeds)):
            self._receive(number, room=0)

    def _unsettled(self) -> bool:
        mine = self._runner.finished or self._runner.returned or self._prefetch
        return bool(mine) or any(feed.unsettled for feed in self._feeds)

    def _leave(self) -> None:
        for feed in self._feeds:
            feed.close()

    def _abandon(self) -> None:
        """Drop everything: this worker was considered dead, and its messages now belong to others."""
        logger.error("Lease lost: this worker was silent and its messages were reassigned; restarting it.")
        self._let_end()

    def _let_end(self) -> None:
        """Begin nothing more, and wait for running commands."""
        self._prefetch.drop()
        self._runner.take_back()
        while self._runner.busy:
            self._nap()
