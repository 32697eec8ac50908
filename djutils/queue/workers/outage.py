"""An outage of the backend: logged once when it begins and once when it ends, with growing pauses between tries."""

from __future__ import annotations

import logging
import random

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 5.0


class Outage:
    """Counts failures in a row and decides how long to wait before the next try.

    ``headline`` is the log message of the first failure; it has one ``%s``, for the error.
    ``longest`` is the longest pause in seconds.
    """

    def __init__(self, logger: logging.Logger, headline: str, longest: float = LONGEST_PAUSE) -> None:
        self._logger = logger
        self._headline = headline
        self._longest = min(longest, LONGEST_PAUSE)
        self._failures = 0

    @property
    def lasts(self) -> bool:
        """Whether the last try failed."""
        return self._failures > 0

    def note(self, error: BaseException) -> float:
        """Record a failed try; return the seconds to wait before the next one."""
        self._failures += 1
        if self._failures == 1:
            self._logger.warning(self._headline, error)
        pause = min(self._longest, FIRST_PAUSE * 2.0 ** min(self._failures, 10))
        return pause * random.uniform(0.5, 1)

    def over(self) -> None:
        """Record a successful try."""
        if self._failures:
            self._failures = 0
            self._logger.info("The backend answers again.")
