"""Deadlocks: a transaction that the database rolled back for the sake of another one is retried."""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from djutils.queue.exceptions import BackendUnavailable

P = ParamSpec("P")
R = TypeVar("R")

_TRIES = 5
_LONGEST_PAUSE = 0.02


class Deadlock(BackendUnavailable):
    """The database rolled back a transaction of ours so that another one could go on."""


def retry_on_deadlock(method: Callable[P, R]) -> Callable[P, R]:
    """Retry ``method``, which is one transaction, a few times after a deadlock."""

    @functools.wraps(method)
    def trying(*args: P.args, **kwargs: P.kwargs) -> R:
        for _ in range(_TRIES - 1):
            try:
                return method(*args, **kwargs)
            except Deadlock:
                time.sleep(random.uniform(0.0, _LONGEST_PAUSE))
        return method(*args, **kwargs)

    return trying
