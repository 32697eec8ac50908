"""The tutorial works: its pages are followed one after the other, in a separate project, on each store."""

from __future__ import annotations

from pathlib import Path

import django
import pytest

from tests import servers
from tests.conftest import Starter
from tests.integration.conftest import EVERYWHERE
from tests.project.databases import from_url
from tests.sites import REDIS

from .tutorials import ROOT, Reader

PAGES = [
    page
    for page in sorted((ROOT / "docs" / "tutorial").glob("[0-9]-*.rst"))
    # Older versions have no tasks.
    if "djangos-tasks" not in page.name or django.VERSION >= (6, 0)
]


@pytest.fixture(params=EVERYWHERE)
def settings_to_add(request: pytest.FixtureRequest, own_server: Starter) -> str:
    """What a reader who wants another store than the tutorial's writes below its settings."""
    if request.param == "sqlite":
        return ""
    if request.param == "redis":
        chosen = {
            "QUEUE_BACKEND": REDIS,
            "QUEUE_CONNECTION": f"127.0.0.1:{own_server(servers.redis).port}:0",
        }
    else:
        chosen = {"DATABASES": {"default": from_url(own_server(servers.postgres).url)}}
    return "".join(f"{name} = {value!r}\n" for name, value in (chosen | {"QUEUE_NAME": "db"}).items())


@pytest.mark.slow
def test_a_reader_who_follows_the_tutorial_sees_what_it_says(tmp_path: Path, settings_to_add: str) -> None:
    with Reader(tmp_path, settings_to_add) as reader:
        for page in PAGES:
            reader.play(page)
            reader.leave_second_terminal()
