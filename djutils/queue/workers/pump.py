"""The pump of a worker process: receives for whoever runs commands, and settles what was finished."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from djutils.queue.exceptions import BackendUnavailable, OwnerLost, QueueException
from djutils.queue.message import ACKED, RELEASED, SETTLED, Delivery

from .board import Board
from .channel import Channel, Settled
from .options import ConsumerOptions
from .runner import Finished, Runner, Waiting
from .suspects import Suspects

logger = logging.getLogger("djutils.queue.workers.pump")

BUDGET = 0.05
"""Seconds of estimated work per thread to have at hand."""
STUCK = 0.2
"""Seconds after which what waits behind busy threads is given back."""
_TO_BE_ALONE = 1.0
_LOOK_AGAIN = 0.1
_SHORT_WAIT = 0.2
_OUTAGE = (0.05, 5.0)


class Asked(NamedTuple):
    """A batch that was asked for before the last one was run, and what is acked with it."""

    answer: Callable[[], list[Delivery]]
    done: list[Finished]
    at: float


class Pump:
    """Keeps the runner of one process supplied, in a thread of its own.

    Its life: open the channels, turn until asked to stop, then give back what was not begun, wait
    for what runs, settle it and leave. A backend that does not answer is waited out.
    """

    def __init__(
        self, channels: Sequence[Channel], runner: Runner, board: Board, options: ConsumerOptions
    ) -> None:
        self.received = 0
        """How many deliveries it has handed to the runner."""
        self._channels = channels
        self._runner = runner
        self._board = board
        self._options = options
        self._done: list[list[Finished]] = [[] for _ in channels]
        self._others: list[list[Settled]] = [[] for _ in channels]
        self._held: list[set[str]] = [set() for _ in channels]
        self._asked: Asked | None = None
        self._wanted = 0
        self._suspects = Suspects(runner)
        self._delay = options.delay
        self._unsure = False
        self._outages = 0
        self._stopping = threading.Event()
        self._woken = threading.Event()

    def wake(self) -> None:
        """There may be something to do."""
        if not self._woken.is_set():
            self._woken.set()

    def stop(self) -> None:
        """Take nothing more, end when what runs has ended."""
        self._stopping.set()
        self._woken.set()

    def run(self, ready: Callable[[], object]) -> None:
        """Live; ``ready`` is called when the backend was reached for the first time.

        Raises ``BackendError`` if the backend fails in a way that waiting cannot mend.
        """
        try:
            with self._runner.duty:
                self._live(ready)
        finally:
            self._runner.close()

    def is_stuck(self) -> bool:
        """Is there something to do that cannot wait for the end of the running commands?"""
        moved_at = self._runner.moved_at
        undone = self._runner.buffer or self._unsettled()
        return bool(undone) and (self._stopping.is_set() or time.monotonic() - moved_at > STUCK)

    def relieve(self, channels: Sequence[Channel]) -> None:
        """Do the duties over ``channels``: give back what was not begun, settle what has ended."""
        mine, self._channels = self._channels, channels
        try:
            self._collect()
            self._give_back()
            for number in range(len(channels)):
                self._receive(number, room=0)
        except BackendUnavailable:
            self._unsure = True
            raise
        finally:
            self._channels = mine

    def _live(self, ready: Callable[[], object]) -> None:
        """From the first opening to the last settlement."""
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
        """Take ``step`` and answer True; False when the backend did not answer and some time has passed."""
        try:
            step()
        except BackendUnavailable as error:
            self._outages += 1
            self._unsure = True
            if self._outages == 1:
                logger.warning("%s Waiting for it; running commands go on.", error)
            first, longest = _OUTAGE
            pause = min(longest, first * 2 ** min(self._outages, 10)) * random.uniform(0.5, 1)
            self._stopping.wait(pause) if not self._stopping.is_set() else time.sleep(min(pause, 0.5))
            return False
        return True

    def _open(self) -> None:
        for channel in self._channels:
            channel.open()
        self._runner.start()
        self._unsure = False
        self._outages = 0

    def _turn(self) -> None:
        self._collect()
        got = self._hear()
        if self._unsure:
            self._recover()
        self._settle()
        got = got or sum(self._receive(number) for number in range(len(self._channels)))
        self._suspects.try_next()
        self._release_stuck()
        self._ask_ahead(got)
        if self._has_had_enough():
            logger.info("%d commands were received; this worker process is replaced.", self.received)
            self.stop()
        self._pause(got)

    def _has_had_enough(self) -> bool:
        most = self._options.max_commands
        return bool(most) and self.received >= most and not (self._runner.busy or self._unsettled())

    def _collect(self) -> None:
        """Sort what was finished by what is to be done with it."""
        finished = self._runner.finished
        while finished:
            self._delay = self._options.delay
            one = finished.popleft()
            if one.outcome is ACKED:
                self._done[one.channel].append(one)
            elif one.outcome is SETTLED:
                self._held[one.channel].discard(one.delivery.id)
            else:
                self._others[one.channel].append((one.delivery, one.outcome))

    def _settle(self) -> None:
        for number, settled in enumerate(self._others):
            if settled:
                ids = [delivery.id for delivery, _ in settled]
                self._channels[number].settle(settled)
                self._held[number].difference_update(ids)

    def _receive(self, number: int, room: int | None = None) -> int:
        channel, done = self._channels[number], self._done[number]
        room = self._room(channel) if room is None else room
        if not room and not done and not self._runner.stale:
            return 0
        asked_at, self._wanted = time.monotonic(), room or self._wanted
        deliveries = channel.receive(room, _ids(done), self._wait(channel) if room else 0.0)
        self._confirm(number, done, asked_at)
        done.clear()
        self._hand_over(number, deliveries)
        return len(deliveries)

    def _ask_ahead(self, got: int) -> None:
        """Let the backend lend the next ones while these are run here, if there seem to be more.

        Half of what the budget allows: the others wait for no more than they did without it.
        """
        channel, runner = self._channels[0], self._runner
        if len(self._channels) > 1 or not runner.here or not got or got < self._wanted:
            return
        count = min(channel.batch, self._budget() // 2)
        if not count or runner.cost * got > BUDGET or self._options.max_commands:
            return
        if self._suspects.reign or self._stopping.is_set():
            return
        done, now = self._done[0], time.monotonic()
        answer = channel.ask(count, _ids(done))
        if answer is not None:
            self._asked, self._done[0], self._wanted = Asked(answer, done, now), [], count

    def _hear(self) -> int:
        """Take in what was asked for; first of all, for nothing else may be asked before."""
        if self._asked is None:
            return 0
        (answer, done, asked_at), self._asked = self._asked, None
        try:
            deliveries = answer()
        except QueueException:
            self._done[0] = done + self._done[0]
            raise
        self._confirm(0, done, asked_at)
        self._hand_over(0, deliveries)
        return len(deliveries)

    def _confirm(self, number: int, done: Sequence[Finished], asked_at: float) -> None:
        """The backend has heard that these are done, and knew us then: nobody has taken what we hold."""
        if self._channels[number].leased:
            self._runner.trust(asked_at, self._options.lease / 2)
        self._held[number].difference_update(_ids(done))
        for thread, count in Counter(one.thread for one in done).items():
            self._board.pads[thread].confirm(count)

    def _hand_over(self, number: int, deliveries: Sequence[Delivery]) -> None:
        if deliveries:
            self._held[number].update(delivery.id for delivery in deliveries)
            self.received += len(deliveries)
            waiting = [(number, delivery) for delivery in deliveries]
            self._runner.put(self._suspects.set_aside(waiting))

    def _room(self, channel: Channel) -> int:
        """Answer how many to ask for: the budget's worth, nothing while every thread is stuck."""
        runner = self._runner
        if self._suspects.reign:
            return 0
        if not channel.prefetches:
            return max(0, runner.idle - len(runner.buffer))
        if not runner.idle and time.monotonic() - runner.moved_at > BUDGET:
            return 0
        most = max(runner.count, min(runner.batches * channel.batch, self._budget()))
        runner.low = max(runner.count, most - channel.batch)
        room = min(channel.batch, most - len(runner.buffer))
        if self._options.max_commands:
            room = min(room, self._options.max_commands - self.received)
        return max(0, room)

    def _budget(self) -> int:
        """Answer how many commands all threads together seem to run in ``BUDGET`` seconds."""
        return int(self._runner.count * BUDGET / max(self._runner.cost, 1e-6))

    def _wait(self, channel: Channel) -> float:
        """Answer how long the backend may wait for a message by itself."""
        if not channel.blocking or len(self._channels) > 1 or self._runner.buffer:
            return 0.0
        wait = self._lengthen()
        return min(wait, _SHORT_WAIT) if self._runner.idle < self._runner.count else wait

    def _release_stuck(self) -> None:
        runner = self._runner
        if runner.buffer and not runner.idle and time.monotonic() - runner.moved_at > STUCK:
            self._give_back()
        elif self._suspects.are_stuck(STUCK):
            self._release(self._suspects.take_back(), delay=_TO_BE_ALONE)

    def _give_back(self) -> None:
        """Give back what no thread has begun."""
        self._hear()
        self._release(self._runner.take_back() + self._suspects.take_back(), delay=0.0)
        self._settle()

    def _release(self, waiting: Sequence[Waiting], delay: float) -> None:
        for number, delivery in waiting:
            self._others[number].append((delivery, RELEASED._replace(delay=delay)))
            self.received -= 1

    def _pause(self, got: int) -> None:
        """Wait until woken: soon if there is work at hand, longer and longer if there is none."""
        self._outages = 0
        if self._runner.buffer and self._runner.here:
            return
        if self._runner.buffer or self._suspects.wait:
            self._woken.wait(_LOOK_AGAIN)
        elif not got and not self._waited_in_backend():
            self._woken.wait(self._lengthen())
        self._woken.clear()

    def _lengthen(self) -> float:
        delay = self._delay
        self._delay = min(self._options.max_delay, delay * self._options.backoff)
        return delay

    def _waited_in_backend(self) -> bool:
        return len(self._channels) == 1 and self._channels[0].blocking and self._runner.idle > 0

    def _recover(self) -> None:
        """After an outage: ask for what was lent in replies that were lost."""
        for number, channel in enumerate(self._channels):
            unheard = channel.adopt(self._held[number])
            if unheard:
                logger.info("%d messages of %s were lent in a lost reply.", len(unheard), channel.name)
            self._hand_over(number, unheard)
        self._unsure = False
        logger.info("The backend answers again.")

    def _finish(self) -> None:
        """While draining: settle what has ended meanwhile."""
        self._woken.wait(_LOOK_AGAIN)
        self._woken.clear()
        self._collect()
        self._settle()
        for number in range(len(self._channels)):
            self._receive(number, room=0)

    def _unsettled(self) -> bool:
        return bool(self._runner.finished or self._asked) or any(self._done) or any(self._others)

    def _leave(self) -> None:
        for channel in self._channels:
            channel.close()

    def _abandon(self) -> None:
        """We were taken for dead: whatever we hold belongs to others now."""
        logger.error("This worker was silent for too long and its messages were taken back; it begins anew.")
        self._asked = None
        self._runner.take_back()
        while self._runner.busy:
            self._woken.wait(_LOOK_AGAIN)
            self._woken.clear()


def _ids(done: Sequence[Finished]) -> list[str]:
    return [one.delivery.id for one in done]
