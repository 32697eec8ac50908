"""Lays out a field on each backend: the server, the database, the proxies, the settings."""

from __future__ import annotations

import secrets
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connections
from pytest_django import Settings

from tests import servers
from tests.conftest import DatabaseStarter, Starter
from tests.project.databases import to_url
from tests.sites import REDIS, Site

from .catalogue import SIMPLE, Fault
from .field import Field, Wires, through
from .proxy import Proxy

FOLDER = "tests.contract.four_methods.FolderQueue"
KINDS = {"postgres": servers.postgres, "mariadb": servers.mariadb}


class Grounds:
    """Makes fields; what they need is gone when ``stack`` closes."""

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        stack: ExitStack,
        own_server: Starter,
        own_database: DatabaseStarter,
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._stack = stack
        self._own_server = own_server
        self._own_database = own_database

    def field(self, backend: str, sqlite_alias: str, random: Random, fault: Fault) -> Field:
        """A field on ``backend``, with its consumer started."""
        if backend in KINDS:
            server, alias = self._own_database(KINDS[backend])
            site = self._site(alias)
        elif backend == "redis":
            server = self._own_server(servers.redis, appendonly=True)
            site = self._site(sqlite_alias, backend=REDIS, connection=server.url)
        elif backend == SIMPLE:
            server = servers.Server(backend)
            site = self._site(sqlite_alias, backend=FOLDER, connection=str(self._folder / "queue"))
        else:
            server = servers.Server(backend)
            site = self._site(self._on_small_disk(sqlite_alias) if fault.small_disk else sqlite_alias)
        site.environment |= {f"DJUTILS_TEST_{name}": value for name, value in fault.settings.items()}
        wires = self._wire(site, server) if fault.wired else None
        return Field(site, server, random, self._stack, wires)

    def _site(self, alias: str, **options: str) -> Site:
        return Site(self._settings, self._folder, self._stack, alias, **options)

    def _wire(self, site: Site, server: servers.Server) -> Wires:
        """Lead consumers and producers through proxies; the site's own queue stays as it is."""
        # At the end the site clears its queue, and then there is no proxy any more.
        self._stack.callback(setattr, self._settings, "QUEUE_CONNECTION", self._settings.QUEUE_CONNECTION)
        port = urlsplit(server.url).port or 0
        consumers, producers = (self._stack.enter_context(Proxy(port)) for _ in range(2))
        if site.environment["DJUTILS_TEST_QUEUE_BACKEND"] == REDIS:
            site.wired["DJUTILS_TEST_QUEUE_CONNECTION"] = through(server.url, consumers)
            self._settings.QUEUE_CONNECTION = through(server.url, producers)
        else:
            url = to_url(connections[site.alias].settings_dict)
            site.wired["DJUTILS_TEST_DATABASE_URL"] = through(url, consumers)
            self._settings.QUEUE_CONNECTION = self._wired_alias(site.alias, producers)
        return Wires(consumers, producers)

    def _on_small_disk(self, alias: str) -> str:
        """A copy of the SQLite file, on a file system that is soon full."""
        disk = self._stack.enter_context(small_disk(self._folder / "disk"))
        entry = connections[alias].settings_dict
        copy = disk / "project.sqlite3"
        with closing(sqlite3.connect(entry["NAME"])) as source:
            # Without the room that other tests have left free in it.
            source.execute("VACUUM INTO ?", (str(copy),))
        return self._alias({**entry, "NAME": str(copy)})

    def _wired_alias(self, alias: str, proxy: Proxy) -> str:
        return self._alias({**connections[alias].settings_dict, "PORT": str(proxy.port)})

    def _alias(self, entry: dict[str, Any]) -> str:
        alias = f"chaos_{secrets.token_hex(4)}"
        connections.settings[alias] = entry

        def remove() -> None:
            connections[alias].close()
            del connections[alias], connections.settings[alias]

        self._stack.callback(remove)
        return alias


@contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    """A file system of 32 MiB in memory; only root may have one."""
    place.mkdir()
    mounting = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounting.returncode:
        pytest.skip("only root can mount a small disk")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)
