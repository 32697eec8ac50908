"""The transactions of a test: which calls wait for their commit, and how they stay usable after a failed command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from django.db import DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from djutils.queue.shipment import Shipment, is_only_of_a_test


def send_what_is_committed() -> None:
    """Send the calls that were made in the project's own transactions, if these have ended successfully.

    In a ``TestCase`` such a transaction is a savepoint, and its hooks are never called. They stay in Django's
    list of hooks: a call that has been sent is not sent again.
    """
    for connection in connections.all(initialized_only=True):
        if is_only_of_a_test(connection):
            for shipment, alias in _shipments(connection):
                shipment.committed(alias)


def count_uncommitted() -> int:
    """Return how many calls wait for the commit of a transaction that is still open."""
    shipments = {
        id(shipment): len(shipment.parcels)
        for connection in connections.all(initialized_only=True)
        for shipment, _ in _shipments(connection)
    }
    return sum(shipments.values())


def _shipments(connection: BaseDatabaseWrapper) -> Iterator[tuple[Shipment, str]]:
    for _, hook, *_ in list(connection.run_on_commit):
        shipment = getattr(hook.func, "__self__", None) if isinstance(hook, partial) else hook
        if isinstance(shipment, Shipment):
            yield shipment, connection.alias


@contextmanager
def spared() -> Iterator[None]:
    """Keep the test's own transactions usable, whichever statement fails inside.

    In production a command without ``atomic`` has no transaction around it, and what it wrote before it failed
    stays. The same holds here, unless Django or PostgreSQL require a rollback: after a failed statement, or a
    failed ``atomic(savepoint=False)``.
    """
    of_the_test = [one for one in connections.all(initialized_only=True) if is_only_of_a_test(one)]
    savepoints = [(connection, connection.savepoint()) for connection in of_the_test]
    try:
        yield
    finally:
        for connection, savepoint in savepoints:
            if savepoint is not None:
                _release(connection, savepoint)


def _release(connection: BaseDatabaseWrapper, savepoint: str) -> None:
    failed = connection.needs_rollback
    connection.needs_rollback = False
    try:
        if not failed:
            connection.savepoint_commit(savepoint)
            return
    except DatabaseError:  # PostgreSQL refuses all statements after a failed one
        pass
    connection.savepoint_rollback(savepoint)
