"""SQLite, 3.35 or newer: one writer at a time, so a claim is a plain UPDATE .. RETURNING."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

from django.db import OperationalError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from djutils.queue.message import Delivery, Envelope

from .ageing import oldest_statement
from .base import Dialect, after_commit, placeholders, together
from .claims import COLUMNS, Claim, Heard, in_order
from .doorbell import Doorbell, wait_for
from .sqlite_repair import is_of_spoilt_rows, refuse_spoilt, repair

_NORMAL = 1


class SQLiteDialect(Dialect):
    """The statements for SQLite."""

    direct = True

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        super().__init__(connection)
        name = str(connection.settings_dict["NAME"])
        in_memory = connection.is_in_memory_db()  # type: ignore[attr-defined]
        # Only SQLite knows which file a URI names: such a queue is polled.
        self.blocking = not in_memory and not name.startswith("file:")
        self._bell = cache(partial(Doorbell, Path(os.path.realpath(name))))
        self._mine: list[Doorbell] = []
        self._synchronous = 0
        self._insert_one = (
            f"INSERT INTO {self.messages} (message_id, queue, prio_rank, message, state, due) "
            f"VALUES (?, ?, ?, ?, ? > 0, CASE WHEN ? > 0 THEN {self.now} + ? END){self.on_duplicate}"
        )
        self._enrolled = f"EXISTS (SELECT 1 FROM {self.workers} WHERE owner = %s AND queue = %s)"

    def tune(self, connection: BaseDatabaseWrapper) -> None:
        """Wait longer for the lock; with a WAL, do not wait for the disk.

        A claim or ack that is lost in a power cut causes only a redelivery, never a loss.
        """
        # A transaction that begins with a read is refused at once when it tries to write later.
        connection.transaction_mode = "IMMEDIATE"  # type: ignore[attr-defined]
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout = 20000")
            if cursor.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
                (self._synchronous,) = cursor.execute("PRAGMA synchronous").fetchone()
                cursor.execute("PRAGMA synchronous = NORMAL")

    @contextmanager
    def durably(self, connection: BaseDatabaseWrapper) -> Iterator[None]:
        outermost = self._synchronous > _NORMAL and not connection.in_atomic_block
        if outermost:
            connection.cursor().execute(f"PRAGMA synchronous = {self._synchronous}")
        try:
            with super().durably(connection):
                yield
        finally:
            if outermost:
                connection.cursor().execute("PRAGMA synchronous = NORMAL")

    def _insert_directly(
        self, connection: BaseDatabaseWrapper, queue: str, envelopes: Sequence[Envelope]
    ) -> None:
        # Not numbered ones, with a single delay: Python 3.12 warns of them as if they had names.
        rows = [
            (id, queue, -priority, data, *(round(delay * 1000),) * 3)
            for id, data, delay, priority in envelopes
        ]
        if len(rows) == 1:
            connection.connection.execute(self._insert_one, rows[0])
            return
        with together(connection):
            connection.connection.executemany(self._insert_one, rows)

    def wake(self, connection: BaseDatabaseWrapper, queue: str) -> None:
        if self.blocking:
            after_commit(connection, self._bell(queue).ring)

    def pass_on(self, connection: BaseDatabaseWrapper, queue: str) -> None:
        if self.blocking:
            self._bell(queue).ring()

    def wait(
        self, connection: BaseDatabaseWrapper, queue: str, beside: Sequence[str], seconds: float
    ) -> Heard:
        self._mine = [self._bell(name) for name in (queue, *beside)]
        rung = wait_for(self._mine, seconds)
        if rung is None:
            return Heard.NOTHING
        return Heard.CALL if rung is self._mine[0] else Heard.CALL_BESIDE

    def close(self) -> None:
        for bell in self._mine:
            bell.close()

    def claim(
        self,
        connection: BaseDatabaseWrapper,
        queue: str,
        owner: int,
        count: int,
        done: Collection[str],
    ) -> Claim:
        try:
            return self._acked_and_lent(connection, queue, owner, count, done)
        except OperationalError as error:
            next_ones = "queue = %s AND state = 0 ORDER BY prio_rank, id LIMIT %s"
            if not self._repaired(connection, queue, error, next_ones, [queue, count]):
                raise
        return self._acked_and_lent(connection, queue, owner, count, done)

    def _acked_and_lent(
        self, connection: BaseDatabaseWrapper, queue: str, owner: int, count: int, done: Collection[str]
    ) -> Claim:
        acked: Collection[str] = done
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            # Write first: a transaction that begins with a read may be refused when it writes later.
            # Ack before lending: a done message that is back in the queue is not ours.
            if done and not self._ack_all(connection, cursor, queue, owner, done):
                acked = self._ack(cursor, queue, owner, done)
            cursor.execute(
                f"UPDATE {self.messages} SET state = 2, owner = %s WHERE id IN ("
                f"SELECT id FROM {self.messages} WHERE queue = %s AND state = 0 "
                f"AND {self._enrolled} "
                f"ORDER BY prio_rank, id LIMIT %s) RETURNING {COLUMNS}",
                [owner, queue, owner, queue, count],
            )
            rows = cursor.fetchall()
            refuse_spoilt(rows)
            enrolled = bool(rows or acked) or self._knows(cursor, owner, queue)
        # Put in order after the commit: until then no other process can write.
        return Claim(enrolled, frozenset(done).difference(acked), in_order(rows))

    def claim_oldest(
        self, connection: BaseDatabaseWrapper, queue: str, owner: int, ranks: Sequence[int], count: int
    ) -> list[Delivery]:
        oldest, params = oldest_statement(self.messages, queue, ranks, count)
        try:
            return self._lent(connection, queue, owner, oldest, params)
        except OperationalError as error:
            if not self._repaired(connection, queue, error, f"id IN ({oldest})", params):
                raise
        return self._lent(connection, queue, owner, oldest, params)

    def _lent(
        self, connection: BaseDatabaseWrapper, queue: str, owner: int, keys: str, params: Sequence[Any]
    ) -> list[Delivery]:
        """Lend the messages whose keys the statement ``keys`` reads."""
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {self.messages} SET state = 2, owner = %s WHERE id IN ({keys}) AND {self._enrolled} "
                f"RETURNING {COLUMNS}",
                [owner, *params, owner, queue],
            )
            rows = cursor.fetchall()
            refuse_spoilt(rows)
        return in_order(rows)

    def _repaired(
        self,
        connection: BaseDatabaseWrapper,
        queue: str,
        error: OperationalError,
        which: str,
        params: Sequence[Any],
    ) -> bool:
        """Return whether a claim of the rows ``which`` failed because some were damaged, and these are repaired."""
        return is_of_spoilt_rows(error) and bool(repair(connection, self.messages, queue, which, params))

    def _ack_all(
        self, connection: BaseDatabaseWrapper, cursor: Any, queue: str, owner: int, done: Collection[str]
    ) -> bool:
        """Delete the messages in ``done`` and return True, or delete none if not all of them are ours."""
        # Nearly always all are, and RETURNING would make the statement slower by half.
        with transaction.atomic(using=connection.alias):
            cursor.execute(*self._deletion(owner, queue, done))
            complete = bool(cursor.rowcount == len(done))
            if not complete:
                transaction.set_rollback(True, using=connection.alias)
        return complete

    def _ack(self, cursor: Any, queue: str, owner: int, done: Collection[str]) -> set[str]:
        statement, arguments = self._deletion(owner, queue, done)
        cursor.execute(f"{statement} RETURNING message_id", arguments)
        return {id for (id,) in cursor.fetchall()}

    def _deletion(self, owner: int, queue: str, done: Collection[str]) -> tuple[str, list[Any]]:
        # Only leased rows have an owner; naming the state would make SQLite use the index of leased rows.
        which = f"message_id IN ({placeholders(done)}) AND owner = %s AND {self._enrolled}"
        return f"DELETE FROM {self.messages} WHERE {which}", [*done, owner, owner, queue]

    def _knows(self, cursor: Any, owner: int, queue: str) -> bool:
        return bool(cursor.execute(f"SELECT {self._enrolled}", [owner, queue]).fetchone()[0])
