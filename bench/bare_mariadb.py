"""MariaDB without a queue: the fastest reasonable loop with PyMySQL, which djutils also uses here."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

import pymysql
from django.conf import settings

# Every value is one of the statement's, or it does not become one statement of many rows.
INSERT = (
    "INSERT INTO djutils_queuemessage (message_id, message, queue, prio_rank, state)"
    " VALUES (%s, %s, %s, %s, %s)"
)
REST = ("bare", 0, 0)
CHOOSE = (
    "SELECT id, message_id, message FROM djutils_queuemessage WHERE queue = 'bare' AND state = 0"
    " ORDER BY prio_rank, id LIMIT 100 FOR UPDATE SKIP LOCKED"
)
LEND = "UPDATE djutils_queuemessage SET state = 2, owner = 1 WHERE id IN %s"
ACK = "DELETE FROM djutils_queuemessage WHERE id IN %s"


class Bare:
    """One connection, autocommit, the table and indexes that djutils made."""

    def __init__(self, *, durable: bool) -> None:
        # How durable a commit is, is the server's choice alone.
        place = urlsplit(settings.URL)
        self._connection = pymysql.connect(
            host=place.hostname,
            port=place.port or 0,
            user=place.username,
            password=place.password or "",
            database=place.path[1:],
            autocommit=True,
        )
        self._cursor = self._connection.cursor()
        self._cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")

    def write(self, id: str, data: bytes) -> None:
        self._cursor.execute(INSERT, (id, data, *REST))

    def write_many(self, messages: Sequence[tuple[str, bytes]]) -> None:
        self._connection.begin()
        self._cursor.executemany(INSERT, [(id, data, *REST) for id, data in messages])
        self._connection.commit()

    def turn(self, done: Sequence[int]) -> list[int]:
        """Acknowledge what was lent the last time, and lend a hundred more, in one transaction."""
        self._connection.begin()
        if done and self._cursor.execute(ACK, (done,)) != len(done):
            raise LookupError("what was lent is gone")
        self._cursor.execute(CHOOSE)
        lent = [row[0] for row in self._cursor.fetchall()]
        if lent:
            self._cursor.execute(LEND, (lent,))
        self._connection.commit()
        return lent

    def tidy(self) -> None:
        """Between rounds: begin with an empty table."""
        self._cursor.execute("TRUNCATE TABLE djutils_queuemessage")
