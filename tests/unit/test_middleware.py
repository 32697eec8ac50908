"""The middleware that keeps database connections healthy, on SQLite."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError, connections, transaction
from pytest_django import Settings

from djutils.queue.executor import Executor
from djutils.queue.message import ACKED, Action
from djutils.queue.middleware import database
from djutils.queue.middleware.base import compose
from djutils.queue.middleware.database import database_connections, keep_connections

from .commands_for_tests import Greeting, record
from .helpers import make_delivery

executor = Executor("unit", (database_connections,))


@pytest.fixture
def alias(sqlite_alias: str) -> Iterator[str]:
    """The default database, with its options put back after the test."""
    before = {name: dict(options) for name, options in connections.settings.items()}
    connections[sqlite_alias].ensure_connection()
    yield sqlite_alias
    for name, options in before.items():
        connections.settings[name].update(options)


def reconnect(alias: str) -> Any:
    """Return a connection made as a worker makes it, with the next check of its age due at once."""
    keep_connections()
    connections[alias].close()
    connections[alias].ensure_connection()
    database._opened.checked = 0.0
    return connections[alias].connection


def run_with(heart: Any) -> Any:
    return compose((database_connections,), lambda command: heart())(Greeting("x"))


def test_a_command_keeps_its_answer_and_its_exception(alias: str, ran: list[Any]) -> None:
    assert executor.execute(make_delivery(record, "x")) == ACKED
    assert run_with(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        run_with(lambda: 1 / 0)


def test_the_connection_stays_open_from_command_to_command(alias: str) -> None:
    before = reconnect(alias)
    for _ in range(3):
        run_with(connections[alias].ensure_connection)
    assert connections[alias].connection is before


@pytest.mark.parametrize(("chosen", "kept"), [(0, 600), (30, 30), (None, 600)])
def test_a_max_age_of_the_projects_own_is_kept(alias: str, chosen: int | None, kept: int) -> None:
    connections.settings[alias]["CONN_MAX_AGE"] = chosen
    keep_connections()
    assert connections.settings[alias]["CONN_MAX_AGE"] == kept
    assert connections.settings[alias]["CONN_HEALTH_CHECKS"] is True


def test_a_transaction_left_open_is_rolled_back_and_said(
    alias: str, caplog: pytest.LogCaptureFixture
) -> None:
    def leave_open() -> None:
        transaction.atomic().__enter__()
        with connections[alias].cursor() as cursor:
            cursor.execute("CREATE TABLE djutils_left_open (id integer)")

    with caplog.at_level(logging.WARNING, "djutils.queue.middleware.database"):
        run_with(leave_open)
    assert f"Greeting left a transaction open on '{alias}'; it is rolled back." in caplog.text
    assert not connections[alias].in_atomic_block
    assert "djutils_left_open" not in connections[alias].introspection.table_names()


def test_autocommit_left_off_does_not_reach_the_next_command(alias: str) -> None:
    run_with(lambda: transaction.set_autocommit(False, using=alias))
    assert connections[alias].connection is None or connections[alias].get_autocommit()


def test_a_connection_that_broke_is_not_kept(alias: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = reconnect(alias)

    def break_it() -> None:
        connections[alias].errors_occurred = True
        monkeypatch.setattr(type(connections[alias]), "is_usable", lambda self: False)

    run_with(break_it)
    monkeypatch.undo()
    connections[alias].ensure_connection()
    assert connections[alias].connection is not broken


def test_a_failed_query_does_not_cost_a_healthy_connection(alias: str) -> None:
    before = reconnect(alias)

    def query() -> None:
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT * FROM no_such_table")

    with pytest.raises(OperationalError):
        run_with(query)
    assert connections[alias].connection is before
    outcome = executor.execute(make_delivery(record, 1, kwargs={"colour": 1}))
    assert outcome.action is Action.RETRY


def test_queries_are_not_collected_forever_under_debug(alias: str, settings: Settings) -> None:
    settings.DEBUG = True

    def query() -> None:
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT 1")
        assert connections[alias].queries

    run_with(query)
    assert not connections[alias].queries


def test_connections_are_looked_at_before_the_first_of_quick_commands_only(
    alias: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reconnect(alias)
    looked: list[float] = []
    monkeypatch.setattr(
        type(connections[alias]), "close_if_unusable_or_obsolete", lambda self: looked.append(1)
    )
    monkeypatch.setattr(database, "_CHECK_AFTER", math.inf)
    for _ in range(5):
        run_with(lambda: None)
    assert looked == []
    monkeypatch.setattr(database, "_CHECK_AFTER", -1.0)
    run_with(lambda: None)
    assert looked
