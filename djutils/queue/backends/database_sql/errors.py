"""What a driver's errors mean; and when the database undid our transaction for another one, begin again."""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable
from typing import NoReturn, ParamSpec, TypeVar

from django.db import DatabaseError, InterfaceError, OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

from djutils.queue.backends.base import own_alias
from djutils.queue.exceptions import BackendError, BackendUnavailable

P = ParamSpec("P")
R = TypeVar("R")

_TRIES = 5
_LONGEST_PAUSE = 0.02
_IDLE_FOR_TOO_LONG = "25P03"
"""PostgreSQL has cut off whoever did nothing in a transaction; to psycopg that is an internal error."""


class Deadlock(BackendUnavailable):
    """The database undid a transaction of ours to let another one go on."""


class errors_of:  # noqa: N801  (read as a function; as a class it takes a third of the time)
    """Make the driver's errors ours. A connection that failed is closed, unless it is in a transaction."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._connection = connection

    def __enter__(self) -> BaseDatabaseWrapper:
        return self._connection

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OperationalError | InterfaceError):
            self._unavailable(error)
        elif isinstance(error, DatabaseError):
            if _sqlstate(error) == _IDLE_FOR_TOO_LONG:
                self._unavailable(error)
            raise BackendError(
                f"The database '{self._alias}' refused ({error}). Were the migrations applied "
                f"('manage.py migrate djutils')?"
            ) from error

    def _unavailable(self, error: Exception) -> NoReturn:
        if not self._connection.in_atomic_block:
            if is_deadlock(error):
                raise Deadlock(str(error)) from error
            self._connection.close()
        raise BackendUnavailable(
            f"The database '{self._alias}' does not answer as it should ({error}). Is the server "
            f"up, and were the migrations applied ('manage.py migrate djutils')?"
        ) from error

    @property
    def _alias(self) -> str:
        return self._connection.alias.removesuffix(own_alias(""))


def _sqlstate(error: Exception) -> str | None:
    return getattr(error.__cause__, "sqlstate", None)


def is_deadlock(error: Exception) -> bool:
    """Answer whether it is a deadlock, a serialization failure or a lock not had in time.

    The codes are PostgreSQL's and MySQL's; after each of them nothing of the transaction is left.
    """
    return _sqlstate(error) in {"40P01", "40001"} or error.args[:1] in {(1213,), (1205,)}


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
