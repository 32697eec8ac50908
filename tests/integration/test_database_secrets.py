"""A driver's login error reaches callers and logs: it must not contain the password."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections
from pytest_django import DjangoDbBlocker

from djutils.queue.backends.database import DatabaseQueue
from djutils.queue.exceptions import BackendError
from tests.servers import free_port

SECRET = "hunter2"


@pytest.fixture
def alias(request: pytest.FixtureRequest, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """A database that refuses us, or is not there."""
    kind, changed = request.param
    entry = connections.settings[request.getfixturevalue(f"{kind}_alias")]
    connections.settings["refused"] = entry | {"PASSWORD": SECRET} | changed()
    with django_db_blocker.unblock():
        yield "refused"
        connections["refused"].close()
    del connections["refused"], connections.settings["refused"]


def nothing() -> dict[str, Any]:
    return {}


def elsewhere() -> dict[str, Any]:
    return {"PORT": free_port()}


@pytest.mark.parametrize(
    "alias",
    [("mariadb", nothing), ("mariadb", elsewhere), ("postgres", elsewhere)],
    indirect=True,
    ids=["mariadb refuses", "mariadb is down", "postgres is down"],
)
def test_a_password_of_a_database_is_not_shown(alias: str) -> None:
    queue = DatabaseQueue("secrets", alias)
    with pytest.raises(BackendError) as caught:
        len(queue)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
