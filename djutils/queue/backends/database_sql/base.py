"""The statements on the hot path that all vendors share, and the methods that each vendor must add."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.asyncio import async_unsafe

from djutils.models import Now, QueueKey, QueueLaneMessage, QueueMessage, QueueWorker
from djutils.queue.backends.subscription import Subscription
from djutils.queue.message import Delivery, Envelope

from .claims import Claim, Counts, Finished, Heard, Look, Row

_PROMOTED_AT_ONCE = 500

_DJANGOS_OWN = async_unsafe(lambda: None).__code__
"""The code object of the wrapper with which Django decorates a connection's methods. The methods themselves may
already be replaced when this module is imported."""


class Dialect:
    """The SQL of one vendor, for the message table and the worker table."""

    now = ""
    blocking = False
    """Whether ``wait`` can be woken."""
    direct = False
    """Whether it can insert through the driver itself, bypassing Django's cursors."""
    on_duplicate = " ON CONFLICT (message_id) DO NOTHING"

    finds_owners = True
    """Whether it has an index of leased messages by owner."""
    rows_at_once = 100
    """Most rows to insert with one statement."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        quote = connection.ops.quote_name
        self.messages = quote(QueueMessage._meta.db_table)
        self.workers = quote(QueueWorker._meta.db_table)
        self.in_lanes = quote(QueueLaneMessage._meta.db_table)
        self.kept = quote(QueueKey._meta.db_table)
        self.now = Now.sql[connection.vendor]

    @staticmethod
    def own_settings(settings: dict[str, Any]) -> dict[str, Any]:
        """Return the settings of a consumer's own connection that differ from the project's ``settings``."""
        # Whatever the project does with its own connections, here each statement is its own transaction.
        return {**settings, "OPTIONS": {**settings["OPTIONS"]}, "AUTOCOMMIT": True, "CONN_MAX_AGE": None}

    def tune(self, connection: BaseDatabaseWrapper) -> None:
        """Prepare a connection that only a consumer uses."""

    @contextmanager
    def durably(self, connection: BaseDatabaseWrapper) -> Iterator[None]:
        """Open a transaction on a tuned connection whose commit is as durable as the project's own."""
        with transaction.atomic(using=connection.alias):
            yield

    def wake(self, connection: BaseDatabaseWrapper, queue: str) -> None:
        """Wake a waiting consumer of ``queue`` once the caller's transaction has committed."""

    def pass_on(self, connection: BaseDatabaseWrapper, queue: str) -> None:
        """Wake another consumer as well: the first one took all it can, and there may be more."""

    def wait(
        self, connection: BaseDatabaseWrapper, queue: str, beside: Sequence[str], seconds: float
    ) -> Heard:
        """Wait up to ``seconds`` for a wake-up call of ``queue`` or a queue ``beside``; only where it is ``blocking``."""
        raise NotImplementedError

    def looked(self) -> None:
        """Note that the check after a wake-up call is over: another process may check next."""

    def close(self) -> None:
        """Close everything that was opened for waiting."""

    def insert(self, connection: BaseDatabaseWrapper, queue: str, envelopes: Sequence[Envelope]) -> None:
        """Insert all of ``envelopes`` or none; an id that is already there is ignored."""
        # Django's cursors let other code watch the statement; they take a third of the time of an insert.
        direct = self.direct and not is_watched(connection)
        if direct:
            # Django's cursors would do this, but they are bypassed here.
            connection.close_if_health_check_failed()
            # pytest-django replaces ensure_connection to refuse access, whether or not a connection is open.
            if connection.connection is None or _is_not_djangos(type(connection).ensure_connection):
                connection.ensure_connection()
            connection.validate_no_broken_transaction()
        insert = self._insert_directly if direct else self._insert
        with connection.wrap_database_errors:
            # One row always fits into one statement, and usually many do: no extra transaction is needed.
            if len(envelopes) == 1 or len(parts := self.parts(connection, envelopes)) == 1:
                insert(connection, queue, envelopes)
                return
            with together(connection):
                for part in parts:
                    insert(connection, queue, part)

    def parts(
        self, connection: BaseDatabaseWrapper, envelopes: Sequence[Envelope]
    ) -> list[Sequence[Envelope]]:
        """Return ``envelopes`` in parts for one statement each: limited by rows and bytes, at least one each."""
        rows, size = self.rows_at_once, self.bytes_at_once(connection)
        if len(envelopes) <= rows and sum(len(envelope.data) for envelope in envelopes) <= size:
            return [envelopes]
        parts = []
        start = taken = 0
        for end, envelope in enumerate(envelopes):
            if end > start and (end - start >= rows or taken + len(envelope.data) > size):
                parts.append(envelopes[start:end])
                start, taken = end, 0
            taken += len(envelope.data)
        return [*parts, envelopes[start:]]

    def refuse_too_large(self, connection: BaseDatabaseWrapper, data: bytes) -> None:
        """Raise ``MessageTooLarge`` for a message that the server would end the transaction for."""

    def bytes_at_once(self, connection: BaseDatabaseWrapper) -> int:
        """Return how many bytes of messages one statement may carry; a message is never split."""
        return 8 * 1024 * 1024

    def _insert(self, connection: BaseDatabaseWrapper, queue: str, envelopes: Sequence[Envelope]) -> None:
        rows: list[str] = []
        params: list[Any] = []
        for id, data, delay, priority in envelopes:
            params += [id, queue, -priority, data]
            if delay > 0:
                rows.append(f"(%s, %s, %s, %s, 1, {self.now} + %s)")
                params.append(round(delay * 1000))
            else:
                rows.append("(%s, %s, %s, %s, 0, NULL)")
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {self.messages} (message_id, queue, prio_rank, message, state, due) "
                f"VALUES {', '.join(rows)}{self.on_duplicate}",
                params,
            )

    def _insert_directly(
        self, connection: BaseDatabaseWrapper, queue: str, envelopes: Sequence[Envelope]
    ) -> None:
        """Insert through the driver itself, on Django's connection."""
        raise NotImplementedError

    def tell_ended(self, connection: BaseDatabaseWrapper, ids: Collection[str], awaited: str) -> None:
        """Tell those who subscribed that messages have ended, if the store has the key ``awaited``."""

    def subscribe(self, connection: BaseDatabaseWrapper, id: str) -> Subscription | None:
        """Return what hears of the end of the message ``id``; None if it cannot be told."""
        return None

    def look(self, connection: BaseDatabaseWrapper, queue: str, owner: int) -> Look:
        """Return whether there is anything to claim or promote, by one statement that writes nothing."""
        messages = f"SELECT 1 FROM {self.messages} WHERE queue = %s AND"
        statement = (
            f"SELECT EXISTS (SELECT 1 FROM {self.workers} WHERE owner = %s AND queue = %s), "
            f"EXISTS ({messages} state = 0), EXISTS ({messages} state = 1 AND due <= {self.now})"
        )
        (found,) = self._fetch(connection, statement, [owner, queue, queue, queue])
        return Look(*map(bool, found))

    def _fetch(self, connection: BaseDatabaseWrapper, statement: str, params: Any) -> list[Row]:
        """Return the rows of a statement that is executed very often."""
        with connection.cursor() as cursor:
            cursor.execute(statement, params)
            return list(cursor.fetchall())

    def count(self, connection: BaseDatabaseWrapper, queue: str) -> Counts:
        """Return the number of messages of ``queue`` in each state, all at one moment."""
        counted = f"SELECT count(*) FROM {self.messages} WHERE queue = %s AND"
        leased = self._count_leased() if self.finds_owners else f"{counted} state = 2"
        in_lanes = f"SELECT count(*) FROM {self.in_lanes} WHERE queue = %s AND"
        statement = (
            f"SELECT ({counted} state = 0), ({counted} state = 1), "
            f"({counted} state = 1 AND due <= {self.now}), ({leased}), ({counted} state = 3), "
            f"({in_lanes} state = 0), ({in_lanes} state = 2)"
        )
        (found,) = self._fetch(connection, statement, [queue] * statement.count("%s"))
        return Counts(*map(int, found))

    def _count_leased(self) -> str:
        """Return the statement that counts what is leased: owner by owner, for which there is an index.

        First what the owners of this queue hold; then what is held by none that is enrolled, which
        happens when an operator deletes rows.
        """
        m, w = f"{self.messages} AS m WHERE m.state = 2 AND m.owner", f"{self.workers} AS w"
        # From one owner to the next by the index alone: a "loose index scan", as PostgreSQL's wiki calls it. BETWEEN,
        # because PostgreSQL takes an unknown owner for a frequent one, and a range of unknown ends for a small one.
        return (
            f"WITH RECURSIVE holder (owner) AS (SELECT min(m.owner) FROM {m} IS NOT NULL UNION ALL "
            f"SELECT (SELECT min(m.owner) FROM {m} > holder.owner) FROM holder WHERE holder.owner IS NOT NULL) "
            f"SELECT (SELECT coalesce(sum((SELECT count(*) FROM {m} BETWEEN w.owner AND w.owner)), 0) FROM {w} WHERE w.queue = %s) "
            f"+ coalesce(sum((SELECT count(*) FILTER (WHERE m.queue = %s) FROM {m} BETWEEN holder.owner AND holder.owner)), 0) "
            f"FROM holder "
            f"WHERE holder.owner IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {w} WHERE w.owner = holder.owner)"
        )

    def promote(self, connection: BaseDatabaseWrapper, queue: str) -> int:
        """Make due messages ready, up to a few hundred, and return how many."""
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT id FROM {self.messages} WHERE queue = %s AND state = 1 AND due <= {self.now} "
                f"ORDER BY due LIMIT {_PROMOTED_AT_ONCE}",
                [queue],
            )
            ids = [id for (id,) in cursor.fetchall()]
            if not ids:
                return 0
            # With a plain condition on the state the planner might use the index of delayed messages instead of the key.
            cursor.execute(
                f"UPDATE {self.messages} SET state = 0, due = NULL "
                f"WHERE id IN ({placeholders(ids)}) AND state + 0 = 1",
                ids,
            )
            return int(cursor.rowcount)

    def claim(
        self,
        connection: BaseDatabaseWrapper,
        queue: str,
        owner: int,
        count: int,
        done: Collection[str],
    ) -> Claim:
        """Delete ``done`` and lend up to ``count`` messages, in one transaction."""
        raise NotImplementedError

    def ranks(self, connection: BaseDatabaseWrapper, queue: str) -> list[int]:
        """Return the ranks in which messages are ready: by one look at the index if all have the same, else by one for each."""
        ready = f"prio_rank) FROM {self.messages} WHERE queue = %s AND state = 0"
        ends = f"SELECT (SELECT MIN({ready}), (SELECT MAX({ready})"
        ((rank, last),) = self._fetch(connection, ends, [queue, queue])
        ranks: list[int] = []
        # Another program may have written anything there.
        while isinstance(rank, int) and isinstance(last, int):
            ranks.append(rank)
            if rank >= last:
                break
            # Not in one recursive statement: with a rank that is not a constant, MariaDB would read every message.
            ((rank,),) = self._fetch(connection, f"SELECT MIN({ready} AND prio_rank > %s", [queue, rank])
        return ranks

    def claim_oldest(
        self, connection: BaseDatabaseWrapper, queue: str, owner: int, ranks: Sequence[int], count: int
    ) -> list[Delivery]:
        """Lend up to ``count`` messages, the oldest of these ranks; fewer if others are taking some of them."""
        raise NotImplementedError

    def finish(
        self,
        connection: BaseDatabaseWrapper,
        queue: str,
        owner: int,
        records: Sequence[Finished],
        milliseconds: int,
    ) -> set[str] | None:
        """Delete the messages of ``records`` and keep those of the owner's; return their ids. None where it takes more than one statement."""
        return None

    def prefetch(
        self,
        connection: BaseDatabaseWrapper,
        queue: str,
        owner: int,
        count: int,
        done: Collection[str],
    ) -> Callable[[], Claim] | None:
        """Start a ``claim`` and return a function that waits for it; None where the driver cannot."""
        return None


