"""PostgreSQL: ack and claim in one statement, one round trip, one commit."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from djutils.queue.backends.base import own_alias
from djutils.queue.backends.subscription import Subscription
from djutils.queue.exceptions import ConfigurationError
from djutils.queue.message import Delivery, Envelope

from . import lookout
from .ageing import oldest_statement, postgres_statement
from .arrays import bytes_array, number_array, text_array
from .base import Dialect, is_guarded
from .claims import COLUMNS, Claim, Finished, Heard, Row, in_order
from .ended import EndSubscription, notify_statement
from .notify import Announcer, Listener
from .watermark import START, Position, Watermark

_SETTINGS = {
    # READ COMMITTED whatever the project uses: SKIP LOCKED is designed for it.
    "default_transaction_isolation": "read committed",
    # A claim or ack that is lost in a crash of the server causes only a redelivery, never a loss.
    "synchronous_commit": "off",
    # Always plan once, with the indexes: the planner does not know how many rows a LIMIT leaves, and its
    # estimate for a table that has just grown would lead to a scan of the whole table.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
    # A worker that is frozen or disconnected in a transaction must not keep others from taking over its messages.
    "idle_in_transaction_session_timeout": "5s",
    # Neither a locked row nor a dead network must hold up a consumer, which beats every few seconds.
    "lock_timeout": "5s",
    "statement_timeout": "30s",
    "tcp_user_timeout": "30s",
    "tcp_keepalives_idle": "15",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    # An idle consumer is not a forgotten session.
    "idle_session_timeout": "0",
}
_REACHED_WITHIN = {
    "connect_timeout": 10,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


class PostgresDialect(Dialect):
    """The statements for PostgreSQL."""

    blocking = True
    rows_at_once = 5000

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        super().__init__(connection)
        # psycopg 3 only: psycopg2 has neither these cursors nor prepared statements.
        self.direct = hasattr(connection.Database, "Cursor")  # type: ignore[attr-defined]
        self._announcer = Announcer()
        self._listener = Listener()
        self._watermark = Watermark()
        t = self.messages
        self._claim_sql = _claim_statement(t, self.workers, self.now)
        self._finish_sql = _finish_statement(t, self.workers, self.kept, self.now)
        self._notify_sql = notify_statement(self.kept, self.now)
        columns = "(message_id, queue, prio_rank, message, state, due)"
        # The most frequent call has the plainest statement: the general one takes half as long again.
        self._insert_ready = f"INSERT INTO {t} {columns} VALUES (%s, %s, %s, %b, 0, NULL){self.on_duplicate}"
        # Arrays: one plan and no text to parse, for any number of rows.
        self._insert_any = (
            f"INSERT INTO {t} {columns} "
            f"SELECT id, %(queue)s, prio_rank, message, CASE WHEN delay > 0 THEN 1 ELSE 0 END, "
            f"CASE WHEN delay > 0 THEN {self.now} + delay END "
            f"FROM unnest(%(ids)b::varchar[], %(ranks)b::smallint[], %(data)b::bytea[], %(delays)b::bigint[]) "
            f"AS sent (id, prio_rank, message, delay){self.on_duplicate}"
        )

    def _insert_directly(
        self, connection: BaseDatabaseWrapper, queue: str, envelopes: Sequence[Envelope]
    ) -> None:
        with connection.Database.Cursor(connection.connection) as cursor:  # type: ignore[attr-defined]
            # Prepared only where the project has set a prepare_threshold: it may be behind a pooler.
            id, data, delay, priority = envelopes[0]
            if len(envelopes) == 1 and delay <= 0:
                cursor.execute(self._insert_ready, (id, queue, -priority, data), prepare=True)
                return
            params = {
                "queue": queue,
                "ids": text_array([envelope.id for envelope in envelopes]),
                "ranks": number_array(-envelope.priority for envelope in envelopes),
                "data": [envelope.data for envelope in envelopes],
                "delays": number_array(round(envelope.delay * 1000) for envelope in envelopes),
            }
            cursor.execute(self._insert_any, params, prepare=True)

    @staticmethod
    def own_settings(settings: dict[str, Any]) -> dict[str, Any]:
        own = Dialect.own_settings(settings)
        # Use neither the project's pool, whose connections others use, nor its isolation level.
        kept = {
            name: value for name, value in own["OPTIONS"].items() if name not in {"pool", "isolation_level"}
        }
        own["OPTIONS"] = _REACHED_WITHIN | kept
        return own

    def tune(self, connection: BaseDatabaseWrapper) -> None:
        """Set up the connection for a consumer; producers keep their own settings."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            self._refuse_pooler(connection, cursor.fetchone()[0])
            cursor.execute(
                f"SELECT {', '.join(['set_config(%s, %s, false)'] * len(_SETTINGS))}",
                [*chain.from_iterable(_SETTINGS.items())],
            )
        if self.direct:
            # Django turns prepared statements off because some poolers do not support them: there is no pooler here.
            connection.connection.prepare_threshold = 0
        lookout.share()

    def _refuse_pooler(self, connection: BaseDatabaseWrapper, pid: int) -> None:
        """Refuse a pooler: this session's settings would leak to the site, and no notification would reach us."""
        if connection.connection.info.backend_pid != pid:
            connection.close()
            alias = connection.alias.removesuffix(own_alias(""))
            raise ConfigurationError(
                f"The database '{alias}' is reached through a connection pooler (PgBouncer or the like), and a "
                f"consumer needs its own session. Add an alias to DATABASES that connects to PostgreSQL "
                f"directly, and name it in QUEUE_CONNECTION of the consumer; the site may keep using the pooler."
            )

    @contextmanager
    def durably(self, connection: BaseDatabaseWrapper) -> Iterator[None]:
        with super().durably(connection), connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit TO DEFAULT")
            yield

    def wake(self, connection: BaseDatabaseWrapper, queue: str) -> None:
        self._announcer.announce(connection, queue)

    def pass_on(self, connection: BaseDatabaseWrapper, queue: str) -> None:
        self._announcer.pass_on(connection, queue)

    def wait(
        self, connection: BaseDatabaseWrapper, queue: str, beside: Sequence[str], seconds: float
    ) -> Heard:
        return self._listener.wait(connection, queue, beside, seconds)

    def looked(self) -> None:
        self._listener.looked()

    def close(self) -> None:
        self._listener.close()

    def claim(
        self,
        connection: BaseDatabaseWrapper,
        queue: str,
        owner: int,
        count: int,
        done: Collection[str],
    ) -> Claim:
        place, began = self._watermark.place(), time.monotonic()
        params = _params(queue, owner, count, done, place)
        rows = self._fetch(connection, self._claim_sql, params)
        return self._noted(rows, count, done, place, time.monotonic() - began)

    def claim_oldest(
        self, connection: BaseDatabaseWrapper, queue: str, owner: int, ranks: Sequence[int], count: int
    ) -> list[Delivery]:
        oldest, params = oldest_statement(self.messages, queue, ranks, count)
        statement = postgres_statement(self.messages, self.workers, oldest)
        return in_order(self._fetch(connection, statement, [owner, queue, *params, owner]))

    def finish(
        self,
        connection: BaseDatabaseWrapper,
        queue: str,
        owner: int,
        records: Sequence[Finished],
        milliseconds: int,
    ) -> set[str] | None:
        if not self.direct:
            return None
        params = {
            "owner": owner,
            "queue": queue,
            "ids": text_array([id for id, _, _ in records]),
            "keys": text_array([key for _, key, _ in records]),
            "data": bytes_array(record for _, _, record in records),
            "life": milliseconds,
        }
        return {id for (id,) in self._fetch(connection, self._finish_sql, params)}

    def tell_ended(self, connection: BaseDatabaseWrapper, ids: Collection[str], awaited: str) -> None:
        if self.direct:
            self._fetch(connection, self._notify_sql, {"ids": text_array(ids), "awaited": awaited})

    def subscribe(self, connection: BaseDatabaseWrapper, id: str) -> Subscription | None:
        if not self.direct:
            return None
        own = type(connection)(self.own_settings(connection.settings_dict), connection.alias)
        subscription = EndSubscription(own, id)
        return subscription if subscription.is_direct else None

    def prefetch(
        self,
        connection: BaseDatabaseWrapper,
        queue: str,
        owner: int,
        count: int,
        done: Collection[str],
    ) -> Callable[[], Claim] | None:
        """Send the statement in psycopg's pipeline mode: sent at once, read later.

        With its own COMMIT: otherwise the transaction would stay open, and keep its rows locked, until the result is read.
        """
        driver: Any = connection.Database  # type: ignore[attr-defined]
        if not self.direct or not driver.Pipeline.is_supported():
            return None
        connection.ensure_connection()
        place, began = self._watermark.place(), time.monotonic()
        params = _params(queue, owner, count, done, place)
        with ExitStack() as stack:
            raw = connection.connection
            stack.enter_context(connection.wrap_database_errors)
            stack.callback(undo_what_failed, raw)
            stack.enter_context(raw.pipeline())
            cursor = stack.enter_context(driver.Cursor(raw))
            raw.execute("BEGIN", prepare=True)
            cursor.execute(self._claim_sql, params, prepare=True, binary=True)
            raw.execute("COMMIT", prepare=True)
            left = stack.pop_all()
        sent_in = time.monotonic() - began

        def answer() -> Claim:
            began = time.monotonic()
            with left:
                rows = cursor.fetchall()
            return self._noted(rows, count, done, place, sent_in + time.monotonic() - began)

        return answer

    def _noted(
        self, rows: list[Row], count: int, done: Collection[str], place: Position, seconds: float
    ) -> Claim:
        """Return the rows of a claim as a ``Claim``, and remember where the claim found messages."""
        lent = [row for row in rows if row[0] is not None]
        told = [row for row in rows if row[0] is None]
        # If the owner is not enrolled, there is no row that says how many are gone and whether any are due.
        gone, due = next(((row[1], row[6]) for row in told if row[1] is not None), (None, 0))
        late: frozenset[str] = frozenset()
        if gone != len(done):
            late = frozenset(done).difference(row[2] for row in told)
        if lent:
            self._listener.had_some()
        if count:
            self._watermark.note(place, lent if len(lent) == count else [], seconds)
        return Claim(gone is not None, late, in_order(lent), place != START, bool(due))

    def _fetch(self, connection: BaseDatabaseWrapper, statement: str, params: Any) -> list[Row]:
        """Run a prepared statement with binary parameters: as text the bytes of a message are twice as long."""
        if not self.direct or is_guarded(connection):
            return super()._fetch(connection, statement, params)
        connection.ensure_connection()
        # Not Django's own cursor class, which puts the values into the text itself.
        driver: Any = connection.Database  # type: ignore[attr-defined]
        with connection.wrap_database_errors, driver.Cursor(connection.connection) as cursor:
            cursor.execute(statement, params, prepare=True, binary=True)
            return list(cursor.fetchall())


