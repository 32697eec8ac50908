"""What to do when the database undid our transaction to let another one go on: begin again."""

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
    """The database undid a transaction of ours to let another one go on."""


def is_deadlock(error: Exception) -> bool:
    """Answer whether it is a deadlock, a serialization failure or a lock not had in time.

    The codes are PostgreSQL's and MySQL's; after each of them nothing of the transaction is left.
    """
    sqlstate = getattr(error.__cause__, "sqlstate", None)
    return sqlstate in {"40P01", "40001"} or error.args[:1] in {(1213,), (1205,)}


def tried_again(method: Callable[P, R]) -> Callable[P, R]:
    """Make ``method``, which is one transaction, begin again after a deadlock, a few times."""

    @functools.wraps(method)
    def trying(*args: P.args, **kwargs: P.kwargs) -> R:
        for _ in range(_TRIES - 1):
            try:
                return method(*args, **kwargs)
            except Deadlock:
                time.sleep(random.uniform(0.0, _LONGEST_PAUSE))
        return method(*args, **kwargs)

    return trying
