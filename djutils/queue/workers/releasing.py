"""Releasing: messages that have not begun here go back to their queue, without blame."""

from __future__ import annotations

from collections.abc import Sequence

from .feeds import Feeds
from .intake import Intake
from .runner import Runner, Waiting
from .suspects import Suspects

STUCK = 0.2
"""Seconds after which messages that wait behind busy threads are given back."""
_TO_BE_ALONE = 1.0
_FOR_OTHERS = 1.0


class Releasing:
    """Gives back what the runner and the suspects hold. Every method raises ``BackendError`` if the backend fails."""

    def __init__(self, feeds: Feeds, intake: Intake, runner: Runner, suspects: Suspects) -> None:
        self._feeds = feeds
        self._intake = intake
        self._runner = runner
        self._suspects = suspects

    def release_all(self) -> None:
        """Give back all messages that no thread has begun."""
        self._intake.hear()
        waiting = self._runner.take_back() + self._runner.take_returned() + self._suspects.take_back()
        self._release(waiting, delay=0.0)
        self._feeds.settle()

    def release_returned(self) -> None:
        """Give back, with the next settlement, messages that were recalled when they were about to begin."""
        if self._runner.returned:
            self._release(self._runner.take_returned(), delay=0.0)

    def release_stuck(self) -> None:
        """Give back messages that wait behind commands of which none has ended for some time."""
        sides = self._runner.sides
        stuck = [side for side in sides if side.is_stuck(STUCK)]
        if len(stuck) == len(sides):
            self.release_all()
        elif stuck:
            # The other side goes on receiving, and would be lent the same messages again at once.
            self._release([one for side in stuck for one in side.take_back()], delay=_FOR_OTHERS)
            self._feeds.settle()
        elif self._suspects.are_stuck(STUCK):
            self._release(self._suspects.take_back(), delay=_TO_BE_ALONE)

    def _release(self, waiting: Sequence[Waiting], delay: float) -> None:
        self._feeds.give_back(waiting, delay)
        self._intake.received -= len(waiting)
