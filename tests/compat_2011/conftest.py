"""The three backends of 2011, and a site's own backend."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings

from djutils.queue.backends.base import BaseQueue
from djutils.queue.ids import new_id
from djutils.queue.queue import invoker
from djutils.queue.registry import registry
from tests.unit.helpers import ListQueue

from . import commands

_PERIODIC = [
    type(command)
    for command in registry.get_periodic_commands()
    if type(command).__module__ == commands.__name__
]
for _command in _PERIODIC:  # known in these tests only: other tests use their own clock
    registry.unregister(_command)

KINDS = ("sqlite", "postgres", "mariadb", "redis", "own")


@pytest.fixture(params=KINDS)
def queue(request: pytest.FixtureRequest, settings: Settings) -> Iterator[BaseQueue]:
    """The project's queue, empty."""
    settings.QUEUE_NAME = f"q-{new_id()}"
    if request.param == "redis":
        settings.QUEUE_BACKEND = "djutils.queue.backends.redis_backend.RedisQueue"
        settings.QUEUE_CONNECTION = request.getfixturevalue("valkey_server").url
    elif request.param == "own":
        settings.QUEUE_BACKEND = "tests.unit.helpers.ListQueue"
        ListQueue.fails.clear()
    else:
        settings.QUEUE_CONNECTION = request.getfixturevalue(f"{request.param}_alias")
    yield invoker.queue
    invoker.queue.flush()
    invoker.queue.discard()


@pytest.fixture(autouse=True)
def _known() -> Iterator[None]:
    for command in _PERIODIC:
        registry.register(command)
    yield
    for command in _PERIODIC:
        registry.unregister(command)


@pytest.fixture
def done() -> Iterator[list[Any]]:
    """What the commands did."""
    commands.done.clear()
    yield commands.done
    commands.done.clear()
