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

write_is = "prepared INSERT + COMMIT"
drain_is = "prepared UPDATE..RETURNING 100 SKIP LOCKED, DELETE 100 by key, a commit each"


class Bare:
    """One connection, autocommit, the table and indexes that djutils made."""

    def __init__(self) -> None:
        self._connection = psycopg.connect(settings.URL, autocommit=True, prepare_threshold=0)
        self._cursor = self._connection.cursor(binary=True)

    def write(self, id: str, data: bytes) -> None:
        self._cursor.execute(INSERT, (id, data))

    def fill(self, messages: Sequence[tuple[str, bytes]]) -> None:
        with self._connection.transaction():
            self._cursor.executemany(INSERT, messages)

    def drain(self, count: int) -> None:
        """Lend and acknowledge ``count`` messages by hundreds."""
        execute = self._cursor.execute
        execute("SET synchronous_commit = off")
        for _ in range(count // 100):
            lent = execute(LEND).fetchall()
            if execute(ACK, ([row[0] for row in lent],)).rowcount != 100:
                raise LookupError("fewer than a hundred were lent")
        execute("SET synchronous_commit = on")

    def tidy(self) -> None:
        """Between rounds: what autovacuum would have done meanwhile."""
        self._cursor.execute("DELETE FROM djutils_queuemessage")
        self._cursor.execute("VACUUM (ANALYZE) djutils_queuemessage")
        self._cursor.execute("CHECKPOINT")

    def queries(self) -> int | None:
        """How many transactions the server has committed; the consumer commits each statement."""
        query = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
        row = self._cursor.execute(query).fetchone()
        return int(row[0]) if row else None
