"""Whether and when to retry: pure functions from counters to a delay."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any, NamedTuple

Backoff = float | tuple[float, float] | Callable[[int], float | None]
"""Seconds before the second attempt, doubled for each later one; optionally with the longest wait; or a
function from the failed attempt (first = 1) to seconds, or None: not again."""

Exceptions = type[Exception] | tuple[type[Exception], ...]
"""An exception class or several; one stands for its subclasses also."""

LONGEST = 3600.0
"""The longest wait in seconds if a backoff does not set one."""

FARTHEST = 366 * 24 * 3600.0
"""No wait is longer than this many seconds, whatever a backoff or a ``Retry`` requests."""

MAX_REDELIVERIES = 20
"""How often a message may lose its worker's host before it becomes a dead letter."""


class RetryPolicy(NamedTuple):
    """How often a command is tried, and how long it waits between attempts."""

    max_attempts: int
    backoff: Backoff
    retry_on: tuple[type[Exception], ...] | None = None
    """The exceptions after which it is tried again; None: any but those of ``discard_on``."""
    discard_on: tuple[type[Exception], ...] = ()
    """The exceptions after which there is nothing left to do."""

    def discards(self, kind: type[BaseException]) -> bool:
        """Return whether there is nothing left to do after an exception of the class ``kind``."""
        return self._nearest(kind) in self.discard_on

    def retries(self, kind: type[BaseException]) -> bool:
        """Return whether an exception of the class ``kind`` may be followed by another attempt, if there are any left."""
        return self.retry_on is None or self._nearest(kind) in self.retry_on

    def _nearest(self, kind: type[BaseException]) -> type | None:
        """Return the class that is named here and nearest to ``kind`` among its bases; None if none of them is named."""
        named = {*(self.retry_on or ()), *self.discard_on}
        return next((one for one in kind.__mro__ if one in named), None)

    def delay_after(self, attempt: int, chance: float | None = None) -> float | None:
        """Return the seconds to wait after the failed ``attempt``, or None if it was the last one.

        Exponential with a cap and equal jitter (Marc Brooker, 'Exponential Backoff And Jitter',
        2015): between half of the delay and all of it, so that commands that failed together are
        not retried together. ``chance`` is in [0, 1); by default it is random.
        """
        if attempt >= self.max_attempts:
            return None
        if callable(self.backoff):
            seconds = self.backoff(attempt)
            return None if seconds is None else as_delay(seconds)
        first, longest = _bounds(self.backoff)
        delay = min(longest, first * 2.0 ** min(attempt - 1, 64))
        return as_delay(delay * (1 + (random.random() if chance is None else chance)) / 2)


UNKNOWN = RetryPolicy(max_attempts=8, backoff=(30.0, 600.0))
"""For a name that is not registered here: during a deploy half of the consumers may be newer."""


DEFAULT = RetryPolicy(max_attempts=20, backoff=(2.0, LONGEST))
"""For a command whose own policy is invalid."""


def as_delay(seconds: Any) -> float:
    """Return ``seconds`` limited to 0 to ``FARTHEST``; raise ``ValueError`` or ``TypeError`` if it is not a number."""
    delay = float(seconds)
    if math.isnan(delay):
        raise ValueError("nan is not a number of seconds")
    return min(max(0.0, delay), FARTHEST)


def is_backoff(value: Any) -> bool:
    """Return whether ``value`` is a valid backoff."""
    if callable(value):
        return True
    if isinstance(value, tuple | list) and len(value) != 2:
        return False
    first, longest = _bounds(value)
    return _is_seconds(first) and _is_seconds(longest) and bool(first <= longest)


def exception_classes(value: Any) -> tuple[type[Exception], ...]:
    """Return the exception classes of an option; none for a value that is no ``Exceptions``."""
    several = value if isinstance(value, tuple) else (value,)
    return several if all(isinstance(one, type) and issubclass(one, Exception) for one in several) else ()


def _bounds(backoff: Any) -> tuple[Any, Any]:
    if isinstance(backoff, tuple | list):
        first, longest = backoff
        return first, longest
    return backoff, max(LONGEST, backoff) if _is_seconds(backoff) else backoff


def _is_seconds(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def reason_to_refuse(crashes: int, redeliveries: int, max_crashes: int) -> str:
    """Return why a message with these counters must not be run again; '' if it may."""
    if crashes >= max_crashes:
        return f"It was running in {crashes} processes that died."
    if redeliveries >= MAX_REDELIVERIES:
        return f"Its worker was lost {redeliveries} times."
    return ""
