"""The page about the way of a command names every file of djutils that a plain call enters, and the way is short."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from pytest_django import Settings

import djutils
from djutils.queue.decorators import CommandFunction
from djutils.queue.ids import new_id
from tests.project.app import ledger
from tests.servers import Server

from .tutorials import ROOT

PAGE = ROOT / "docs" / "explanation" / "how-a-command-travels.rst"


@pytest.fixture
def listed() -> dict[str, list[str]]:
    """The names in the page: ``before`` the backend, and in the backend of ``Redis`` and ``SQLite``."""
    page = " ".join(PAGE.read_text(encoding="utf-8").split())
    found = re.search(r"Before the backend they are (.*?); .* with Redis, (.*?); with SQLite, (.*?)\.", page)
    assert found
    before, redis, sqlite = (re.findall(r"``(\w+)``", part) for part in found.groups())
    return {"before": before, "redis": redis, "sqlite": sqlite}


def names(files: list[Path]) -> list[str]:
    return [path.parent.name if path.stem == "__init__" else path.stem for path in files]


def entered(call: CommandFunction[..., Any]) -> list[Path]:
    """Return the files that a call enters, each once, in the order in which it enters them."""
    root, found = Path(djutils.__file__).parent, list[Path]()

    def note(frame: FrameType, event: str, _: object) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and path not in found and path.is_relative_to(root):
            found.append(path)

    call("by the way")  # the first call looks up what the others share
    sys.setprofile(note)
    try:
        call("by the way")
    finally:
        sys.setprofile(None)
    return found


def test_a_plain_call_to_redis_enters_the_files_that_the_page_names(
    listed: dict[str, list[str]], settings: Settings, redis_server: Server
) -> None:
    settings.QUEUE_BACKEND = "djutils.queue.backends.redis_backend.RedisQueue"
    settings.QUEUE_CONNECTION, settings.QUEUE_NAME = redis_server.url, f"way.{new_id()}"

    way = entered(ledger.enter)

    assert names(way) == listed["before"] + listed["redis"]
    assert len(way) <= 10
    assert sum(len(path.read_text(encoding="utf-8").splitlines()) for path in way) <= 1600


@pytest.mark.django_db(transaction=True)
def test_a_plain_call_to_sqlite_enters_the_files_that_the_page_names(
    listed: dict[str, list[str]], settings: Settings
) -> None:
    settings.QUEUE_BACKEND = "djutils.queue.backends.database.DatabaseQueue"
    settings.QUEUE_CONNECTION, settings.QUEUE_NAME = "", f"way.{new_id()}"

    assert set(names(entered(ledger.enter))) == {*listed["before"], *listed["sqlite"]}
