"""Unique commands at the top level of a module, where a consumer would find them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from djutils.queue.decorators import queue_command
from djutils.queue.queue import QueueCommand
from djutils.queue.results import Result
from tests.project.app.models import Note

from .commands_for_tests import ran


@queue_command(unique="until_done")
def index(page: Any, *, deep: bool = False, **more: Any) -> None:
    """Remember the page."""
    ran.append((page, deep))


@queue_command(unique="until_done", key="{account[id]}")
def bill(account: dict[str, Any], why: str) -> None:
    """Remember why."""
    ran.append(why)


@queue_command(unique="until_done", key=lambda text, *rest: text.lower())
def greet(text: str, *rest: Any) -> None:
    """Remember the text."""
    ran.append(text)


@queue_command(unique="until_started", on_duplicate="replace", key="{page}")
def publish(page: int, text: str) -> None:
    """Remember the text."""
    ran.append(text)


@queue_command(unique="until_done", on_duplicate="raise")
def charge(order: int) -> None:
    """Remember the order."""
    ran.append(order)


@queue_command(unique=timedelta(hours=1))
def remind(user: int) -> None:
    """Remember the user."""
    ran.append(user)


@queue_command(unique="until_done")
def call_again(depth: int = 0) -> None:
    """Call itself while it runs."""
    handle: Result = call_again(depth)
    ran.append(handle.duplicate)


@queue_command(unique="until_done")
def fail_once(order: int) -> None:
    """Fail."""
    raise ValueError(order)


@queue_command(unique="until_done", models="fresh")
def look_at(note: Note, *others: Note) -> None:
    """Remember the text."""
    ran.append(note.text)


class Report(QueueCommand):
    """Unique by its data."""

    unique = "until_done"

    def execute(self) -> None:
        ran.append(self.data)
