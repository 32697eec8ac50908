"""The pump of a worker process: receives messages for the runner, and settles finished ones."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from djutils.queue.backends.channel import Channel
from djutils.queue.exceptions import BackendError, BackendUnavailable, OwnerLost

from .board import Board
from .feeds import Feeds
from .intake import Intake
from .options import ConsumerOptions
from .outage import Outage
from .paused_commands import PausedCommands
from .recall import Recall
from .releasing import STUCK, Releasing
from .runner import Runner
from .suspects import Suspects

logger = logging.getLogger("djutils.queue.workers.pump")

_LOOK_AGAIN = 0.1


class Pump:
    """Supplies the runner of one process with messages.

    It opens the channels, loops until asked to stop, then gives back messages that have not begun, waits
    for running commands, settles them and leaves. It waits for a backend that does not respond.
    """

    def __init__(
        self,
        channels: Sequence[Channel],
        runner: Runner,
        board: Board,
        options: ConsumerOptions,
        switches: memoryview | None = None,
        paused_commands: PausedCommands | None = None,
    ) -> None:
        self.broken = False
        """Whether an internal error has ended it, or will."""
        self._board = board
        self._feeds = Feeds(channels, options.weights, switches, paused_commands)
        self._paused_commands = self._feeds.paused_commands
        self._runner = runner
        self._options = options
        self._suspects = Suspects(runner)
        self._intake = Intake(self._feeds, runner, self._suspects, board, options)
        self._releasing = Releasing(self._feeds, self._intake, runner, self._suspects)
        self._unsure = False
        self._recall = Recall(runner, board, options.lease)
        self._outage = Outage(logger, "%s Waiting for it; running commands continue.", options.beat_every)
        self._stopping = threading.Event()
        self._woken = threading.Event()

    @property
    def received(self) -> int:
        """How many deliveries it has handed to the runner."""
        return self._intake.received

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
        undone = self._runner.waiting or self._unsettled()
        is_urgent = (
            self._stopping.is_set() or self._feeds.switched is not None or self._paused_commands.changed
        )
        return bool(undone) and (is_urgent or time.monotonic() - moved_at > STUCK)

    def relieve(self, channels: Sequence[Channel]) -> None:
        """Do the pump's duties over ``channels``: give back messages that have not begun, settle ended ones."""
        mine = self._feeds.lead_through(channels)
        try:
            self._patiently(self._do_duties)
        except OwnerLost:
            pass  # the pump raises it when the command has ended
        except Exception:
            logger.exception("This worker process failed; it ends when its command has ended.")
            self.broken = True
            self.stop()
        finally:
            self._feeds.lead_through(mine)

    def _do_duties(self) -> None:
        self._feeds.join()
        self._collect()
        self._releasing.release_all()
        self._intake.ack()

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
            self._patiently(self._releasing.release_all)
            while self._runner.busy or self._unsettled():
                self._patiently(self._finish)
            while not self._patiently(self._feeds.close):
                pass
        except OwnerLost:
            # It was considered dead, and its messages now belong to others.
            logger.error(
                "Lease lost: this worker was silent and its messages were reassigned; restarting it."
            )
            self._let_end()

    def _patiently(self, step: Callable[[], None]) -> bool:
        """Call ``step`` and return True; if the backend fails, wait for some time and return False."""
        try:
            step()
        except BackendError as error:
            refused = not (self._patient or isinstance(error, BackendUnavailable))
            if refused or isinstance(error, OwnerLost):
                raise
            self._unsure = True
            self._feeds.disconnect()
            pause = self._outage.note(error)
            self._stopping.wait(pause) if not self._stopping.is_set() else time.sleep(min(pause, 0.5))
            return False
        self._outage.over()
        return True

    def _open(self) -> None:
        self._feeds.open()
        self._runner.start()
        self._unsure, self._patient = False, True

    def _turn(self) -> None:
        self._board.stir()
        self._collect()
        heard = self._intake.hear()
        if self._unsure:
            self._recover()
        if self._runner.recalled:
            self._obey_recall()
            return
        if (switches := self._feeds.switched) is not None:
            self._obey_switches(switches)
            return
        if self._paused_commands.changed:
            # What has not begun is received again, and sorted by what is paused now.
            self._releasing.release_all()
            self._paused_commands.obey()
        self._feeds.settle()
        got = self._intake.receive(heard)
        if not got:
            self._intake.keep_in_touch()
        self._suspects.try_next()
        self._releasing.release_stuck()
        if got and not self._stopping.is_set():
            self._intake.prefetch()
        if self._has_had_enough():
            logger.info("%d commands were received; this worker process is replaced.", self.received)
            self.stop()
        self._pause(got)

    def _collect(self) -> None:
        ended = self._runner.take_finished()
        if ended:
            self._intake.pace.work_was_found()
            self._feeds.note(ended)
        self._releasing.release_returned()

    def _obey_recall(self) -> None:
        word = self._recall.word
        self._releasing.release_all()
        if self._recall.ends(word):
            return
        if self._recall.takes_too_long():
            self.stop()
        self._nap()

    def _obey_switches(self, switches: bytes) -> None:
        """Give back what has not begun, as its queue may be paused now, and look soon, as another may not be any more."""
        self._releasing.release_all()
        if self._feeds.obey(switches):
            # What wakes it from a wait is called by every message of a queue that is paused now.
            self._feeds.disconnect()
            self._unsure = True
        self._intake.pace.work_was_found()

    def _has_had_enough(self) -> bool:
        most = self._options.max_commands
        return bool(most) and self.received >= most and not (self._runner.busy or self._unsettled())

    def _pause(self, got: bool) -> None:
        """Wait until woken: briefly if there is work, with growing pauses if there is none."""
        if self._runner.waiting and self._runner.here:
            return
        if self._runner.waiting or self._suspects.wait:
            self._woken.wait(_LOOK_AGAIN)
        elif not got and not self._intake.waited:
            self._woken.wait(min(self._intake.pace.pause(), self._feeds.patience))
        self._woken.clear()

    def _nap(self) -> None:
        self._woken.wait(_LOOK_AGAIN)
        self._woken.clear()

    def _recover(self) -> None:
        """Fetch, after an outage, messages that were lent in lost replies."""
        for feed in self._feeds:
            feed.channel.join()
            if unheard := feed.adopt():
                name = feed.channel.name
                logger.info(
                    "%d messages of queue %s were lent in a lost reply; they run here.", len(unheard), name
                )
                self._intake.hand_over(feed, unheard)
        self._unsure = False

    def _finish(self) -> None:
        """Settle, while draining, what has ended meanwhile."""
        self._nap()
        self._collect()
        self._feeds.settle()
        self._intake.ack()

    def _unsettled(self) -> bool:
        return bool(self._runner.finished or self._runner.returned) or self._feeds.unsettled

    def _let_end(self) -> None:
        """Begin nothing more, and wait for running commands."""
        self._feeds.drop_requests()
        self._runner.take_back()
        while self._runner.busy:
            self._nap()
