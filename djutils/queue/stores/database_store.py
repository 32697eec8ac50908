"""The store beside a DatabaseQueue: a table of the same database, and so the same transactions."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import QuerySet

from djutils.models import Now, QueueKey
from djutils.queue.deadlocks import retry_on_deadlock

from .base import Store, as_bytes, checked_ttl, checked_value, counted, milliseconds, parts, slices
from .database_holders import LOOKED_AT_EVERY, held_among

Context = Callable[[], AbstractContextManager[BaseDatabaseWrapper]]


class DatabaseStore(Store):
    """Keeps values in the table ``djutils_queuekey``: PostgreSQL, MariaDB, MySQL or SQLite.

    In a transaction on the queue's alias a write is a part of it: it commits or rolls back with the caller's data,
    and other callers that write the same key wait for that. ``database`` returns the connection and ``together``
    a transaction on it; both raise the driver's errors as ``BackendError``.
    """

    def __init__(self, name: str, database: Context, together: Context) -> None:
        super().__init__(name)
        self._database = database
        self._together = together

    def _get(self, keys: list[str]) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        with self._database() as connection:
            for some in slices(keys):
                rows = _live(connection).filter(key__in=some).values_list("key", "value")
                found.update((key, as_bytes(value)) for key, value in rows)
        return found

    @retry_on_deadlock
    def _set(self, values: dict[str, bytes], ttl: float) -> None:
        # Every caller locks its keys in the same order, so that two do not wait for each other.
        ordered = {key: values[key] for key in sorted(values)}
        with self._together() as connection:
            for part in parts(ordered):
                _replace(connection, part, ttl)

    @retry_on_deadlock
    def _add(self, key: str, value: bytes, ttl: float) -> bool:
        with self._together() as connection:
            return self._take(connection, key, value, ttl)

    def put(self, connection: BaseDatabaseWrapper, values: Mapping[str, bytes], ttl: float) -> None:
        """Do what ``set`` does within the caller's transaction on ``connection``; the driver's errors come out."""
        stored = {self.stored_key(key): checked_value(value) for key, value in values.items()}
        for part in parts(stored):
            _replace(connection, part, checked_ttl(ttl))

    def lock(self, connection: BaseDatabaseWrapper, key: str) -> tuple[bytes, bool]:
        """Lock ``key`` until the caller's transaction on ``connection`` ends; return its value, and whether that is live.

        The value of an absent key is empty, that of one that has expired and is not removed yet is what it was.
        """
        return _lock(connection, self.stored_key(key))

    def take(self, connection: BaseDatabaseWrapper, key: str, value: bytes, ttl: float) -> bool:
        """Do what ``add`` does within the caller's transaction on ``connection``; the driver's errors come out."""
        return self._take(connection, self.stored_key(key), value, ttl)

    def _take(self, connection: BaseDatabaseWrapper, key: str, value: bytes, ttl: float) -> bool:
        if _hold(connection, key) is not None:
            return False
        _rows(connection).filter(key=key).update(value=value, expires=Now() + milliseconds(ttl))
        return True

    @retry_on_deadlock
    def _increment(self, key: str, by: int, ttl: float) -> int:
        with self._together() as connection:
            held = _hold(connection, key)
            count = counted(b"0" if held is None else held, by)
            life = {} if held is not None else {"expires": Now() + milliseconds(ttl)}
            _rows(connection).filter(key=key).update(value=b"%d" % count, **life)
            return count

    @retry_on_deadlock
    def _delete(self, keys: list[str]) -> int:
        with self._together() as connection:
            return sum(_live(connection).filter(key__in=some).delete()[0] for some in slices(sorted(keys)))

    def remove_expired(self, count: int) -> int:
        # Those that count as long as their message exists are looked at instead, and kept if it does.
        with self._database() as connection:
            expired = _rows(connection).filter(expires__lte=Now()).order_by("expires")
            found = list(expired.values_list("key", flat=True)[:count])
        return sum(map(self._remove, slices(found)))

    @retry_on_deadlock
    def _remove(self, keys: list[str]) -> int:
        with self._together() as connection:
            expired = _rows(connection).filter(expires__lte=Now())
            # What a transaction writes at the moment is left to the next call: it may take long.
            skip = connection.features.has_select_for_update_skip_locked
            free = expired.filter(key__in=keys).select_for_update(skip_locked=skip)
            values = {key: as_bytes(value) for key, value in free.values_list("key", "value")}
            held = held_among(connection, values)
            looked_at = Now() + milliseconds(LOOKED_AT_EVERY)
            again = expired.filter(key__in=held).update(expires=looked_at) if held else 0
            return again + expired.filter(key__in=values.keys() - set(held)).delete()[0]


def _rows(connection: BaseDatabaseWrapper) -> QuerySet[QueueKey]:
    return QueueKey.objects.using(connection.alias)


def _live(connection: BaseDatabaseWrapper) -> QuerySet[QueueKey]:
    return _rows(connection).filter(expires__gt=Now())


def _hold(connection: BaseDatabaseWrapper, key: str) -> bytes | None:
    """Lock the row of ``key`` until the transaction ends; return its value, None if it is absent or has expired."""
    value, is_live = _lock(connection, key)
    return value if is_live else None


def _lock(connection: BaseDatabaseWrapper, key: str) -> tuple[bytes, bool]:
    # A row that is absent is made first, as one that has expired: only what is there can be locked. And the first
    # statement takes the exclusive lock: two callers that both have a shared one would wait for each other.
    _insert(connection, [key, b"", 0], "(%s, %s, %s)", {"expires": "{table}.expires"})
    found = _rows(connection).filter(key=key).select_for_update().annotate(now=Now())
    (value, expires, now), *_ = found.values_list("value", "expires", "now")
    return as_bytes(value), expires > now


def _replace(connection: BaseDatabaseWrapper, values: Mapping[str, bytes], ttl: float) -> None:
    """Write ``values``, whether or not their keys are there."""
    # SQLite has the clock of this process, and would work out the moment for each row.
    now = str(round(time.time() * 1000)) if connection.vendor == "sqlite" else Now.sql[connection.vendor]
    row = f"(%s, %s, {now} + {milliseconds(ttl)})"
    params = [param for pair in values.items() for param in pair]
    _insert(connection, params, ", ".join([row] * len(values)), {"value": "{new}", "expires": "{new}"})


def _insert(
    connection: BaseDatabaseWrapper,
    params: Sequence[str | bytes | int],
    rows: str,
    otherwise: Mapping[str, str],
) -> None:
    """Insert ``rows``; where a key is there already, set the columns of ``otherwise`` instead."""
    quote = connection.ops.quote_name
    table, key = quote(QueueKey._meta.db_table), quote("key")
    is_mysql = connection.vendor == "mysql"
    new = "VALUES({})" if is_mysql else "excluded.{}"
    changes = ", ".join(
        f"{column} = {text.format(table=table, new=new.format(column))}" for column, text in otherwise.items()
    )
    on_conflict = "ON DUPLICATE KEY UPDATE" if is_mysql else f"ON CONFLICT ({key}) DO UPDATE SET"
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({key}, value, expires) VALUES {rows} {on_conflict} {changes}", params
        )
