"""Every name of 2011 from its place of 2011, and the present names of its settings."""

from __future__ import annotations

from importlib import import_module

import pytest
from pytest_django import Settings

from djutils import queue
from djutils.checks import check_names
from djutils.queue import registry as registry_module
from djutils.queue.backends.base import BaseQueue


@pytest.mark.parametrize(
    "path",
    [
        "djutils.queue.autodiscover",
        "djutils.queue.decorators.queue_command",
        "djutils.queue.decorators.periodic_command",
        "djutils.queue.decorators.crontab",
        "djutils.queue.registry.registry",
        "djutils.queue.queue.QueueCommand",
        "djutils.queue.queue.PeriodicQueueCommand",
        "djutils.queue.queue.QueueException",
        "djutils.queue.queue.Invoker",
        "djutils.queue.queue.invoker",
        "djutils.queue.queue.registry",
        "djutils.queue.queue.queue_name",
        "djutils.queue.backends.base.BaseQueue",
        "djutils.queue.backends.database.DatabaseQueue",
        "djutils.queue.backends.redis_backend.RedisQueue",
        "djutils.queue.backends.redis_backend.RedisBlockingQueue",
        "djutils.queue.bin.consumer.QueueDaemon",
    ],
)
def test_the_name_is_there(path: str) -> None:
    module, _, name = path.rpartition(".")
    assert getattr(import_module(module), name) is not None


def test_autodiscover_fills_the_registry() -> None:
    queue.autodiscover()
    assert "tests.project.app.commands.note" in registry_module.registry


def test_a_backend_is_made_of_a_name_and_a_connection_and_has_four_methods() -> None:
    backend = BaseQueue("name", "connection")
    assert (backend.name, backend.connection) == ("name", "connection")
    assert all(hasattr(backend, method) for method in ("write", "read", "flush", "__len__"))


@pytest.mark.parametrize(
    ("former", "today"), [("QUEUE_CLASS", "QUEUE_BACKEND"), ("QUEUE_ALWAYS_EAGER", "QUEUE_EAGER")]
)
def test_a_later_setting_of_2011_is_answered_with_todays(settings: Settings, former: str, today: str) -> None:
    setattr(settings, former, "x")
    (found,) = check_names(None)
    assert found.msg == f"{former} is not a setting of djutils."
    assert found.hint == f"It is called {today} now."
