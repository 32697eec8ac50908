"""Faults seen in ordinary projects: one consumer's network, permissions and passwords, a read-only server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from tests.poolers import pgbouncer
from tests.servers import Unavailable
from tests.waiting import wait_until

from .catalogue import DATABASES, SERVERS, fault
from .faults import wait_for_workers
from .faults_servers import TABLE, WAITING, ask, drop_others, operator, redis_operator
from .field import LEASE, PATIENCE, Field

ABANDONED = 200_000
"""Overdue messages of a queue that no consumer empties any more."""
_COLUMNS = "(message_id, queue, prio_rank, message, state, due, attempts, crashes, redeliveries, offers)"
_REST = "'abandoned', 0, 'x', 1, 1, 0, 0, 0, 0"
LEAVE_OVERDUE = {
    "postgresql": f"INSERT INTO {TABLE} {_COLUMNS} "
    f"SELECT 'abandoned-' || n, {_REST} FROM generate_series(1, {ABANDONED}) AS n",
    "mysql": f"INSERT INTO {TABLE} {_COLUMNS} "
    f"SELECT CONCAT('abandoned-', seq), {_REST} FROM seq_1_to_{ABANDONED}",
    "sqlite": f"WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < {ABANDONED}) "
    f"INSERT INTO {TABLE} {_COLUMNS} SELECT 'abandoned-' || n, {_REST} FROM counted",
}
DENIED = ("rpush", "lpush", "zadd", "sadd", "hset", "hdel", "srem", "evalsha")


@fault(SERVERS, wired=True, says="missed its heartbeat for 3 s")
def deaf_consumer_beside_living_ones(field: Field) -> None:
    """It is disconnected for longer than the lease: the others take its messages, and it considers no other one dead."""
    wait_for_workers(field.consumer)
    deaf, proxy = field.start_wired()
    wait_for_workers(deaf)
    field.send_more(60, 0.1)
    proxy.hole()
    field.history.silenced |= deaf.members()
    wait_until(lambda: "missed its heartbeat for" in field.consumer.log(), PATIENCE, why=field.site.logs)
    proxy.repair()
    field.send_more(60, 0.1)


@fault(SERVERS, wired=True, says="missed its heartbeat for 3 s")
def survivor_cut_off_every_second(field: Field) -> None:
    """A consumer dies completely; the only one left keeps losing its connections, and still takes over."""
    wait_for_workers(field.consumer)
    survivor, proxy = field.start_wired()
    wait_for_workers(survivor)
    field.send_more(20, 0.1)
    field.consumer.kill_all()
    # Never undisturbed for as long as the lease: a watch that starts again after each cut would see nothing.
    for _ in range(round(5 * LEASE)):
        field.pause(0.8, 1.0)
        proxy.reset()
    assert "missed its heartbeat for" in survivor.log(), survivor.log()


@fault(SERVERS, times=4, wired=True)
def one_connection_holed(field: Field) -> None:
    """One connection of a consumer goes silent without closing; all the others work."""
    wait_for_workers(field.consumer)
    field.history.silenced |= field.consumer.members()
    field.wires.consumers.hole_one(field.random.randrange(100))
    field.pause(0.5, 1.0)


@contextmanager
def administrator(field: Field) -> Iterator[BaseDatabaseWrapper]:
    """Return a connection of a user without limits."""
    with operator(field) as connection:
        if connection.vendor == "mysql":
            connection.settings_dict |= {"USER": "administrator", "PASSWORD": ""}
        yield connection


@contextmanager
def changed(field: Field, change: str, back: str) -> Iterator[None]:
    """Change the server for every new session inside the context; old sessions are ended before and after."""
    with administrator(field) as connection:
        ask(connection, change)
        drop_others(connection)
        yield
        ask(connection, back)
        drop_others(connection)


@fault(("postgres", "mariadb"), times=2, says=WAITING)
def database_read_only(field: Field) -> None:
    """As during a failover, or when the disk of a managed service is full: it answers, but writes nothing."""
    change, back = {
        "postgresql": (
            "ALTER ROLE postgres SET default_transaction_read_only = on",
            "ALTER ROLE postgres RESET default_transaction_read_only",
        ),
        "mysql": ("SET GLOBAL read_only = 1", "SET GLOBAL read_only = 0"),
    }[connections[field.site.alias].vendor]
    wait_for_workers(field.consumer)
    with changed(field, change, back):
        field.pause(2.0, 4.0)


@fault(("postgres", "mariadb"), times=2, says=WAITING)
def login_refused(field: Field) -> None:
    """The account is locked, as while a password is changed: new sessions are refused."""
    change, back = {
        "postgresql": ("ALTER ROLE postgres NOLOGIN", "ALTER ROLE postgres LOGIN"),
        "mysql": (
            "ALTER USER djutils@'127.0.0.1' IDENTIFIED BY 'another'",
            "ALTER USER djutils@'127.0.0.1' IDENTIFIED BY 'djutils'",
        ),
    }[connections[field.site.alias].vendor]
    wait_for_workers(field.consumer)
    with changed(field, change, back):
        field.pause(2.0, 3.0)


@fault(("redis",), times=2, says=WAITING)
def password_changed(field: Field) -> None:
    """New connections are refused until the old password is restored."""
    wait_for_workers(field.consumer)
    with redis_operator(field) as client:
        client.config_set("requirepass", "another")
        client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        field.pause(2.0, 3.0)
        client.config_set("requirepass", "")


@fault(("redis",), times=8, says=WAITING)
def command_of_redis_denied(field: Field) -> None:
    """One permission is missing for a while: a script fails where it first needs it."""
    wait_for_workers(field.consumer)
    denied = field.random.choice(DENIED)
    with redis_operator(field) as client:
        client.execute_command("ACL", "SETUSER", "default", f"-{denied}")
        field.pause(0.3, 0.8)
        client.execute_command("ACL", "SETUSER", "default", "+@all")


@fault(("postgres",), times=2)
def pooler_killed(field: Field) -> None:
    """The site sends through a pooler that dies repeatedly: what was not accepted is sent again, and runs once."""
    wait_for_workers(field.consumer)
    site = connections.settings[field.site.alias]
    try:
        pooler = field.stack.enter_context(pgbouncer(urlsplit(field.server.url).port or 0))
    except Unavailable as error:
        pytest.skip(str(error))
    with operator(field) as connection:
        direct, site["PORT"] = site["PORT"], str(pooler.port)
        drop_others(connection)
        for _ in range(4):
            field.send_more(20, 0.01)
            pooler.kill()
            field.pause(0.1, 0.3)
            pooler.start()
        site["PORT"] = direct
        drop_others(connection)


@contextmanager
def overdue(field: Field) -> Iterator[BaseDatabaseWrapper]:
    """Put 200,000 overdue messages on a queue that no consumer empties; yield the operator's connection."""
    with operator(field) as connection:
        ask(connection, LEAVE_OVERDUE[connection.vendor])
        try:
            yield connection
        finally:
            ask(connection, f"DELETE FROM {TABLE} WHERE queue = 'abandoned'")


