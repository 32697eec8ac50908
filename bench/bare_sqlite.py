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
ACK = "DELETE FROM djutils_queuemessage WHERE id IN ({})"


class Bare:
    """One connection, autocommit, the table and indexes that djutils made."""

    def __init__(self, *, durable: bool) -> None:
        self._connection = sqlite3.connect(
            settings.URL, isolation_level=None, cached_statements=256, timeout=20
        )
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")

    def write(self, id: str, data: bytes) -> None:
        self._connection.execute(INSERT, (id, data))

    def write_many(self, messages: Sequence[tuple[str, bytes]]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(INSERT, messages)
        self._connection.execute("COMMIT")

    def turn(self, done: Sequence[int]) -> list[int]:
        """Acknowledge what was lent the last time, and lend a hundred more."""
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        if done and execute(ACK.format(", ".join("?" * len(done))), done).rowcount != len(done):
            raise LookupError("what was lent is gone")
        lent = [row[0] for row in execute(LEND).fetchall()]
        execute("COMMIT")
        return lent

    def tidy(self) -> None:
        """Between rounds: what a maintenance daemon would have done meanwhile."""
        self._connection.execute("DELETE FROM djutils_queuemessage")
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
