"""How a DatabaseQueue connects to its database: through the project's connection, or a consumer's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from math import floor
from socket import SHUT_RDWR, socket
from typing import Any

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import QuerySet

from djutils.models import QueueMessage, QueueWorker, State
from djutils.queue.backends.base import own_alias
from djutils.queue.exceptions import BackendUnavailable
from djutils.queue.stores.base import slices

from .aliases import PlacedQueue
from .base import Dialect, together
from .errors import translated_errors
from .rows import in_state, messages
from .vendors import dialect_of, own_settings

_LAST_OWNER = (1 << 63) - 1


class ConnectedQueue(PlacedQueue):
    """A queue in the database of an alias. Once opened, it has a private connection."""

    def __init__(self, name: str, connection: str = "") -> None:
        super().__init__(name, connection)
        self._dialect: Dialect | None = None
        self._own = ""
        self._raw: Any = None
        self._tuned: object = None

    @property
    def _using(self) -> str:
        return self._own or self.alias

    @property
    def blocking(self) -> bool:  # type: ignore[override]
        """Whether a waiting consumer can be woken."""
        return self._sql(connections[self.alias]).blocking

    def open(self) -> None:
        """Open a private connection: what commands do to theirs must not affect it, nor the reverse.

        Raises ``ConfigurationError`` if the database can only be reached through a pooler.
        """
        own, settings = own_alias(self.alias), own_settings(connections[self.alias])
        if connections.settings.get(own) != settings:
            connections.settings[own] = settings
            with suppress(AttributeError):  # there is no such connection in this thread
                connections[own].close()
                del connections[own]
        self._own = own
        # If the database is down now, the first query reports it.
        with suppress(BackendUnavailable), self._database():
            pass

    def close(self) -> None:
        """Close the calling thread's connection."""
        if self._dialect:
            self._dialect.close()
        connections[self._using].close()

    def hang_up(self) -> None:
        # Not through the driver: its objects belong to the other thread. The descriptor is not closed either: its number
        # could then belong to another file.
        with suppress(Exception), socket(fileno=os.dup(_descriptor(self._raw))) as wire:
            wire.shutdown(SHUT_RDWR)

    def _database(self) -> translated_errors:
        """Return the connection as a context manager that translates the driver's errors into ours."""
        connection = connections[self._using]
        errors = translated_errors(connection)
        if self._own:
            with errors:
                self._tune(connection)
        return errors

    @contextmanager
    def _transaction(self) -> Iterator[BaseDatabaseWrapper]:
        """Open a transaction that is as durable in a crash of the server as the project's own."""
        with self._database() as connection:
            if self._own:
                with self._sql(connection).durably(connection):
                    yield connection
            else:
                with transaction.atomic(using=connection.alias):
                    yield connection

    @contextmanager
    def _together(self) -> Iterator[BaseDatabaseWrapper]:
        """Open a transaction as ``_transaction`` does, but not within one that the caller manages by hand."""
        with self._database() as connection, self._writing(connection):
            yield connection

    def _writing(self, connection: BaseDatabaseWrapper) -> AbstractContextManager[None]:
        return self._sql(connection).durably(connection) if self._own else together(connection)

    def _tune(self, connection: BaseDatabaseWrapper) -> None:
        connection.ensure_connection()
        if connection.connection is not self._tuned:
            self._raw = connection.connection
            # A request that one thread sent may be read by another.
            connection.inc_thread_sharing()
            self._sql(connection).tune(connection)
            self._tuned = connection.connection

    def _sql(self, connection: BaseDatabaseWrapper) -> Dialect:
        if self._dialect is None:
            self._dialect = dialect_of(connection)
        return self._dialect

    def _wake(self, connection: BaseDatabaseWrapper) -> None:
        """Wake a waiting consumer when the transaction has committed: there is something to lend."""
        # With autocommit off no hook is called at the commit: the next poll finds the message.
        if connection.commit_on_exit if connection.in_atomic_block else connection.autocommit:
            self._sql(connection).wake(connection, self.name)

    @contextmanager
    def _legible(self) -> Iterator[None]:
        """Inside, SQLite returns text that is not UTF-8 with escapes: it stores any bytes as text."""
        connection = connections[self._using]
        if connection.vendor != "sqlite":
            yield
            return
        connection.ensure_connection()
        raw = connection.connection
        usual, raw.text_factory = raw.text_factory, _escaped
        try:
            yield
        finally:
            raw.text_factory = usual

    def _messages(self, state: State) -> QuerySet[QueueMessage]:
        return messages(self._using, self.name, state)

    def _leased(self) -> Iterator[QuerySet[QueueMessage]]:
        """Return what is leased, in parts for which there is an index; also what is leased to no enrolled owner."""
        leased = self._messages(State.LEASED)
        if not self._sql(connections[self._using]).finds_owners:
            yield leased
            return
        yield leased.filter(owner=None)
        owners = [*self._workers().values_list("owner", flat=True), *self._unenrolled()]
        for some in slices(owners):
            yield leased.filter(owner__in=some)

    def _unenrolled(self) -> Iterator[int]:
        """Return each owner that messages of any queue are leased to and that is not enrolled.

        An operator has deleted its row, or restored one table only. One look at the index for each owner.
        """
        enrolled = set(QueueWorker.objects.using(self._using).values_list("owner", flat=True))
        # SQLite keeps any type in the column: text and infinity are beyond the last number, fractions between two.
        leased = in_state(self._using, State.LEASED).filter(owner__lte=_LAST_OWNER)
        owners = leased.order_by("owner").values_list("owner", flat=True)
        owner = owners.filter(owner__isnull=False).first()
        while owner is not None:
            if owner not in enrolled:
                yield owner
            owner = owners.filter(owner__gte=floor(owner) + 1).first() if owner < _LAST_OWNER else None

    def _workers(self) -> QuerySet[QueueWorker]:
        return QueueWorker.objects.using(self._using).filter(queue=self.name)


def _escaped(stored: bytes) -> str:
    return stored.decode(errors="backslashreplace")


def _descriptor(raw: Any) -> int:
    """Return the file descriptor of a driver's connection; PyMySQL keeps its socket in a private attribute."""
    return int((raw if hasattr(raw, "fileno") else raw._sock).fileno())