@fault(DATABASES, says="ready")
def abandoned_queue_overdue(field: Field) -> None:
    """Everything beside it continues, and the messages of a consumer that dies are taken over."""
    wait_for_workers(field.consumer)
    with overdue(field):
        field.send_more(100, 0.001)
        field.consumer.kill_all()
        # Perhaps everything was done before: then it would be told to stop before it is up.
        wait_for_workers(field.start_consumer())
        wait_until(field.is_done, PATIENCE, why=field.site.logs)


@fault(("postgres",), says="ready")
def statement_timeout_below_a_scan(field: Field) -> None:
    """No statement may take as long as a scan of the whole table: a consumer still starts, and reaps."""
    wait_for_workers(field.consumer)
    field.send_more(20, 0.1)
    with overdue(field) as connection:
        ask(connection, "ALTER ROLE postgres SET statement_timeout = 50")
        drop_others(connection)
        field.consumer.kill_all()
        field.start_consumer()
        wait_for_workers(field.consumer)
        wait_until(field.is_done, PATIENCE, why=field.site.logs)
        ask(connection, "ALTER ROLE postgres RESET statement_timeout")
        drop_others(connection)


@fault(("postgres", "mariadb"), says="missed its heartbeat for 3 s")
def row_locked_at_the_reap(field: Field) -> None:
    """The consumer that takes over must wait for a lock of another program: its own workers stay alive meanwhile."""
    wait_for_workers(field.consumer)
    others = [field.start_another(), field.start_another()]
    for another in others:
        wait_for_workers(another)
    field.send_more(120, 0.1)
    wait_until(lambda: field.queue.stats().leased > 4, PATIENCE, every=0.005)
    field.consumer.kill_all()
    with operator(field) as connection:
        ask(connection, "BEGIN")
        ask(connection, f"SELECT id FROM {TABLE} WHERE state = 2 FOR UPDATE")
        field.pause(2 * LEASE, 2 * LEASE + 1)
        ask(connection, "COMMIT")
    field.start_consumer()
