"""Sites to test on: each backend, with a separate queue for the test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pytest_django import Settings

from tests.servers import Server
from tests.sites import REDIS, Site

EVERYWHERE = tuple(os.environ.get("DJUTILS_TEST_SITES", "sqlite postgres redis").split())


@pytest.fixture(params=EVERYWHERE)
def site(request: pytest.FixtureRequest, settings: Settings, tmp_path: Path) -> Iterator[Site]:
    """A queue on SQLite, PostgreSQL and Redis (Valkey, if there is no Redis) in turn.

    ``indirect`` parameters choose others, ``DJUTILS_TEST_SITES`` names fewer.
    """
    kind = request.param
    alias = request.getfixturevalue("sqlite_alias" if kind == "redis" else f"{kind}_alias")
    with ExitStack() as stack:
        if kind == "redis":
            server: Server = request.getfixturevalue("redis_or_valkey_server")
            yield Site(settings, tmp_path, stack, alias, backend=REDIS, connection=server.url)
        else:
            yield Site(settings, tmp_path, stack, alias)
