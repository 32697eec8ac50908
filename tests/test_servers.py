"""The servers that the tests use."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest
import redis
from django.db import connections

from tests import servers
from tests.project.app.models import Note
from tests.project.databases import from_url, to_url

pytestmark = pytest.mark.server

Starter = Callable[..., servers.Server]
APPEND_ONLY = [servers.redis, servers.valkey]


@pytest.mark.parametrize("kind", APPEND_ONLY)
def test_an_append_only_server_keeps_its_data_when_it_is_killed(
    kind: Callable[..., object], own_server: Starter
) -> None:
    server = own_server(kind, appendonly=True)
    with closing(redis.Redis.from_url(server.url)) as client:
        client.set("kept", 1)

        server.kill()
        server.start()

        assert client.get("kept") == b"1"


@pytest.mark.parametrize(
    ("start", "variable"),
    [(servers.redis, "DJUTILS_TEST_REDIS_URL"), (servers.mariadb, "DJUTILS_TEST_MARIADB_URL")],
)
def test_a_machine_without_a_server_is_told_what_to_install(
    start: Callable[[], AbstractContextManager[servers.Server]],
    variable: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv(variable, raising=False)

    with pytest.raises(servers.Unavailable, match=f"apt-get install .*, or set {variable}"), start():
        pass


def test_a_server_is_found_in_the_sbin_beside_a_bin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = tmp_path / "sbin" / "mariadbd"
    server.parent.mkdir()
    server.write_text("#!/bin/sh\n")
    server.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    assert servers.on_path("mariadbd", "") == str(server)


@pytest.mark.parametrize("alias", ["postgres", "mariadb", "sqlite"])
def test_a_database_is_migrated_and_open_to_a_test(alias: str, request: pytest.FixtureRequest) -> None:
    using = request.getfixturevalue(f"{alias}_alias")

    Note.objects.using(using).create(text="here")

    assert Note.objects.using(using).filter(text="here", pid=os.getpid()).exists()
    assert to_url(from_url(to_url(connections[using].settings_dict))) == to_url(
        connections[using].settings_dict
    )


def test_another_process_finds_the_database_by_its_url(postgres_alias: str) -> None:
    Note.objects.using(postgres_alias).create(text="for another process")
    code = "from tests.project.app.models import Note; print(Note.objects.filter(text='for another process').count())"

    done = subprocess.run(
        [sys.executable, "-m", "tests.project.manage", "shell", "-v", "0", "-c", code],
        env=os.environ | {"DJUTILS_TEST_DATABASE_URL": to_url(connections[postgres_alias].settings_dict)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr


@pytest.mark.parametrize("kind", [servers.postgres, servers.mariadb])
def test_a_database_server_keeps_its_data_when_it_is_killed(
    kind: Callable[..., object], own_database: Callable[..., tuple[servers.Server, str]]
) -> None:
    server, alias = own_database(kind)
    Note.objects.using(alias).create(text="kept")
    connections[alias].close()

    server.kill()
    server.start()

    assert Note.objects.using(alias).filter(text="kept").exists()
