"""A separate queue for a test on one backend, in this process and in the consumers it starts."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from django.db import connections
from pytest_django import Settings

from djutils.queue.backends import load_backend, queues
from djutils.queue.backends.base import BaseQueue
from tests.consumers import Consumer
from tests.project.app.models import Note
from tests.project.databases import to_url
from tests.waiting import wait_until

DATABASE = "djutils.queue.backends.database.DatabaseQueue"
REDIS = "djutils.queue.backends.redis_backend.RedisQueue"


class _Router:
    """Leads all models to one database."""

    def __init__(self, alias: str) -> None:
        self._alias = alias

    def db_for_write(self, model: object, **hints: object) -> str:
        return self._alias

    db_for_read = db_for_write


class Site:
    """Commands called in the test go to ``queue``; ``consumer()`` starts a consumer that runs them.

    ``alias`` is the database the commands work on, the default one of the consumers.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        stack: ExitStack,
        alias: str,
        *,
        backend: str = DATABASE,
        connection: str | None = None,
    ) -> None:
        self.alias = alias
        self.folder = folder
        self._stack = stack
        name = f"q-{secrets.token_hex(6)}"
        settings.QUEUE_BACKEND = backend
        settings.QUEUE_NAME = name
        self._connection = settings.QUEUE_CONNECTION = alias if connection is None else connection
        # As in the consumers: what names no database goes to the site's.
        settings.DATABASE_ROUTERS = [_Router(alias)]
        self.environment = {
            "DJUTILS_TEST_DATABASE_URL": to_url(connections[alias].settings_dict),
            "DJUTILS_TEST_QUEUE_BACKEND": backend,
            "DJUTILS_TEST_QUEUE_NAME": name,
            "DJUTILS_TEST_QUEUE_CONNECTION": connection or "",
        }
        self.wired: dict[str, str] = {}
        """Return the environment that leads a consumer through a proxy, to be merged over ``environment``."""
        stack.callback(self._leave_nothing)

    @property
    def queue(self) -> BaseQueue:
        """The queue, seen from the test."""
        name = self.environment["DJUTILS_TEST_QUEUE_NAME"]
        return queues[name]

    def direct_queue(self) -> BaseQueue:
        """The queue with its original connection, bypassing any proxy."""
        backend = load_backend(self.environment["DJUTILS_TEST_QUEUE_BACKEND"])
        return backend(self.environment["DJUTILS_TEST_QUEUE_NAME"], self._connection)

    def file(self, name: str = "lines") -> str:
        """A path for commands to write to."""
        return str(self.folder / name)

    def consumer(
        self,
        *options: str,
        log: str = "log",
        periodic: bool = False,
        environment: Mapping[str, str] | None = None,
        **numbers: int,
    ) -> Consumer:
        """Start a consumer; it is gone when the test is over. ``numbers``: processes, threads.

        ``environment`` is put over that of the site.
        """
        if not periodic:
            options = (*options, "-n")
        consumer = Consumer(
            self.environment | dict(environment or {}), self.folder / log, *options, **numbers
        )
        return self._stack.enter_context(consumer)

    def wait_until_empty(self, timeout: float = 30.0) -> None:
        """Wait until nothing waits and nothing is lent."""
        wait_until(self._is_empty, timeout, why=lambda: f"{self.queue.stats()}\n{self.logs()[-4000:]}")

    def _is_empty(self) -> bool:
        stats = self.queue.stats()
        return not (stats.ready or stats.delayed or stats.leased or stats.waiting)

    def logs(self) -> str:
        """What every consumer of this test has logged."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*log")))

    def notes(self, prefix: str = "") -> list[str]:
        """What commands left in the database."""
        notes = Note.objects.using(self.alias).filter(text__startswith=prefix)
        return list(notes.order_by("id").values_list("text", flat=True))

    def _leave_nothing(self) -> None:
        self.queue.flush()
        self.queue.discard()
