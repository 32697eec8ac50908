"""Commands that tell the context in which they run, and a caller that has one."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar, copy_context
from typing import Any

from django.utils import timezone, translation

from djutils.queue import codec, queue_command
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.message import Message

CARRY = "djutils.queue.middleware.carry.CarryContext"
REQUEST_ID = f"{__name__}.request_id"
TENANT = f"{__name__}.tenant"

request_id: ContextVar[Any] = ContextVar("request_id")
tenant: ContextVar[Any] = ContextVar("tenant", default="everyone")
seen: list[Any] = []


def look() -> tuple[Any, ...]:
    """What of the context a command may see."""
    return (
        translation.get_language(),
        timezone.get_current_timezone_name(),
        request_id.get("none"),
        tenant.get(),
    )


@queue_command
def see() -> None:
    seen.append(look())


@queue_command
async def see_later() -> None:
    await asyncio.sleep(0)
    seen.append(look())


@queue_command
def call_see() -> None:
    see()


@queue_command(max_attempts=2, backoff=0)
def spoil_and_fail() -> None:
    """Change all of it, and fail."""
    seen.append(look())
    translation.activate("fr")
    timezone.activate("Asia/Tokyo")
    request_id.set("another")
    raise LookupError


def as_a_caller(call: Any, language: str | None = "de", zone: Any = "Europe/Berlin", **values: Any) -> Any:
    """Return what ``call()`` returns where all of it is set."""

    def inside() -> Any:
        request_id.set(values.get("request_id", "r-1"))
        tenant.set(values.get("tenant", "acme"))
        with translation.override(language), timezone.override(zone):
            return call()

    return copy_context().run(inside)


def sent(queue: MemoryQueue) -> Message:
    """Return the only message that waits."""
    (waiting,) = queue.peek("ready", data=True)
    assert waiting.data is not None
    return codec.decode(waiting.data, queue.name)


THERE = ("de", "Europe/Berlin", "r-1", "acme")
HERE = ("en-us", "UTC", "none", "everyone")
