"""Faults of the server behind the queue: it dies, refuses, blocks, or drops its clients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any

import redis
from django.db import DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from tests.waiting import wait_until

from .catalogue import SERVERS, fault
from .faults import wait_for_workers
from .field import PATIENCE, Field

WAITING = "Waiting for it; running commands continue"
TABLE = "djutils_queuemessage"
WORKERS = "djutils_queueworker"


@contextmanager
def operator(field: Field) -> Iterator[BaseDatabaseWrapper]:
    """Return a connection of another program to the database."""
    with closing(connections[field.site.alias].copy()) as connection:
        yield connection


def ask(connection: BaseDatabaseWrapper, query: str) -> list[Any]:
    """Return the rows of a statement."""
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall() if cursor.description else []


@contextmanager
def redis_operator(field: Field) -> Iterator[redis.Redis]:
    """Return a client of another program."""
    with closing(redis.Redis.from_url(field.server.url)) as client:
        yield client


@contextmanager
def server_gone(field: Field) -> Iterator[None]:
    """Kill the server, which could not save anything, and start it again at the end of the context."""
    with ExitStack() as stack:
        if "postgres" in field.server.url:
            # Consumers do not wait for its disk: their last claims and acks may be gone.
            stack.enter_context(field.history.forgetting())
        field.server.kill()
        yield
        field.server.start()


def drop_clients(field: Field) -> None:
    """End every session but our own."""
    if "redis" in field.server.url:
        with redis_operator(field) as client:
            client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        return
    with operator(field) as connection:
        drop_others(connection)


def drop_others(connection: BaseDatabaseWrapper) -> None:
    """End every session but this one."""
    if connection.vendor == "postgresql":
        ask(
            connection,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE backend_type = 'client backend' AND pid != pg_backend_pid()",
        )
        return
    ours = ask(connection, "SELECT CONNECTION_ID()")[0][0]
    sessions = _sessions(connection) - {ours}
    for session in sessions:
        drop_session(connection, session)
    # Each session ends at its next check for interrupts.
    wait_until(lambda: not sessions & _sessions(connection))


def _sessions(connection: BaseDatabaseWrapper) -> set[int]:
    rows = ask(connection, "SELECT id FROM information_schema.processlist WHERE user = 'djutils'")
    return {session for (session,) in rows}


def drop_session(connection: BaseDatabaseWrapper, session: int) -> None:
    """End the session; it may have ended by itself."""
    with suppress(DatabaseError):
        ask(connection, f"KILL {session}")


@fault(SERVERS, times=3, short=("redis", "postgres"), says=WAITING)
def server_killed(field: Field) -> None:
    """Kill the server, which cannot save anything; then it starts again by itself."""
    wait_for_workers(field.consumer)
    with server_gone(field):
        field.pause(0.0, 1.0)


@fault(SERVERS, times=2, says=WAITING)
def server_restarted(field: Field) -> None:
    """Restart the server as for an upgrade: it saves everything, is gone for a moment and comes back."""
    wait_for_workers(field.consumer)
    field.server.stop()
    field.pause(0.0, 2.0)
    field.server.start()


@fault(SERVERS, times=20, short=("mariadb",), says=WAITING)
def clients_dropped(field: Field) -> None:
    """An operator repeatedly ends every session."""
    drop_clients(field)


@fault(SERVERS, says="Stopping")
def consumer_stopped_while_it_waits_for_the_server(field: Field) -> None:
    """Send SIGTERM while there is no server: the consumer ends after its grace period; a new one waits for the server."""
    consumer = field.consumer
    assert consumer.stop() == 0, consumer.log()
    consumer = field.start_consumer("--grace", "2")
    wait_for_workers(consumer)
    with server_gone(field):
        wait_until(lambda: WAITING in consumer.log(), PATIENCE, why=consumer.log)
        assert consumer.stop() in {0, 1}, consumer.log()
        field.start_consumer()


@fault(("redis",))
def memory_full(field: Field) -> None:
    """Reach maxmemory under noeviction; then make room again."""
    wait_for_workers(field.consumer)
    with redis_operator(field) as client:
        client.config_set("maxmemory", 1)
        field.pause(2.0, 3.0)
        client.config_set("maxmemory", 0)


@fault(("redis",), times=2, says="read only replica")
def server_read_only(field: Field) -> None:
    """Make the server a replica of one that does not answer; then a primary again."""
    wait_for_workers(field.consumer)
    with redis_operator(field) as client:
        client.replicaof("127.0.0.1", 1)
        field.pause(1.0, 2.0)
        client.replicaof("NO", "ONE")


@fault(("postgres",), times=3, says=WAITING)
def statement_timeout(field: Field) -> None:
    """Lock the table for longer than a statement may take."""
    wait_for_workers(field.consumer)
    with operator(field) as connection:
        ask(connection, "ALTER ROLE postgres SET statement_timeout = 200")
        drop_others(connection)
        ask(connection, f"BEGIN; LOCK TABLE {TABLE} IN EXCLUSIVE MODE")
        field.pause(1.0, 2.0)
        ask(connection, "COMMIT; ALTER ROLE postgres RESET statement_timeout")
    drop_clients(field)


@fault(("postgres",), times=2)
def transactions_serializable(field: Field) -> None:
    """The project's own level makes transactions fail that would have waited."""
    wait_for_workers(field.consumer)
    with operator(field) as connection:
        ask(connection, "ALTER ROLE postgres SET default_transaction_isolation = 'serializable'")
        drop_others(connection)
        field.pause(0.5, 1.0)
        ask(connection, "ALTER ROLE postgres RESET default_transaction_isolation")