def _claim_statement(t: str, w: str, now: str) -> str:
    """Return the statement that acks and claims; ``t`` is the table of messages, ``w`` that of workers."""
    # MATERIALIZED fences the limited sub-selects: without it the planner may run them more than once and
    # claim more than the limit. 'state = 0' is a literal, because the partial index could not be used otherwise.
    # Urgent messages are searched from the start, wherever the watermark is.
    # A row is locked, so its ctid is stable; one that was given back just now waits for the next claim.
    # Nearly always all that were done are gone: only otherwise are their ids returned.
    # Only leased rows have an owner; naming the state would make the planner use the index of leased rows.
    # FOR KEY SHARE keeps a reaper from removing the owner while messages are being lent to it.
    return (
        f"WITH me AS MATERIALIZED (SELECT owner FROM {w} WHERE owner = %(owner)s "
        f"AND queue = %(queue)s FOR KEY SHARE), "
        f"gone AS (DELETE FROM {t} WHERE message_id = ANY(%(done)s::varchar[]) "
        f"AND owner = (SELECT owner FROM me) RETURNING message_id), "
        f"urgent AS MATERIALIZED (SELECT ctid FROM {t} WHERE queue = %(queue)s AND state = 0 "
        f"AND prio_rank < %(rank)s AND EXISTS (SELECT 1 FROM me) ORDER BY prio_rank, id "
        f"LIMIT %(count)s FOR UPDATE SKIP LOCKED), "
        f"others AS MATERIALIZED (SELECT ctid FROM {t} WHERE queue = %(queue)s AND state = 0 "
        f"AND (prio_rank, id) >= (%(rank)s, %(id)s) AND EXISTS (SELECT 1 FROM me) "
        f"ORDER BY prio_rank, id LIMIT %(count)s - (SELECT count(*) FROM urgent) "
        f"FOR UPDATE SKIP LOCKED), "
        f"lent AS (UPDATE {t} t SET state = 2, owner = %(owner)s "
        f"FROM (TABLE urgent UNION ALL TABLE others) AS chosen "
        f"WHERE t.ctid = chosen.ctid RETURNING t.prio_rank, t.id, t.message_id, t.message, "
        f"t.attempts, t.crashes, t.redeliveries, t.error, t.offers) "
        f"SELECT {COLUMNS} FROM lent "
        f"UNION ALL SELECT NULL, NULL, message_id, NULL, 0, 0, 0, NULL, 0 FROM gone "
        f"WHERE (SELECT count(*) FROM gone) < cardinality(%(done)s::varchar[]) "
        f"UNION ALL SELECT NULL, (SELECT count(*) FROM gone), NULL, NULL, 0, 0, "
        f"(SELECT count(*) FROM (SELECT 1 FROM {t} WHERE queue = %(queue)s AND state = 1 "
        f"AND due <= {now} LIMIT 1) AS one), NULL, 0 FROM me"
    )


