"""DatabaseQueue: messages in a table of the project's own database."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Case, Count, F, QuerySet, SmallIntegerField, When
from django.utils.connection import ConnectionDoesNotExist

from djutils.models import QueueKey, QueueMessage, QueueWorker, State
from djutils.queue.exceptions import ConfigurationError, OwnerLost
from djutils.queue.message import Batch, DeadLetter, Delivery, Envelope, Rejection, Retrial, Running, Stats

from .base import LeasedQueue, own_alias
from .database_sql.base import Dialect, Now, Step
from .database_sql.errors import Deadlock, errors_of, tried_again
from .database_sql.rows import dead_letter, delivery, text
from .database_sql.vendors import dialect_of

_PROMOTION_EVERY = 1.0
_KEY_KEPT = 24 * 3600 * 1000


class DatabaseQueue(LeasedQueue):
    """Stores messages through Django's own connection: PostgreSQL, MariaDB, MySQL or SQLite.

    ``connection`` is a database alias; empty, the routers decide. Sending is an INSERT in the
    caller's transaction: it commits with the caller's data, or is rolled back with it.
    """

    batch = 250
    transactional = True

    def __init__(self, name: str, connection: str = "") -> None:
        super().__init__(name, connection)
        self._dialect: Dialect | None = None
        self._own = ""
        self._tuned: object = None
        self._promoted = float("-inf")
        self._was_empty = False

    @property
    def alias(self) -> str:
        """The database alias its table is in."""
        if router.routers and not self.connection:
            return router.db_for_write(QueueMessage)
        return self.connection or DEFAULT_DB_ALIAS

    @property
    def _using(self) -> str:
        return self._own or self.alias

    @property
    def transaction_alias(self) -> str:  # type: ignore[override]
        """The alias whose transactions a send takes part in."""
        return self.alias

    @property
    def blocking(self) -> bool:  # type: ignore[override]
        """Whether a consumer that waits can be woken."""
        return self._sql(connections[self.alias]).blocking

    def open(self) -> None:
        """Take a connection of its own: what commands do to theirs must not reach it, nor ours them."""
        own = own_alias(self.alias)
        entry = connections.settings[self.alias]
        # No pool, which may be empty just when a lease must be kept; and what it claims is committed at once.
        options = {name: value for name, value in entry["OPTIONS"].items() if name != "pool"}
        ours = {"OPTIONS": options, "AUTOCOMMIT": True, "CONN_MAX_AGE": None}
        connections.settings.setdefault(own, entry | ours)
        self._own = own

    def close(self) -> None:
        """Close the calling thread's connection."""
        if self._dialect:
            self._dialect.close()
        connections[self._using].close()

    # The hot path, raw SQL.

    def send(self, envelopes: Sequence[Envelope]) -> None:
        if not envelopes:
            return
        with self._database() as connection:
            sql = self._sql(connection)
            sql.insert(connection, self.name, envelopes)
            # With autocommit off no hook is called at the commit: there it is found by the next look.
            if connection.commit_on_exit if connection.in_atomic_block else connection.autocommit:
                sql.wake(connection, self.name)

    def receive(self, owner: int, count: int, done: Collection[str] = (), wait: float = 0.0) -> Batch:
        if self._was_empty and not done and not self._has_something(owner):
            batch = Batch([])
        else:
            batch = self._batch(owner, self._step(owner, count, done), count, done)
            self._was_empty = count > 0 and not batch.deliveries
        if wait and count and not batch.deliveries and self.blocking:
            with self._database() as connection:
                woken = self._sql(connection).wait(connection, self.name, wait)
            if woken:
                self._was_empty = False
                return batch._replace(deliveries=self.receive(owner, count).deliveries)
        return batch

    def ask(self, owner: int, count: int, done: Collection[str] = ()) -> Callable[[], Batch] | None:
        with self._database() as connection:
            pending = self._sql(connection).ask(connection, self.name, owner, count, done)
        if pending is None:
            return None

        def answer() -> Batch:
            try:
                with errors_of(connection):
                    step = pending()
            except Deadlock:
                step = self._step(owner, count, done)
            return self._batch(owner, step, count, done)

        return answer

    def _has_something(self, owner: int) -> bool:
        """Look before claiming: on a queue that was empty it is nearly always the end of it."""
        with self._database() as connection:
            look = self._sql(connection).look(connection, self.name, owner)
        if not look.enrolled:
            raise OwnerLost
        return look.ready or look.due

    @tried_again
    def _step(self, owner: int, count: int, done: Collection[str]) -> Step:
        with self._database() as connection:
            return self._sql(connection).step(connection, self.name, owner, count, done)

    def _batch(self, owner: int, step: Step, count: int, done: Collection[str]) -> Batch:
        """Answer what came of ``step``, and what has become due meanwhile."""
        if not step.enrolled:
            raise OwnerLost
        lent = step.deliveries
        if step.partial and len(lent) < count:
            lent += self._step(owner, count - len(lent), ()).deliveries
        # Looked for when there is room, and now and then although there is none: what is due
        # may outrank what is ready.
        room = len(lent) < count and step.due
        if room or time.monotonic() - self._promoted > _PROMOTION_EVERY:
            self._promoted = time.monotonic()
            if self._promote() and len(lent) < count:
                lent += self._step(owner, count - len(lent), ()).deliveries
        return Batch(lent, step.late)

    @tried_again
    def _promote(self) -> int:
        with self._database() as connection:
            return self._sql(connection).promote(connection, self.name)

    @tried_again
    def ack(self, owner: int, ids: Collection[str]) -> set[str]:
        with self._database() as connection:
            late = self._sql(connection).step(connection, self.name, owner, 0, ids).late
        return set(ids) - late

    # Everything else, through the ORM.

    def read(self) -> bytes | None:
        self._promote()
        with self._database():
            waiting = self._messages(State.READY).order_by("rank", "id")
            while (first := waiting.values_list("id", "message").first()) is not None:
                id, message = first
                # Whoever's DELETE counts has it; the others look again.
                if self._messages(State.READY).filter(id=id).delete()[0]:
                    return bytes(message)
        return None

    @tried_again
    def send_once(self, key: str, envelope: Envelope) -> bool:
        keys = QueueKey.objects.using(self._using)
        with self._database(), transaction.atomic(using=self._using):
            keys.filter(used__lt=Now() - _KEY_KEPT).delete()
            _, new = keys.get_or_create(key=f"{self.name}:{key}", defaults={"used": Now()})
            if new:
                self.send([envelope])
            return new

    def enroll(self, owner: int) -> None:
        with self._database():
            workers = QueueWorker.objects.using(self._using)
            workers.bulk_create([QueueWorker(owner=owner, queue=self.name)], ignore_conflicts=True)

    @tried_again
    def release(self, owner: int, ids: Collection[str], delay: float = 0.0) -> set[str]:
        with self._holding(owner, ids) as held:
            self._give_back(held.values(), delay)
            return set(held)

    @tried_again
    def retry(self, owner: int, retrials: Sequence[Retrial]) -> set[str]:
        with self._holding(owner, [retrial.id for retrial in retrials]) as held:
            settled = set(held)
            for id, delay, error, charge in retrials:
                if id in held:
                    counter = "attempts" if charge else "offers"
                    self._give_back([held.pop(id)], delay, error=text(error), **{counter: F(counter) + 1})
            return settled

    @tried_again
    def reject(self, owner: int, rejections: Sequence[Rejection]) -> set[str]:
        with self._holding(owner, [rejection.id for rejection in rejections]) as held:
            settled = set(held)
            for id, error, charge in rejections:
                self._messages().filter(id=held.pop(id, 0)).update(
                    state=State.DEAD,
                    owner=None,
                    died=Now(),
                    error=text(error),
                    attempts=F("attempts") + charge,
                )
            return settled

    def adopt(self, owner: int, known: Collection[str]) -> list[Delivery]:
        with self._database():
            lent = self._messages(State.LEASED).filter(owner=owner).order_by("rank", "id")
            return [delivery(row) for row in lent if row.message_id not in known]

    def held(self, owner: int, ids: Collection[str]) -> set[str]:
        with self._database():
            lent = self._messages(State.LEASED).filter(owner=owner, message_id__in=list(ids))
            return set(lent.values_list("message_id", flat=True))

    def beat(self, owners: Collection[int]) -> set[int]:
        with self._database():
            mine = self._workers().filter(owner__in=list(owners))
            mine.update(beats=F("beats") + 1)
            return set(mine.values_list("owner", flat=True))

    def owners(self) -> dict[int, int]:
        with self._database():
            return dict(self._workers().values_list("owner", "beats"))

    @tried_again
    def reap(self, owner: int, beats: int | None = None, running: Running | None = None) -> int:
        with self._database(), transaction.atomic(using=self._using):
            worker = self._workers().filter(owner=owner)
            if beats is not None and not worker.filter(beats=beats).delete()[0]:
                return 0
            # Struck off before anything is given back: from here on nothing more is lent to it.
            worker.delete()
            lent = self._messages(State.LEASED).filter(owner=owner)
            # Found first, then locked: what is looked through on the way would be locked by some.
            found = list(lent.values_list("id", flat=True))
            held = dict(lent.filter(id__in=found).select_for_update().values_list("message_id", "id"))
            if running is None:
                self._give_back(held.values(), redeliveries=F("redeliveries") + 1)
                return len(held)
            for id in running.keys() & held.keys():
                self._give_back([held[id]], crashes=F("crashes") + 1, error=text(running[id]))
            self._give_back([held[id] for id in held.keys() - running.keys()])
            return len(held)

    def flush(self) -> None:
        with self._database():
            self._messages().delete()

    def __len__(self) -> int:
        with self._database():
            return self._messages(State.READY, State.DELAYED).count()

    def dead_letters(self, ids: Collection[str] | None = None, count: int = 100) -> list[DeadLetter]:
        with self._database():
            return [*map(dead_letter, self._dead(ids).order_by("-died", "-id")[:count])]

    def replay(self, ids: Collection[str] | None = None) -> int:
        with self._database():
            return self._dead(ids).update(
                state=State.READY, died=None, error=None, attempts=0, crashes=0, redeliveries=0, offers=0
            )

    def discard(self, ids: Collection[str] | None = None, *, before: datetime | None = None) -> int:
        with self._database():
            dead = self._dead(ids)
            if before is not None:
                dead = dead.filter(died__lt=round(before.timestamp() * 1000))
            return dead.delete()[0]

    def stats(self) -> Stats:
        # What is due but not promoted yet waits for nothing but the next receive.
        state = Case(
            When(state=State.DELAYED, due__lte=Now(), then=State.READY),
            default=F("state"),
            output_field=SmallIntegerField(),
        )
        with self._database():
            counted = self._messages().values_list(state).annotate(Count("id")).order_by()
            return Stats(**{State(state).name.lower(): number for state, number in counted})

    # How it gets at the database.

    def _database(self) -> errors_of:
        """Answer the connection, as a context: inside, the driver's errors become ours."""
        try:
            connection = connections[self._using]
        except ConnectionDoesNotExist as error:
            raise ConfigurationError(
                f"QUEUE_CONNECTION = {self.connection!r} is not an alias in DATABASES "
                f"(there are: {', '.join(connections)})."
            ) from error
        errors = errors_of(connection)
        if self._own:
            with errors:
                self._tune(connection)
        return errors

    def _tune(self, connection: BaseDatabaseWrapper) -> None:
        connection.ensure_connection()
        if connection.connection is not self._tuned:
            # What was asked in one thread may be heard in another.
            connection.inc_thread_sharing()
            self._sql(connection).tune(connection)
            self._tuned = connection.connection

    def _sql(self, connection: BaseDatabaseWrapper) -> Dialect:
        if self._dialect is None:
            self._dialect = dialect_of(connection)
        return self._dialect

    def _messages(self, *states: State) -> QuerySet[QueueMessage]:
        rows = QueueMessage.objects.using(self._using).filter(queue=self.name)
        return rows.filter(state__in=states) if states else rows

    def _dead(self, ids: Collection[str] | None) -> QuerySet[QueueMessage]:
        dead = self._messages(State.DEAD)
        return dead if ids is None else dead.filter(message_id__in=list(ids))

    def _workers(self) -> QuerySet[QueueWorker]:
        return QueueWorker.objects.using(self._using).filter(queue=self.name)

    @contextmanager
    def _holding(self, owner: int, ids: Collection[str]) -> Iterator[dict[str, int]]:
        """Answer message id -> primary key of those that are lent to ``owner``, and lock them."""
        with self._database(), transaction.atomic(using=self._using):
            lent = self._messages(State.LEASED).filter(owner=owner, message_id__in=list(ids))
            yield dict(lent.select_for_update().values_list("message_id", "id"))

    def _give_back(self, keys: Collection[int], delay: float = 0.0, **counted: Any) -> None:
        if delay > 0:
            counted |= {"state": State.DELAYED, "due": Now() + round(delay * 1000)}
        else:
            counted |= {"state": State.READY}
        self._messages().filter(id__in=sorted(keys)).update(owner=None, **counted)
