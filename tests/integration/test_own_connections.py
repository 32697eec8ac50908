"""The private connection of a consumer: its limits, its permissions, and what survives a crash of the server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connections

from djutils.queue.backends.base import new_owner, own_alias
from djutils.queue.backends.database import DatabaseQueue
from djutils.queue.exceptions import BackendError, BackendUnavailable
from djutils.queue.ids import new_id
from djutils.queue.message import Envelope, Rejection, Retrial

LIMITS = {
    "postgresql": {"lock_timeout": "5s", "statement_timeout": "30s", "idle_session_timeout": "0"},
    "mysql": {"@@innodb_lock_wait_timeout": 5, "@@lock_wait_timeout": 20, "@@wait_timeout": 8 * 3600},
}
MESSAGES, WORKERS, KEYS = "djutils_queuemessage", "djutils_queueworker", "djutils_queuekey"
CONSUMER = {
    MESSAGES: "SELECT, INSERT, UPDATE, DELETE",
    WORKERS: "SELECT, INSERT, UPDATE, DELETE",
    KEYS: "SELECT, INSERT, UPDATE, DELETE",
    "djutils_queuelane": "SELECT, INSERT, UPDATE, DELETE",
    "djutils_queuelanemessage": "SELECT, INSERT, UPDATE, DELETE",
}
PRODUCER = {
    "postgresql": {MESSAGES: "SELECT, INSERT"},
    # An INSERT that ignores existing rows counts as an update there.
    "mysql": {MESSAGES: "SELECT, INSERT, UPDATE"},
}


def consumers_calls(queue: DatabaseQueue) -> dict[str, Callable[[], object]]:
    """What changes messages through the connection of a consumer, apart from claims and acks."""
    owner, ids = new_owner(), [new_id() for _ in range(4)]

    def lend() -> None:
        queue.enroll(owner)
        queue.receive(owner, 10)

    return {
        "send": lambda: queue.send([Envelope(id, b"data") for id in ids]),
        "send_once": lambda: (queue.send_once("key", Envelope(new_id(), b"data")), lend()),
        "retry": lambda: queue.retry(owner, [Retrial(ids[0], 0.0, "again")]),
        "reject": lambda: queue.reject(owner, [Rejection(ids[1], "no")]),
        "release": lambda: queue.release(owner, [ids[2]]),
        "reap": lambda: queue.reap(owner),
        "replay": queue.replay,
        "discard": queue.discard,
        "flush": queue.flush,
    }


def value(alias: str, name: str) -> Any:
    with connections[alias].cursor() as cursor:
        cursor.execute(f"SELECT {name}" if name.startswith("@@") else f"SHOW {name}")
        return cursor.fetchone()[0]


@pytest.mark.parametrize("alias", ["postgres_alias", "mariadb_alias"])
def test_a_consumers_connection_has_limits_and_the_projects_is_left_alone(
    alias: str, request: pytest.FixtureRequest
) -> None:
    queue = DatabaseQueue("own", request.getfixturevalue(alias))
    limits = LIMITS[connections[queue.alias].vendor]
    before = {name: value(queue.alias, name) for name in limits}
    queue.open()

    assert {name: value(own_alias(queue.alias), name) for name in limits} == limits
    assert {name: value(queue.alias, name) for name in limits} == before
    assert "connect_timeout" in connections[own_alias(queue.alias)].settings_dict["OPTIONS"]
    assert "connect_timeout" not in connections[queue.alias].settings_dict["OPTIONS"]
    queue.close()


def test_what_a_project_does_with_its_connection_does_not_reach_a_consumers(postgres_alias: str) -> None:
    entry = connections.settings[postgres_alias]
    options = {**entry["OPTIONS"], "pool": True, "isolation_level": 4, "application_name": "site"}
    connections.settings["odd"] = {**entry, "OPTIONS": options, "AUTOCOMMIT": False}
    queue = DatabaseQueue(f"own-{new_id()}", "odd")
    queue.open()
    queue.send([Envelope(new_id(), b"data")])

    own = connections[own_alias("odd")]
    assert DatabaseQueue(queue.name, postgres_alias).stats().ready == 1
    assert own.settings_dict["OPTIONS"]["application_name"] == "site"
    assert value(own.alias, "transaction_isolation") == "read committed"
    queue.flush()
    queue.close()


def test_what_a_consumer_sends_or_settles_survives_a_crash_of_the_server(postgres_alias: str) -> None:
    queue = DatabaseQueue(f"own-{new_id()}", postgres_alias)
    queue.open()
    own = connections[own_alias(postgres_alias)]
    seen: dict[str, str] = {}

    for call, act in consumers_calls(queue).items():

        def watch(execute: Any, sql: str, *args: Any, call: str = call) -> Any:
            result = execute(sql, *args)
            if own.in_atomic_block and MESSAGES in sql and not sql.startswith("SELECT"):
                seen[call] = own.connection.execute("SHOW synchronous_commit").fetchone()[0]
            return result

        with own.execute_wrapper(watch):
            act()
    assert seen == dict.fromkeys(["send", "send_once", "retry", "reject", "release", "reap", "flush"], "on")
    assert value(own.alias, "synchronous_commit") == "off"
    queue.close()


def test_what_a_consumer_sends_waits_for_the_disk_of_sqlite_as_the_project_does(sqlite_alias: str) -> None:
    entry = connections.settings[sqlite_alias]
    options = {**entry["OPTIONS"], "init_command": "PRAGMA journal_mode=WAL;"}
    connections.settings["careful"] = {**entry, "OPTIONS": options}
    queue = DatabaseQueue(f"own-{new_id()}", "careful")
    queue.open()
    own = connections[own_alias("careful")]
    seen = []

    def watch(execute: Any, sql: str, *args: Any) -> Any:
        if "INSERT" in sql:
            seen.append(own.connection.execute("PRAGMA synchronous").fetchone()[0])
        return execute(sql, *args)

    with own.execute_wrapper(watch):
        queue.send([Envelope(new_id(), b"data")])
    full, normal = 2, 1
    assert seen == [full]
    assert own.connection.execute("PRAGMA synchronous").fetchone()[0] == normal
    queue.flush()
    queue.close()
    connections["careful"].close()


@pytest.fixture(params=["postgres_alias", "mariadb_alias"])
def login(request: pytest.FixtureRequest) -> Iterator[Callable[[dict[str, str]], str]]:
    """Makes an alias of a user who has these rights on these tables, and no others."""
    alias = request.getfixturevalue(request.param)
    vendor, user = connections[alias].vendor, f"rights_{new_id()[-12:]}"
    name = f"{user}@'127.0.0.1'" if vendor == "mysql" else user

    def make(rights: dict[str, str]) -> str:
        with connections[alias].cursor() as cursor:
            secret = "IDENTIFIED BY 'x'" if vendor == "mysql" else "LOGIN"
            cursor.execute(f"CREATE {'USER' if vendor == 'mysql' else 'ROLE'} {name} {secret}")
            for table, granted in rights.items():
                cursor.execute(f"GRANT {granted} ON {table} TO {name}")
        connections.settings[user] = {**connections.settings[alias], "USER": user, "PASSWORD": "x"}
        return user

    yield make
    for used in (user, own_alias(user)):
        if used in connections.settings:
            connections[used].close()
    with connections[alias].cursor() as cursor:
        if vendor == "postgresql":
            cursor.execute(f"DROP OWNED BY {name}")
        cursor.execute(f"DROP {'USER' if vendor == 'mysql' else 'ROLE'} {name}")


def test_a_consumer_needs_no_more_than_these_rights(login: Callable[[dict[str, str]], str]) -> None:
    queue = DatabaseQueue(f"rights-{new_id()}", login(CONSUMER))
    queue.open()
    owner = new_owner()
    queue.enroll(owner)
    queue.send([Envelope(new_id(), b"data"), Envelope(new_id(), b"data", delay=0.001)])
    lent = queue.receive(owner, 10).deliveries
    queue.ack(owner, [delivery.id for delivery in lent])
    queue.beat([owner])
    queue.reap(owner)
    for act in consumers_calls(queue).values():
        act()
    queue.close()


def test_a_producer_needs_no_more_than_these_rights(
    login: Callable[[dict[str, str]], str], request: pytest.FixtureRequest
) -> None:
    vendor = "mysql" if "mariadb" in request.node.name else "postgresql"
    queue = DatabaseQueue(f"rights-{new_id()}", login(PRODUCER[vendor]))
    id = new_id()
    queue.send([Envelope(id, b"data")])
    queue.send([Envelope(id, b"data"), Envelope(new_id(), b"data", delay=60.0)])

    with pytest.raises(BackendError, match="rights") as error:
        queue.enroll(new_owner())
    assert not isinstance(error.value, BackendUnavailable)
