"""PostgreSQL without a queue: the fastest reasonable loop of psycopg, prepared and binary."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
from django.conf import settings

INSERT = (
    "INSERT INTO djutils_queuemessage (message_id, queue, prio_rank, message, state, due)"
    " VALUES (%s, 'bare', 0, %b, 0, NULL)"
)
LEND = (
    "WITH chosen AS MATERIALIZED (SELECT id FROM djutils_queuemessage WHERE queue = 'bare' AND state = 0"
    " ORDER BY prio_rank, id LIMIT 100 FOR UPDATE SKIP LOCKED)"
    " UPDATE djutils_queuemessage t SET state = 2, owner = 1 FROM chosen WHERE t.id = chosen.id"
    " RETURNING t.id, t.message_id, t.message"
)
ACK = "DELETE FROM djutils_queuemessage WHERE id = ANY(%s)"


class Bare:
    """One connection, autocommit, the table and indexes that djutils made."""

    def __init__(self, *, durable: bool) -> None:
        self._connection = psycopg.connect(settings.URL, autocommit=True, prepare_threshold=0)
        self._cursor = self._connection.cursor(binary=True)
        self._cursor.execute(f"SET synchronous_commit = {'on' if durable else 'off'}")

    def write(self, id: str, data: bytes) -> None:
        self._cursor.execute(INSERT, (id, data))

    def write_many(self, messages: Sequence[tuple[str, bytes]]) -> None:
        with self._connection.transaction():
            self._cursor.executemany(INSERT, messages)

    def turn(self, done: Sequence[int]) -> list[int]:
        """Acknowledge what was lent the last time, and lend a hundred more; a commit each."""
        execute = self._cursor.execute
        if done and execute(ACK, (done,)).rowcount != len(done):
            raise LookupError("what was lent is gone")
        return [row[0] for row in execute(LEND).fetchall()]

    def tidy(self) -> None:
        """Between rounds: what autovacuum would have done meanwhile."""
        self._cursor.execute("DELETE FROM djutils_queuemessage")
        self._cursor.execute("VACUUM (ANALYZE) djutils_queuemessage")
        self._cursor.execute("CHECKPOINT")