@fault(("postgres",), says="too many clients|terminating connection")
def too_many_connections(field: Field) -> None:
    """Other programs take every connection; then they close them."""
    wait_for_workers(field.consumer)
    others: list[BaseDatabaseWrapper] = []
    drop_clients(field)
    try:
        wait_until(lambda: not _took_another(field, others), PATIENCE, every=0.0)
        # A connection of ours that got in first is ended, and another one of theirs takes its place.
        for _ in range(3):
            drop_ours(others[0])
            wait_until(lambda: not _took_another(field, others), PATIENCE, every=0.0)
        field.pause(1.0, 2.0)
    finally:
        for connection in others:
            connection.close()


def _took_another(field: Field, others: list[BaseDatabaseWrapper]) -> bool:
    connection = connections[field.site.alias].copy()
    try:
        ask(connection, "SET application_name = 'others'")
    except DatabaseError:
        return False
    others.append(connection)
    return True


def drop_ours(connection: BaseDatabaseWrapper) -> None:
    """End the sessions of consumers and producers."""
    ask(
        connection,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE backend_type = 'client backend' AND application_name != 'others'",
    )


@fault(("postgres", "mariadb"), times=5)
def deadlock(field: Field) -> None:
    """Another program locks messages in the wrong order, and waits for those that are being settled."""
    wait_for_workers(field.consumer)
    with operator(field) as connection:
        ask(connection, "BEGIN")
        try:
            for order in ("DESC", "ASC"):
                ask(connection, f"SELECT id FROM {TABLE} ORDER BY id {order} LIMIT 50 FOR UPDATE")
                field.pause(0.2, 0.4)
            ask(connection, f"SELECT owner FROM {WORKERS} FOR UPDATE")
            field.pause(0.0, 0.2)
        except DatabaseError:
            pass  # we were the one to give way
        finally:
            ask(connection, "ROLLBACK")


@fault(("mariadb",), times=2)
def lock_wait_timeout(field: Field) -> None:
    """Messages that are lent are locked for longer than a statement may wait."""
    wait_for_workers(field.consumer)
    with operator(field) as connection:
        ask(connection, "SET GLOBAL innodb_lock_wait_timeout = 1")
        drop_others(connection)
        field.pause(0.0, 0.2)
        ask(connection, "BEGIN")
        ask(connection, f"SELECT id FROM {TABLE} FOR UPDATE")
        field.pause(2.0, 3.0)
        ask(connection, "ROLLBACK")
        ask(connection, "SET GLOBAL innodb_lock_wait_timeout = 50")
    drop_clients(field)
