"""SQLite without a queue: the fastest reasonable loop of the sqlite3 module."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from django.conf import settings

INSERT = (
    "INSERT INTO djutils_queuemessage (message_id, queue, prio_rank, message, state, due)"
    " VALUES (?, 'bare', 0, ?, 0, NULL)"
)
LEND = (
    "UPDATE djutils_queuemessage SET state = 2, owner = 1 WHERE id IN (SELECT id FROM djutils_queuemessage"
    " WHERE queue = 'bare' AND state = 0 ORDER BY prio_rank, id LIMIT 100) RETURNING id, message_id, message"
)
ACK = f"DELETE FROM djutils_queuemessage WHERE id IN ({', '.join('?' * 100)})"

write_is = "INSERT + COMMIT"
drain_is = "one transaction of DELETE 100 by key and UPDATE..RETURNING 100"


class Bare:
    """One connection, autocommit, the table and indexes that djutils made."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(settings.URL, isolation_level=None, cached_statements=256)
        self._connection.execute("PRAGMA journal_mode = WAL")

    def write(self, id: str, data: bytes) -> None:
        self._connection.execute(INSERT, (id, data))

    def fill(self, messages: Sequence[tuple[str, bytes]]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(INSERT, messages)
        self._connection.execute("COMMIT")

    def drain(self, count: int) -> None:
        """Lend and acknowledge ``count`` messages by hundreds."""
        execute = self._connection.execute
        execute("PRAGMA synchronous = NORMAL")
        done: list[int] = []
        for _ in range(count // 100 + 1):
            execute("BEGIN IMMEDIATE")
            if done and execute(ACK, done).rowcount != 100:
                raise LookupError("fewer than a hundred were lent")
            done = [row[0] for row in execute(LEND).fetchall()]
            execute("COMMIT")
        execute("PRAGMA synchronous = FULL")

    def tidy(self) -> None:
        """Between rounds: what a maintenance daemon would have done meanwhile."""
        self._connection.execute("DELETE FROM djutils_queuemessage")
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def queries(self) -> int | None:
        """How many statements or commands the server has been asked; None: nobody counts."""
        return None
