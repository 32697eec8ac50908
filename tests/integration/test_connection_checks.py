"""A connection that the server cut off while a worker was idle is replaced before the next command uses it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connections
from pytest_django import Settings

from djutils.queue.backends import queues
from djutils.queue.backends.base import new_owner
from djutils.queue.current import Lease
from djutils.queue.executor import Executor
from djutils.queue.ids import new_id
from djutils.queue.message import Action
from djutils.queue.middleware import database
from djutils.queue.middleware.database import database_connections, keep_connections
from tests.project.app import ledger
from tests.project.app.models import Note
from tests.unit.helpers import make_delivery
from tests.waiting import wait_until

SERVERS = pytest.mark.parametrize("kind", ["postgres", "mariadb"])

_KILL = {"postgresql": "SELECT pg_terminate_backend({})", "mysql": "KILL {}"}
_ID = {"postgresql": "SELECT pg_backend_pid()", "mysql": "SELECT CONNECTION_ID()"}
_LIVES = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE pid = {}",
    "mysql": "SELECT count(*) FROM information_schema.processlist WHERE id = {}",
}


@pytest.fixture
def alias(request: pytest.FixtureRequest, kind: str) -> Iterator[str]:
    """A database whose connections are kept as a worker keeps them."""
    alias = str(request.getfixturevalue(f"{kind}_alias"))
    before = {name: dict(entry) for name, entry in connections.settings.items()}
    connections[alias].close()
    keep_connections()
    yield alias
    connections[alias].close()
    for name, entry in before.items():
        connections.settings[name].update(entry)


def cut_off(alias: str) -> None:
    """End this thread's session on the server, as an idle limit or a firewall does."""
    vendor = connections[alias].vendor
    with connections[alias].cursor() as cursor:
        cursor.execute(_ID[vendor])
        (session,) = cursor.fetchone()
    other = connections[alias].copy()
    try:
        with other.cursor() as cursor:
            cursor.execute(_KILL[vendor].format(session))

            def is_gone() -> bool:
                cursor.execute(_LIVES[vendor].format(session))
                return not cursor.fetchone()[0]

            wait_until(is_gone)
    finally:
        other.close()


def be_idle() -> None:
    """Pretend that some seconds have passed since the last check."""
    database._opened.checked -= 5


def run(command: Any, *args: Any) -> Action:
    return Executor("unit", (database_connections,)).execute(make_delivery(command, *args)).action


def run_twice_and_be_cut_off(alias: str, text: str) -> None:
    be_idle()
    for _ in range(2):
        assert run(ledger.enter, text, alias) is Action.ACK
    cut_off(alias)
    be_idle()


@SERVERS
@pytest.mark.parametrize("command", [ledger.enter, ledger.enter_later, ledger.enter_in_a_block])
def test_the_next_command_has_a_connection_that_works(alias: str, command: Any) -> None:
    text = new_id()
    run_twice_and_be_cut_off(alias, text)
    assert run(command, text, alias) is Action.ACK
    assert Note.objects.using(alias).filter(text=text).count() == 3


@SERVERS
def test_a_connection_that_an_async_command_opened_is_looked_at_too(alias: str) -> None:
    text = new_id()
    connections[alias].close()
    for _ in range(2):
        assert run(ledger.enter_later, text, alias) is Action.ACK
    cut_off(alias)
    be_idle()
    assert run(ledger.enter_later, text, alias) is Action.ACK


@pytest.mark.parametrize("kind", ["postgres"])
def test_each_of_two_databases_is_looked_at(alias: str, mariadb_alias: str) -> None:
    text = new_id()
    keep_connections()
    be_idle()
    for _ in range(2):
        assert run(ledger.enter, text, alias, mariadb_alias) is Action.ACK
    cut_off(alias)
    cut_off(mariadb_alias)
    be_idle()
    assert run(ledger.enter, text, alias, mariadb_alias) is Action.ACK


@SERVERS
def test_a_command_that_only_calls_another_has_a_connection_that_works(
    alias: str, settings: Settings
) -> None:
    settings.QUEUE_CONNECTION, settings.QUEUE_NAME = alias, f"q-{new_id()}"
    queue = queues[settings.QUEUE_NAME]
    run_twice_and_be_cut_off(alias, new_id())
    assert run(ledger.call_to_enter, "x") is Action.ACK
    assert len(queue) == 1
    queue.flush()


@SERVERS
def test_an_atomic_command_has_a_connection_that_works(
    alias: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger.enter_atomically.command_class, "atomic", alias)
    settings.QUEUE_CONNECTION, settings.QUEUE_NAME = alias, f"q-{new_id()}"
    queue: Any = queues[settings.QUEUE_NAME]
    owner, text = new_owner(), new_id()
    queue.enroll(owner)
    ledger.enter_atomically(text, alias)
    (delivery,) = queue.receive(owner, 1).deliveries
    run_twice_and_be_cut_off(alias, text)
    executor = Executor(queue.name, (database_connections,), lease=Lease(queue, owner))
    assert executor.execute(delivery).action is Action.SETTLED
    assert Note.objects.using(alias).filter(text=text).count() == 3
    assert queue.stats() == (0, 0, 0, 0, 0)
    queue.reap(owner)


@SERVERS
def test_a_connection_that_has_reached_its_age_is_replaced(alias: str) -> None:
    assert run(ledger.enter, text := new_id(), alias) is Action.ACK
    before = connections[alias].connection
    connections[alias].close_at = 0.0
    be_idle()
    assert run(ledger.enter, text, alias) is Action.ACK
    assert connections[alias].connection is not before


@SERVERS
def test_while_commands_follow_each_other_nothing_is_looked_at(
    alias: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []
    assert run(ledger.enter, new_id(), alias) is Action.ACK
    be_idle()
    assert run(ledger.enter, new_id(), alias) is Action.ACK
    database._opened.checked += 3600
    is_usable: Callable[[Any], bool] = type(connections[alias]).is_usable
    monkeypatch.setattr(
        type(connections[alias]), "is_usable", lambda self: looked.append(1) or is_usable(self)
    )
    for _ in range(5):
        assert run(ledger.enter, new_id(), alias) is Action.ACK
    assert looked == []
    database._opened.checked = 0.0