def is_watched(connection: BaseDatabaseWrapper) -> bool:
    """Return whether any code counts, logs, wraps or forbids the statements of Django's cursors."""
    if connection.execute_wrappers or connection.queries_logged:
        return True
    # As is_guarded() begins, without a call.
    return "cursor" in connection.__dict__ and is_guarded(connection)


def is_guarded(connection: BaseDatabaseWrapper) -> bool:
    """Return whether Django's cursors have been replaced, as in a test that may use no database."""
    # A test class that forbids database access restores this attribute when it ends.
    return "cursor" in connection.__dict__ and _is_not_djangos(connection.cursor)


def _is_not_djangos(method: Any) -> bool:
    return getattr(method, "__code__", None) is not _DJANGOS_OWN


def together(connection: BaseDatabaseWrapper) -> AbstractContextManager[Any]:
    """Return a transaction for several statements; a null context where the caller manages transactions by hand.

    There ``atomic()`` is a savepoint, and releasing the outermost savepoint on SQLite commits.
    """
    if connection.in_atomic_block or connection.get_autocommit():
        return transaction.atomic(using=connection.alias)
    return nullcontext()


def after_commit(connection: BaseDatabaseWrapper, hook: Callable[[], object]) -> None:
    """Call ``hook`` when the transaction of ``connection`` has committed; at once if there is none.

    Never in a test's transaction, which does not commit. ``hook`` is not added twice in a row.
    """
    if not connection.in_atomic_block:
        hook()
        return
    # The transactions of a TestCase enclose all others.
    if connection.atomic_blocks and getattr(connection.atomic_blocks[0], "_from_testcase", False):
        return
    if connection.run_on_commit:
        savepoints, last, *_ = connection.run_on_commit[-1]
        # If rolling back a savepoint can drop the earlier hook but not the current call, another hook is needed.
        if last == hook and savepoints <= set(connection.savepoint_ids):
            return
    transaction.on_commit(hook, using=connection.alias, robust=True)


def placeholders(values: Collection[Any]) -> str:
    """Return as many placeholders as there are values."""
    return ", ".join(["%s"] * len(values))
