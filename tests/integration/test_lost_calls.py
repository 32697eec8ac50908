"""Redis is down when the transaction commits."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from pytest_django import Settings

from djutils.queue.message import Message
from djutils.queue.queue import invoker
from djutils.queue.signals import command_lost
from tests import servers
from tests.conftest import Starter
from tests.project.app import commands
from tests.sites import REDIS, Site


def test_the_projects_own_hook_runs_and_the_call_is_sent_again_later(
    own_server: Starter,
    sqlite_alias: str,
    settings: Settings,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = own_server(servers.valkey, appendonly=True)
    with ExitStack() as stack:
        site = Site(settings, tmp_path, stack, sqlite_alias, backend=REDIS, connection=server.url)
        lost: list[Message] = []
        ran: list[str] = []

        def keep(message: Message, **_: Any) -> None:
            lost.append(message)

        command_lost.connect(keep)
        stack.callback(command_lost.disconnect, keep)

        with transaction.atomic(using=site.alias):
            handle = commands.append(site.file(), 1)
            transaction.on_commit(lambda: ran.append("hook"), using=site.alias)
            server.kill()

        assert ran == ["hook"]
        assert f"{handle.id} {handle.command} is lost" in caplog.text
        server.start()
        assert invoker.resend(lost[0]) == handle
        site.consumer()
        site.wait_until_empty()
        assert len(commands.lines(site.file())) == 1
