"""DatabaseQueue: messages in a table of the project's own database."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import QuerySet

from djutils.models import QueueMessage, State
from djutils.queue.deadlocks import Deadlock, retry_on_deadlock
from djutils.queue.exceptions import OwnerLost
from djutils.queue.message import Batch, Delivery, Envelope, Stats
from djutils.queue.stores.base import checked_value, milliseconds, parts, slices
from djutils.queue.stores.database_store import DatabaseStore

from .database_sql.ageing import Priorities
from .database_sql.bringing_back import BringingBackQueue
from .database_sql.claims import Claim, Finished, Heard
from .database_sql.errors import translated_errors
from .database_sql.lane_looking import LaneLookingQueue
from .database_sql.rows import by_key
from .database_sql.unique import UniqueQueue
from .leased import PUT_ASIDE_FOR
from .subscription import Subscription, note_awaited

_PROMOTION_EVERY = 1.0
_KEY_KEPT = 24 * 3600
_BYTES_AT_ONCE = 4 * 1024 * 1024
"""About how many bytes of messages to lend at once; at least one message is lent."""


class DatabaseQueue(BringingBackQueue, LaneLookingQueue, UniqueQueue):
    """Stores messages through Django's own connection: PostgreSQL, MariaDB, MySQL or SQLite.

    ``connection`` is a database alias; if empty, the routers decide. Sending is an INSERT in the
    caller's transaction: it commits or rolls back with the caller's data.
    """

    batch = 250
    put_aside_for = PUT_ASIDE_FOR

    def __init__(self, name: str, connection: str = "") -> None:
        super().__init__(name, connection)
        self._promoted = float("-inf")
        self._was_empty = False
        self._fitting = sys.maxsize
        self._priorities = Priorities()
        self._store = DatabaseStore(f"store:{name}", self._database, self._together)
        self._once = DatabaseStore(f"once:{name}", self._database, self._together)

    @property
    def store(self) -> DatabaseStore:
        return self._store

    def send(self, envelopes: Sequence[Envelope]) -> None:
        if not envelopes:
            return
        if self._own:
            with self._transaction() as connection:
                self._insert(connection, envelopes)
        else:
            with self._database() as connection:
                self._insert(connection, envelopes)

    def _insert(self, connection: BaseDatabaseWrapper, envelopes: Sequence[Envelope]) -> None:
        self._sql(connection).insert(connection, self.name, envelopes)
        self._wake(connection)

    def receive(self, owner: int, count: int, done: Collection[str] = (), wait: float = 0.0) -> Batch:
        count = min(count, self._fitting)
        if self._was_empty and not done and not self._has_something(owner):
            batch = Batch([])
        else:
            by_age = self._by_age(count)
            batch = self._batch(owner, self._claim(owner, count - by_age, done), count, by_age)
            self._was_empty = count > 0 and not batch.deliveries
        if wait and count and not batch.deliveries and self.blocking:
            return batch._replace(deliveries=self._wait(owner, count, wait))
        return batch

    def _wait(self, owner: int, count: int, seconds: float) -> list[Delivery]:
        """Wait up to ``seconds`` for a message, and lend what has arrived."""
        with self._database() as connection:
            sql = self._sql(connection)
            heard = sql.wait(connection, self.name, self.beside, seconds)
        if heard in {Heard.NOTHING, Heard.CALL_BESIDE}:
            return []
        try:
            self._was_empty = self._was_empty and heard is not Heard.CALL
            lent = self.receive(owner, count).deliveries
        finally:
            sql.looked()
        if heard is Heard.CALL and len(lent) >= count:
            with self._database() as connection:
                sql.pass_on(connection, self.name)
        return lent

    def prefetch(self, owner: int, count: int, done: Collection[str] = ()) -> Callable[[], Batch] | None:
        count = min(count, self._fitting)
        by_age = self._by_age(count)
        first = count - by_age
        with self._database() as connection:
            pending = self._sql(connection).prefetch(connection, self.name, owner, first, done)
        if pending is None:
            return None

        def answer() -> Batch:
            try:
                with translated_errors(connection):
                    claim = pending()
            except Deadlock:
                claim = self._claim(owner, first, done)
            return self._batch(owner, claim, count, by_age)

        return answer

    def _has_something(self, owner: int) -> bool:
        """Look before claiming: a queue that was empty nearly always still is."""
        with self._database() as connection:
            look = self._sql(connection).look(connection, self.name, owner)
        if not look.enrolled:
            raise OwnerLost
        return look.ready or look.due

    @retry_on_deadlock
    def _claim(self, owner: int, count: int, done: Collection[str]) -> Claim:
        with self._database() as connection:
            return self._sql(connection).claim(connection, self.name, owner, count, done)

    @retry_on_deadlock
    def _claim_oldest(self, owner: int, count: int) -> list[Delivery]:
        with self._database() as connection:
            sql = self._sql(connection)
            return sql.claim_oldest(connection, self.name, owner, self._priorities.ranks, count)

    def _by_age(self, count: int) -> int:
        """Return how many of the next ``count`` messages to lend are chosen by age; 0 where all have one priority."""
        return self.turns.by_age(count) if self._priorities.are_several else 0

    def _look_at_priorities(self) -> None:
        with self._database() as connection:
            self._priorities.note(self._sql(connection).ranks(connection, self.name))

    def _batch(self, owner: int, claim: Claim, count: int, by_age: int) -> Batch:
        """Return the batch that ``claim`` lent, ``by_age`` of the oldest beside it, and what has become due meanwhile."""
        if not claim.enrolled:
            raise OwnerLost
        lent, first = claim.deliveries, count - by_age
        if claim.partial and len(lent) < first:
            lent += self._claim(owner, first - len(lent), ()).deliveries
        if by_age and len(lent) == first:
            lent += self._claim_oldest(owner, by_age)
            if len(lent) < count:
                lent += self._claim(owner, count - len(lent), ()).deliveries
        # Check for due messages when the batch is not full, and now and then even when it is: a due
        # message may have a higher priority than those that are ready.
        room = len(lent) < count and claim.due
        if room or time.monotonic() - self._promoted > _PROMOTION_EVERY:
            self._promoted = time.monotonic()
            if self._promote() and len(lent) < count:
                lent += self._claim(owner, count - len(lent), ()).deliveries
        self.turns.lent(len(lent))
        if lent and len(lent) == count and self._priorities.are_outdated:
            self._look_at_priorities()
        if lent:
            size = sum(len(delivery.data) for delivery in lent)
            self._fitting = max(1, len(lent) * _BYTES_AT_ONCE // max(size, 1))
        return Batch(lent, claim.late)

    @retry_on_deadlock
    def _promote(self) -> int:
        with self._database() as connection:
            return self._sql(connection).promote(connection, self.name)

    def ack(self, owner: int, ids: Collection[str]) -> set[str]:
        late = frozenset[str]().union(*(self._claim(owner, 0, some).late for some in slices(ids)))
        return set(ids) - late

    def finish(self, owner: int, records: Mapping[str, bytes], ttl: float) -> set[str]:
        if self.results is not self._store:
            return super().finish(owner, records, ttl)
        key, value = self._store.stored_key, checked_value
        done: set[str] = set()
        for part in parts(records):
            done |= self._finish(owner, [(id, key(id), value(record)) for id, record in part.items()], ttl)
        self._tell_ended(done)
        return done

    def subscribe(self, id: str) -> Subscription | None:
        with self._database() as connection:
            # With results elsewhere a message has ended before its result is there, and in a transaction no consumer
            # would learn that a caller waits.
            if self.results_elsewhere or connection.in_atomic_block:
                return None
            subscription = self._sql(connection).subscribe(connection, id)
        if subscription is not None:
            note_awaited(self._store)
        return subscription

    @retry_on_deadlock
    def _finish(self, owner: int, records: Sequence[Finished], ttl: float) -> set[str]:
        # Losing both in a crash of the server causes only a redelivery: it need not be durable.
        with self._database() as connection:
            sql = self._sql(connection)
            done = sql.finish(connection, self.name, owner, records, milliseconds(ttl))
            if done is not None:
                return done
            with transaction.atomic(using=connection.alias):
                late = sql.claim(connection, self.name, owner, 0, [id for id, _, _ in records]).late
                ours = {id: record for id, _, record in records if id not in late}
                self._store.put(connection, ours, ttl)
            return {*ours}

    def read(self) -> bytes | None:
        self._promote()
        with self._database():
            ready = self._messages(State.READY)
            data = (
                self._take_first(ready.filter(rank=self._rank_of_oldest())) if self.turns.by_age(1) else None
            )
            if data is None:
                data = self._take_first(ready)
        self.turns.lent(data is not None)
        return data

    def _take_first(self, rows: QuerySet[QueueMessage]) -> bytes | None:
        first = rows.annotate(lane=self._lane_of_each()).order_by("rank", "id")
        while (found := first.values_list("id", "message", "message_id", "lane").first()) is not None:
            id, message, message_id, lane = found
            # The process whose DELETE counted a row has the message; the others look again.
            if not by_key(self._using, [id], State.READY).delete()[0]:
                continue
            if lane is not None:
                self._leave_lanes([message_id])
            return bytes(message)
        return None

    @retry_on_deadlock
    def send_once(self, key: str, envelope: Envelope) -> bool:
        with self._transaction() as connection:
            if new := self._once.take(connection, key, b"", _KEY_KEPT):
                self._insert(connection, [envelope])
            return new

    def flush(self) -> None:
        # One state after the other: each statement can use an index.
        with self._transaction():
            for state in (State.DELAYED, State.READY, State.DEAD):
                self._messages(state).delete()
            kept = self._flush_lanes()
            for some in self._leased():
                some.exclude(message_id__in=kept).delete()

    def stats(self) -> Stats:
        with self._database() as connection:
            counts = self._sql(connection).count(connection, self.name)
        # Due messages that are not promoted yet count as ready: the next receive promotes them.
        ready, delayed = counts.ready + counts.due, counts.delayed - counts.due + counts.later
        return Stats(ready, delayed, counts.leased, counts.dead, counts.waiting)
