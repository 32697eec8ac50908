"""MariaDB and MySQL: no UPDATE .. RETURNING, so a locking read and then writes by primary key."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from .base import COLUMNS, Dialect, Step, in_order, marks


class MySQLDialect(Dialect):
    """The statements for MariaDB and MySQL."""

    # Not INSERT IGNORE: that would swallow other errors too, such as data that was cut off.
    on_duplicate = " ON DUPLICATE KEY UPDATE message_id = message_id"

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        super().__init__(connection)
        skip = connection.features.has_select_for_update_skip_locked
        self._lock = "FOR UPDATE SKIP LOCKED" if skip else "FOR UPDATE"

    def tune(self, connection: BaseDatabaseWrapper) -> None:
        """READ COMMITTED whatever the project uses: gap locks would deadlock with producers.

        And who is frozen or cut off in a transaction must not keep others from taking over what it
        held. MySQL has no limit for that: there they wait until its connection is closed.
        """
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
            if connection.mysql_is_mariadb:  # type: ignore[attr-defined]
                cursor.execute("SET SESSION idle_transaction_timeout = 5")

    def step(
        self,
        connection: BaseDatabaseWrapper,
        queue: str,
        owner: int,
        count: int,
        done: Collection[str],
    ) -> Step:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute(
                f"SELECT 1 FROM {self.workers} WHERE owner = %s AND queue = %s LOCK IN SHARE MODE",
                [owner, queue],
            )
            if cursor.fetchone() is None:
                return Step(False, frozenset(done), [])
            late = frozenset(done) - self._ack(cursor, owner, done)
            return Step(True, late, self._claim(cursor, queue, owner, count))

    def _ack(self, cursor: Any, owner: int, done: Collection[str]) -> set[str]:
        if not done:
            return set()
        cursor.execute(
            f"SELECT id, message_id FROM {self.messages} WHERE message_id IN ({marks(done)}) "
            f"AND owner = %s AND state = 2 ORDER BY id FOR UPDATE",
            [*done, owner],
        )
        held = cursor.fetchall()
        if held:
            # By primary key and in its order: other ways to the same rows deadlock.
            cursor.execute(f"DELETE FROM {self.messages} WHERE id IN ({marks(held)})", [id for id, _ in held])
        return {message_id for _, message_id in held}

    def _claim(self, cursor: Any, queue: str, owner: int, count: int) -> Any:
        cursor.execute(
            f"SELECT {COLUMNS} FROM {self.messages} WHERE queue = %s AND state = 0 "
            f"ORDER BY prio_rank, id LIMIT %s {self._lock}",
            [queue, count],
        )
        rows = cursor.fetchall()
        if rows:
            cursor.execute(
                f"UPDATE {self.messages} SET state = 2, owner = %s WHERE id IN ({marks(rows)})",
                [owner, *(row[1] for row in rows)],
            )
        return in_order(rows)
