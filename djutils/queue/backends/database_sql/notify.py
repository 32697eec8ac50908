"""NOTIFY and LISTEN: how an idle worker on PostgreSQL learns of a message as soon as it is committed."""

from __future__ import annotations

import logging
import random
import re
import select
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from django.db import DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from .base import after_commit
from .claims import Heard
from .lookout import Lookout

logger = logging.getLogger("djutils.queue.backends.database")

_CHANNEL = "djutils"
_NUMBER = re.compile(rb"[0-9a-f]{1,16}")
_ANNOUNCE_EVERY = 0.01
"""Seconds for which one announcement covers all messages: each NOTIFY locks the whole database."""
_POLL_EVERY = 0.05


class Announcer:
    """Announces committed messages, in a separate statement after the commit.

    Inside the transaction, a NOTIFY would make every commit wait for a lock of the whole database.
    Messages sent within ``_ANNOUNCE_EVERY`` of an announcement are not announced: the worker that
    heard the announcement looks again after this time and finds them.
    """

    def __init__(self) -> None:
        self._made: dict[tuple[str, str], float] = {}
        self._hooks: dict[tuple[str, str], Callable[[], None]] = {}

    def announce(self, connection: BaseDatabaseWrapper, queue: str) -> None:
        """Announce a message of ``queue`` once the transaction of ``connection`` has committed."""
        if not connection.in_atomic_block:
            self._announce(connection, queue)
            return
        key = (connection.alias, queue)
        after_commit(connection, self._hooks.setdefault(key, partial(self._announce_committed, *key)))

    def _announce_committed(self, alias: str, queue: str) -> None:
        self._announce(connections[alias], queue)

    def _announce(self, connection: BaseDatabaseWrapper, queue: str) -> None:
        key, now = (connection.alias, queue), time.monotonic()
        if now - self._made.get(key, float("-inf")) < _ANNOUNCE_EVERY:
            return
        try:
            # The driver's own cursor: this is not a query of the project, and it depends on the clock.
            with connection.wrap_database_errors, connection.connection.cursor() as cursor:
                cursor.execute("SELECT pg_notify(%s, %s)", [_CHANNEL, f"{random.getrandbits(64):x} {queue}"])
        except DatabaseError as error:  # the message is stored, which is what matters
            logger.warning(
                "A message on %s was stored but not announced (%s): an idle worker finds it at its next poll.",
                queue,
                error,
            )
            return
        if connection.get_autocommit():  # otherwise it may still be rolled back
            self._made[key] = now

    def pass_on(self, connection: BaseDatabaseWrapper, queue: str) -> None:
        """Wake another worker: there may be more messages than one takes."""
        self._made.pop((connection.alias, queue), None)
        self._announce(connection, queue)


class Listener:
    """Listens on its own connection, without a transaction."""

    def __init__(self) -> None:
        self._connection: BaseDatabaseWrapper | None = None
        self._lookouts: dict[str, Lookout] = {}
        self._look_again = False

    def had_some(self) -> None:
        """Note that there was a message: others may have arrived unannounced."""
        self._look_again = True

    def wait(
        self, connection: BaseDatabaseWrapper, queue: str, beside: Sequence[str], seconds: float
    ) -> Heard:
        """Wait up to ``seconds`` for a call of ``queue`` or one ``beside``; of all workers that hear it, one reports it."""
        if self._connection is None:
            self._listen(connection, (queue, *beside))
            return Heard.PERHAPS  # a message may have arrived before
        pgconn = getattr(self._connection.connection, "pgconn", None)
        if pgconn is None:  # psycopg 2 cannot wait for a notification
            time.sleep(min(seconds, _POLL_EVERY))
            return Heard.PERHAPS
        again, self._look_again = self._look_again, False
        if again:
            seconds = min(seconds, _ANNOUNCE_EVERY)
        try:
            with self._connection.wrap_database_errors:
                called = self._hear(pgconn, seconds)
        except (DatabaseError, OSError):  # whatever the error is, the next query meets it as well
            self.close()
            return Heard.PERHAPS
        if not called:
            return Heard.PERHAPS if again else Heard.NOTHING
        self._look_again = True
        if queue in called:
            return Heard.CALL
        self.looked()
        return Heard.CALL_BESIDE

    def _listen(self, connection: BaseDatabaseWrapper, queues: Sequence[str]) -> None:
        listening = connection.copy()
        with listening.cursor() as cursor:
            cursor.execute("SELECT set_config('idle_session_timeout', '0', false)")
            cursor.execute(f"LISTEN {_CHANNEL}")
        self._connection = listening
        self._lookouts = {queue: Lookout(connection.alias, queue) for queue in queues}

    def _hear(self, pgconn: Any, seconds: float) -> list[str]:
        """Return which queues were called that this process should look into; it then holds their lookouts."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            # By libpq's own calls: the driver's wait polls ten times a second, and differs
            # between versions.
            if not select.select([pgconn.socket], [], [], left)[0]:
                break
            pgconn.consume_input()
            calls: defaultdict[str, list[int]] = defaultdict(list)
            while heard := pgconn.notifies():
                number, _, called = heard.extra.partition(b" ")
                # Any client of the database may NOTIFY anything.
                if _NUMBER.fullmatch(number):
                    calls[called.decode(errors="replace")].append(int(number, 16))
            looks = [
                name
                for name, lookout in self._lookouts.items()
                if name in calls and lookout.take(calls[name], deadline)
            ]
            if looks:
                return looks
        return []

    def looked(self) -> None:
        """Note that the look after a call is over."""
        for lookout in self._lookouts.values():
            lookout.release()

    def close(self) -> None:
        self.looked()
        if self._connection is not None:
            self._connection.close()
            self._connection = None
