"""NOTIFY and LISTEN for ``wait()``: a caller that waits for the end of a message hears of it when it is committed."""

from __future__ import annotations

import select
import time
from typing import Any

from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper

from djutils.queue.exceptions import BackendUnavailable

_CHANNEL = "djutils_ended"


def notify_statement(kept: str, now: str) -> str:
    """Return the statement that tells of ended messages, if a caller waits; ``kept`` is the table of kept values."""
    # A NOTIFY makes commits wait for each other, so there is none while no caller waits.
    return (
        f"SELECT pg_notify('{_CHANNEL}', id) FROM unnest(%(ids)s::varchar[]) AS id "
        f"WHERE EXISTS (SELECT 1 FROM {kept} WHERE key = %(awaited)s AND expires > {now})"
    )


class EndSubscription:
    """A session that hears of the end of the message ``id``; it is closed if it turns out to be a pooler's."""

    def __init__(self, connection: BaseDatabaseWrapper, id: str) -> None:
        self._connection = connection
        self._id = id.encode()
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            self.is_direct = connection.connection.info.backend_pid == cursor.fetchone()[0]
            if self.is_direct:
                cursor.execute(f"LISTEN {_CHANNEL}")
        if not self.is_direct:
            self.close()

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return int(self._pgconn.socket)

    def wait(self, seconds: float) -> bool:
        """Sleep until the message has ended, for at most ``seconds``; return whether it was heard of.

        Raises ``BackendUnavailable``.
        """
        try:
            with self._connection.wrap_database_errors:
                return self._hear(seconds)
        except (DatabaseError, OSError) as error:
            raise BackendUnavailable(f"The database tells no more of ended messages: {error}") from error

    def close(self) -> None:
        """End the session."""
        self._connection.close()

    @property
    def _pgconn(self) -> Any:
        return self._connection.connection.pgconn

    def _hear(self, seconds: float) -> bool:
        pgconn, deadline, poll = self._pgconn, time.monotonic() + seconds, select.poll()
        poll.register(pgconn.socket, select.POLLIN)
        while poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            pgconn.consume_input()
            ended = set()
            while heard := pgconn.notifies():
                ended.add(heard.extra)
            if self._id in ended:
                return True
        return False
