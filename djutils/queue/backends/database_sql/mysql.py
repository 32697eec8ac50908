"""MariaDB and MySQL: no UPDATE .. RETURNING, so a locking read and then writes by primary key."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from djutils.queue.exceptions import MessageTooLarge
from djutils.queue.message import Delivery, Envelope

from .ageing import oldest_statement
from .base import Dialect, placeholders
from .claims import COLUMNS, Claim, Row, in_order

_SMALL = 16 * 1024
"""A message of up to this many bytes fits into every packet: the server is not asked."""
_BESIDES = 1024
"""A generous estimate of the bytes of a statement besides its longest value."""
_ESCAPED = tuple(bytes([byte]) for byte in b"\0\n\r\x1a\"'\\")
_SETTINGS = {
    # A locked row must not hold up a consumer, which beats every few seconds.
    "innodb_lock_wait_timeout": 5,
    # The lock of a table that is being altered; the default is to wait for a day.
    "lock_wait_timeout": 20,
    # An idle consumer is not a forgotten connection.
    "wait_timeout": 8 * 3600,
}
_MARIADB_SETTINGS = {
    # A worker that is frozen or disconnected in a transaction must not keep others from taking over its
    # messages. MySQL has no limit for that: there the others wait until the connection is closed.
    "idle_transaction_timeout": 5,
    "max_statement_time": 30,
}
_TIMEOUTS = {"connect_timeout": 10, "read_timeout": 40, "write_timeout": 40}


class MySQLDialect(Dialect):
    """The statements for MariaDB and MySQL."""

    finds_owners = False
    # Not INSERT IGNORE: that would also hide other errors, such as truncated data.
    on_duplicate = " ON DUPLICATE KEY UPDATE message_id = message_id"

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        super().__init__(connection)
        self._packet = 0
        skip = connection.features.has_select_for_update_skip_locked
        self._lock = "FOR UPDATE SKIP LOCKED" if skip else "FOR UPDATE"

    @staticmethod
    def own_settings(settings: dict[str, Any]) -> dict[str, Any]:
        own = Dialect.own_settings(settings)
        own["OPTIONS"] = _TIMEOUTS | own["OPTIONS"]
        return own

    def tune(self, connection: BaseDatabaseWrapper) -> None:
        """Set READ COMMITTED, because gap locks would deadlock with producers, and time limits."""
        mariadb = connection.mysql_is_mariadb  # type: ignore[attr-defined]
        chosen = _SETTINGS | (_MARIADB_SETTINGS if mariadb else {})
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
            cursor.execute(f"SET SESSION {', '.join(f'{name} = {value}' for name, value in chosen.items())}")

    def insert(self, connection: BaseDatabaseWrapper, queue: str, envelopes: Sequence[Envelope]) -> None:
        """Insert as elsewhere, but refuse a message that exceeds a packet: it would end the caller's transaction."""
        for envelope in envelopes:
            self.refuse_too_large(connection, envelope.data)
        super().insert(connection, queue, envelopes)

    def refuse_too_large(self, connection: BaseDatabaseWrapper, data: bytes) -> None:
        if len(data) > _SMALL and _written(data) > self._packet_of(connection):
            raise MessageTooLarge(
                f"A message of {len(data)} bytes does not fit into the server's max_allowed_packet of "
                f"{self._packet} bytes; nothing was sent. Raise max_allowed_packet, or store the data and "
                f"pass a reference to it."
            )

    def bytes_at_once(self, connection: BaseDatabaseWrapper) -> int:
        # Escaping may double the number of bytes.
        return max(_SMALL, self._packet_of(connection) // 2 - self.rows_at_once * _BESIDES)

    def _packet_of(self, connection: BaseDatabaseWrapper) -> int:
        if not self._packet:
            # Bypasses whatever counts queries: this query is made only once.
            with connection.cursor() as cursor, connection.wrap_database_errors:
                cursor.cursor.execute("SELECT @@max_allowed_packet")
                self._packet = int(cursor.fetchone()[0])
        return self._packet

    def claim(
        self,
        connection: BaseDatabaseWrapper,
        queue: str,
        owner: int,
        count: int,
        done: Collection[str],
    ) -> Claim:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            if not self._is_enrolled(cursor, queue, owner):
                return Claim(False, frozenset(done), [])
            late = frozenset(done) - self._ack(cursor, owner, done)
            return Claim(True, late, self._lend(cursor, queue, owner, count))

    def claim_oldest(
        self, connection: BaseDatabaseWrapper, queue: str, owner: int, ranks: Sequence[int], count: int
    ) -> list[Delivery]:
        oldest, params = oldest_statement(self.messages, queue, ranks, count)
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            if not self._is_enrolled(cursor, queue, owner):
                return []
            cursor.execute(oldest, params)
            keys = [key for (key,) in cursor.fetchall()]
            if not keys:
                return []
            # With a plain condition on the state the planner might use the index of ready messages instead of the key.
            cursor.execute(
                f"SELECT {COLUMNS} FROM {self.messages} WHERE id IN ({placeholders(keys)}) AND state + 0 = 0 "
                f"ORDER BY id {self._lock}",
                keys,
            )
            return self._lent(cursor, owner, cursor.fetchall())

    def _is_enrolled(self, cursor: Any, queue: str, owner: int) -> bool:
        cursor.execute(
            f"SELECT 1 FROM {self.workers} WHERE owner = %s AND queue = %s LOCK IN SHARE MODE", [owner, queue]
        )
        return cursor.fetchone() is not None

    def _ack(self, cursor: Any, owner: int, done: Collection[str]) -> set[str]:
        if not done:
            return set()
        # Without the hint the planner would scan the table to get them in key order.
        cursor.execute(
            f"SELECT id, message_id FROM {self.messages} FORCE INDEX (djutils_message_id) WHERE message_id IN ({placeholders(done)}) "
            f"AND owner = %s AND state = 2 ORDER BY id FOR UPDATE",
            [*done, owner],
        )
        held = cursor.fetchall()
        if held:
            # By primary key and in its order: reaching the same rows in another order deadlocks.
            cursor.execute(
                f"DELETE FROM {self.messages} WHERE id IN ({placeholders(held)})", [id for id, _ in held]
            )
        return {message_id for _, message_id in held}

    def _lend(self, cursor: Any, queue: str, owner: int, count: int) -> list[Delivery]:
        cursor.execute(
            f"SELECT {COLUMNS} FROM {self.messages} WHERE queue = %s AND state = 0 "
            f"ORDER BY prio_rank, id LIMIT %s {self._lock}",
            [queue, count],
        )
        return self._lent(cursor, owner, cursor.fetchall())

    def _lent(self, cursor: Any, owner: int, rows: Sequence[Row]) -> list[Delivery]:
        if rows:
            cursor.execute(
                f"UPDATE {self.messages} SET state = 2, owner = %s WHERE id IN ({placeholders(rows)})",
                [owner, *(row[1] for row in rows)],
            )
        return in_order(rows)


def _written(data: bytes) -> int:
    """Return the size in bytes of a statement that inserts ``data``."""
    return len(data) + sum(map(data.count, _ESCAPED)) + _BESIDES