def _finish_statement(t: str, w: str, k: str, now: str) -> str:
    """Return the statement that acks and keeps the records of what it acked; ``k`` is the table of kept values."""
    # In the order of their keys, so that two callers do not wait for each other. IS TRUE keeps the planner from making a
    # join of it, which would be a nested loop: the other kinds are turned off for the claim.
    return (
        f"WITH me AS MATERIALIZED (SELECT owner FROM {w} WHERE owner = %(owner)s "
        f"AND queue = %(queue)s FOR KEY SHARE), "
        f"gone AS (DELETE FROM {t} WHERE message_id = ANY(%(ids)s::varchar[]) "
        f"AND owner = (SELECT owner FROM me) RETURNING message_id), "
        f"kept AS (INSERT INTO {k} (key, value, expires) SELECT record.key, record.value, {now} + %(life)s::bigint "
        f"FROM unnest(%(ids)s::varchar[], %(keys)s::varchar[], %(data)s::bytea[]) AS record (id, key, value) "
        f"WHERE (record.id IN (SELECT message_id FROM gone)) IS TRUE ORDER BY record.key "
        f"ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires = excluded.expires) "
        f"SELECT message_id FROM gone"
    )


def undo_what_failed(raw: Any) -> None:
    """Roll back a transaction that failed after its BEGIN: otherwise every later statement would fail."""
    if not raw.closed:
        raw.rollback()


def _params(queue: str, owner: int, count: int, done: Collection[str], place: Position) -> dict[str, Any]:
    params = {"owner": owner, "queue": queue, "count": count, "done": text_array(done)}
    return params | {"rank": place.rank, "id": place.id}
