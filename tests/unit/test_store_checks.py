"""System checks of where the queues are: a store that is shared, an SQLite that refuses writers."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import connections
from pytest_django import Settings

from djutils.store_checks import check_shared_store, check_sqlite

REDIS = "djutils.queue.backends.redis_backend.RedisQueue"


@pytest.fixture
def other_database(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """The alias ``other``, as ``startproject`` would write it, in a separate file."""
    connections.settings["other"] = {
        **connections.settings["default"],
        "NAME": tmp_path / "o.sqlite3",
        "OPTIONS": {},
    }
    yield connections.settings["other"]
    _ = connections["other"]  # made now, if no check has asked for it
    del connections.settings["other"], connections["other"]


@pytest.mark.parametrize("backend", [REDIS, "tests.unit.helpers.ListQueue"])
def test_a_queue_without_a_name_of_its_own_in_a_shared_store_is_warned_about(
    settings: Settings, backend: str
) -> None:
    settings.QUEUE_BACKEND = backend

    (found,) = check_shared_store(None)

    assert found.id == "djutils.W002"
    assert found.msg.startswith("QUEUE_NAME is empty")
    assert backend.rpartition(".")[2] in found.msg
    assert "Set QUEUE_NAME to a name that only this project has, such as 'mysite'" in str(found.hint)
    assert found in run_checks(tags=["djutils"])


@pytest.mark.parametrize(
    "changed",
    [
        {"QUEUE_NAME": "mysite"},
        {"QUEUE_EAGER": True},
        {"QUEUE_BACKEND": "djutils.queue.backends.memory.MemoryQueue"},
        {"QUEUE_BACKEND": "djutils.queue.backends.database.DatabaseQueue"},
        {"QUEUE_BACKEND": "no.such.Queue"},
        {"QUEUE_CONNECTION": "no address"},
    ],
)
def test_a_queue_that_no_other_project_can_take_for_its_own_passes(
    settings: Settings, changed: dict[str, Any]
) -> None:
    settings.QUEUE_BACKEND = REDIS
    for name, value in changed.items():
        setattr(settings, name, value)

    assert check_shared_store(None) == []


def test_a_queue_named_after_another_database_than_its_own_is_warned_about(
    settings: Settings, other_database: dict[str, Any]
) -> None:
    settings.QUEUE_CONNECTION = "other"

    (found,) = check_shared_store(None)

    assert "the database 'other'" in found.msg
    other_database["NAME"] = connections.settings["default"]["NAME"]
    assert check_shared_store(None) == []


def test_an_sqlite_as_startproject_makes_it_is_warned_about_with_the_options_to_set(
    settings: Settings, other_database: dict[str, Any]
) -> None:
    settings.QUEUE_CONNECTION = "other"

    (found,) = check_sqlite(None)

    assert found.id == "djutils.W040"
    assert "SQLite database 'other'" in found.msg
    assert (
        "Add to DATABASES['other']: 'OPTIONS': {'transaction_mode': 'IMMEDIATE', 'timeout': 20, "
        "'init_command': 'PRAGMA journal_mode = WAL'}."
    ) in str(found.hint)


GOOD = {
    "transaction_mode": "immediate",
    "timeout": 5,
    "init_command": "pragma JOURNAL_MODE='wal'; pragma cache_size=9",
}


@pytest.mark.parametrize("without", GOOD)
def test_only_the_options_that_are_missing_are_named(
    settings: Settings, other_database: dict[str, Any], without: str
) -> None:
    settings.QUEUE_CONNECTION = "other"
    other_database["OPTIONS"] = {name: value for name, value in GOOD.items() if name != without}

    (found,) = check_sqlite(None)

    assert [name for name in GOOD if f"'{name}'" in str(found.hint)] == [without]
    other_database["OPTIONS"] = GOOD
    assert check_sqlite(None) == []


def test_a_file_that_has_a_write_ahead_log_needs_no_command_for_it(
    settings: Settings, other_database: dict[str, Any]
) -> None:
    settings.QUEUE_CONNECTION = "other"
    other_database["OPTIONS"] = {"transaction_mode": "EXCLUSIVE", "timeout": 20}
    file = sqlite3.connect(other_database["NAME"])
    file.execute("PRAGMA journal_mode = WAL")
    file.execute("CREATE TABLE something (id)")
    file.close()

    assert check_sqlite(None) == []


def test_an_sqlite_that_holds_no_queue_passes(settings: Settings, other_database: dict[str, Any]) -> None:
    connections.settings["default"]["OPTIONS"], before = {}, connections.settings["default"]["OPTIONS"]
    try:
        settings.QUEUE_BACKEND = REDIS
        assert check_sqlite(None) == []
    finally:
        connections.settings["default"]["OPTIONS"] = before
