"""Settings are read live, with defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from pytest_django import Settings

from djutils.checks import check_backend
from djutils.queue import conf
from djutils.queue import queue as queue_module
from djutils.queue.conf import NAMES, QueueSettings, settings
from djutils.queue.exceptions import ConfigurationError
from djutils.queue.queue import invoker


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_setting_has_a_default_and_the_projects_value_wins_at_once(settings: Settings, name: str) -> None:
    ours = conf.settings
    before = getattr(ours, name)
    setattr(settings, name, "the project's")
    assert getattr(ours, name) == "the project's"
    delattr(settings, name)
    assert hasattr(ours, name)
    assert before != "the project's"


def test_an_unknown_setting_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError):
        settings.QUEUE_NAMES  # noqa: B018


@pytest.mark.parametrize(
    ("database", "name"),
    [
        ("shop", "shop"),
        ("/srv/shop/db.sqlite3", "db"),
        (Path("/srv/shop/shop.v2.sqlite3"), "shop.v2"),
        (":memory:", "djutils"),
        ("file:memorydb_default?mode=memory&cache=shared", "djutils"),
        ("", "djutils"),
        (None, "djutils"),
    ],
)
def test_the_default_queue_has_the_name_of_the_default_database(
    monkeypatch: pytest.MonkeyPatch, database: Any, name: str
) -> None:
    monkeypatch.setattr(django_settings, "DATABASES", {"default": {"NAME": database}})
    assert QueueSettings().queue_name == name


def test_queue_name_wins_over_the_database(settings: Settings) -> None:
    settings.QUEUE_NAME = "mine"
    assert QueueSettings().queue_name == "mine"


@pytest.mark.parametrize("name", [["mine"], {"mine": 1}, 5])
def test_a_queue_name_that_is_not_text_is_refused_by_the_call_and_by_the_check(
    settings: Settings, name: Any
) -> None:
    settings.QUEUE_NAME = name

    with pytest.raises(ConfigurationError, match="must be text"):
        invoker.queue  # noqa: B018
    assert "djutils.E001" in [found.id for found in check_backend(None)]


def test_without_any_database_there_is_a_name_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(django_settings, "DATABASES", {})
    assert QueueSettings().queue_name == "djutils"


def test_the_2011_module_attribute_queue_name_is_the_setting(settings: Settings) -> None:
    settings.QUEUE_NAME = "mine"
    assert queue_module.queue_name == "mine"
    with pytest.raises(AttributeError, match="queue_nam"):
        queue_module.queue_nam  # noqa: B018


def test_the_invoker_follows_the_settings(settings: Settings) -> None:
    settings.QUEUE_BACKEND = "djutils.queue.backends.memory.MemoryQueue"
    settings.QUEUE_NAME = "unit.one"
    one = invoker.queue
    settings.QUEUE_NAME = "unit.two"
    assert [one.name, invoker.queue.name] == ["unit.one", "unit.two"]
