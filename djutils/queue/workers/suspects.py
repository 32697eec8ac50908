"""Messages that were running in processes that died: the cause, or only bystanders?"""

from __future__ import annotations

import time
from collections.abc import Sequence

from djutils.queue.conf import settings

from .runner import Runner, Waiting


class Suspects:
    """Holds suspects back, and runs them one at a time with nothing beside them, to find the cause."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._waiting: list[Waiting] = []
        self._alone = False

    @property
    def exclusive(self) -> bool:
        """Whether a suspect waits or runs: then nothing else may begin."""
        return bool(self._waiting) or self._alone

    @property
    def wait(self) -> bool:
        """Whether a suspect waits."""
        return bool(self._waiting)

    def set_aside(self, waiting: Sequence[Waiting]) -> list[Waiting]:
        """Hold back messages that were running in too many processes that died, and return the rest.

        Bystanders are charged together with the cause. So the last run of each is made alone.
        """
        if self._runner.count == 1 or not any(delivery.crashes for _, delivery in waiting):
            return list(waiting)
        last = max(1, settings.QUEUE_MAX_CRASHES - 1)
        self._waiting += [one for one in waiting if one[1].crashes >= last]
        return [one for one in waiting if one[1].crashes < last]

    def try_next(self) -> None:
        """Begin the next suspect, if nothing runs."""
        self._alone = self._alone and self._runner.busy
        if self._waiting and not self._runner.busy:
            self._runner.put([self._waiting.pop(0)])
            self._alone = True

    def are_stuck(self, after: float) -> bool:
        """Return whether suspects have waited ``after`` seconds for commands that do not end."""
        moved_at = max(side.moved_at for side in self._runner.sides)
        return self.wait and not self._alone and time.monotonic() - moved_at > after

    def take_back(self) -> list[Waiting]:
        """Return the waiting suspects; they will not begin here."""
        taken, self._waiting = self._waiting, []
        return taken
