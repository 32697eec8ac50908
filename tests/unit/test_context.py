"""Each command runs in an empty context: what one sets there, neither the next one finds nor the caller."""

from __future__ import annotations

import asyncio
import decimal
from contextvars import Context, ContextVar
from typing import Any

import pytest
from django.core.cache import caches
from django.urls import get_script_prefix, get_urlconf, set_script_prefix, set_urlconf
from django.utils import timezone, translation
from pytest_django import Settings

from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.current import current_message
from djutils.queue.decorators import queue_command
from djutils.queue.executor import Executor
from djutils.queue.ids import new_id
from djutils.queue.workers.world import keep_caches

from .helpers import FlakyQueue, make_delivery, until
from .rig import MakeRig, send

tag: ContextVar[str] = ContextVar("tag", default="none")
looks: list[Any] = []


def look() -> tuple[object, ...]:
    """What of the context a command may see."""
    message = current_message()
    return (
        translation.get_language(),
        timezone.get_current_timezone_name(),
        decimal.getcontext().prec,
        tag.get(),
        get_script_prefix(),
        get_urlconf(),
        message.id if message else None,
    )


def disturb() -> None:
    """Change all of it."""
    translation.activate("de")
    timezone.activate("Asia/Tokyo")
    decimal.getcontext().prec = 3
    tag.set("left behind")
    set_script_prefix("/there/")
    set_urlconf("nowhere.urls")


@queue_command(max_attempts=1)
def leave_all(error: Exception | None = None) -> None:
    """Change the context and leave it so."""
    disturb()
    if error:
        raise error


@queue_command(max_attempts=1)
async def leave_all_later() -> None:
    """Change the context in a coroutine."""
    disturb()
    await asyncio.sleep(0)


@queue_command(max_attempts=1)
def see() -> None:
    """Note what is found."""
    looks.append(look()[:-1])


@queue_command(max_attempts=1)
async def see_later() -> None:
    """Note what is found in a coroutine."""
    looks.append(look()[:-1])


@pytest.fixture(autouse=True)
def _nothing_seen() -> None:
    looks.clear()


def clean() -> tuple[object, ...]:
    """What is found where nothing was ever set."""
    return Context().run(look)


MESSES = [(leave_all, ()), (leave_all, (ValueError("midway"),)), (leave_all_later, ())]


@pytest.mark.parametrize(("mess", "args"), MESSES)
@pytest.mark.parametrize("seeing", [see, see_later])
def test_what_a_command_leaves_in_its_context_does_not_reach_the_next(
    mess: Any, args: Any, seeing: Any
) -> None:
    executor, before = Executor("unit"), look()
    executor.execute(make_delivery(mess, *args))
    assert look() == before
    executor.execute(make_delivery(seeing))
    assert looks == [clean()[:-1]]


@pytest.mark.parametrize("threads", [1, 3])
def test_nor_in_any_thread_of_a_worker(rig: MakeRig, threads: int) -> None:
    queue = FlakyQueue(f"unit.{new_id()}")
    for _ in range(10):
        send(queue, leave_all)
        send(queue, see)
    rig(queue, threads=threads)
    until(lambda: len(looks) == 10)
    assert set(looks) == {clean()[:-1]}


def test_in_eager_mode_too_a_command_sees_what_it_would_see_in_a_worker(
    settings: Settings, memory: MemoryQueue
) -> None:
    settings.QUEUE_EAGER = True
    with translation.override("fr"), timezone.override("America/New_York"), decimal.localcontext(prec=7):
        before = look()
        see()
        leave_all()
        with pytest.raises(ValueError, match="midway"):
            leave_all(ValueError("midway"))
        assert look() == before
    assert looks == [clean()[:-1]]


@pytest.mark.parametrize("threads", [1, 2])
def test_addresses_begin_as_the_project_has_it_in_every_thread(rig: MakeRig, threads: int) -> None:
    queue = FlakyQueue(f"unit.{new_id()}")
    send(queue, see)
    before = get_script_prefix()
    set_script_prefix("/site/")  # as FORCE_SCRIPT_NAME has Django do when it is set up
    try:
        rig(queue, threads=threads)
    finally:
        set_script_prefix(before)
    until(lambda: looks)
    assert looks[0][4] == "/site/"


def test_a_cache_is_connected_once_and_not_for_each_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caches, "_connections", caches._connections)  # type: ignore[attr-defined]
    keep_caches()
    first, second = (Context().run(lambda: caches["default"]) for _ in range(2))
    assert first is second
