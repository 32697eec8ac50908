"""Commands that tell the context of their caller, and what they find of a row."""

from __future__ import annotations

import asyncio
import logging
from contextvars import ContextVar

from django.utils import timezone, translation
from django.utils.translation import gettext

from djutils.queue.decorators import queue_command

from .files import write
from .models import Place, Seat

request_id: ContextVar[str] = ContextVar("request_id", default="-")

logger = logging.getLogger("app")


def _context() -> str:
    language, zone = translation.get_language(), timezone.get_current_timezone_name()
    return f"{language} {gettext('Monday')} {zone} {request_id.get()}"


@queue_command
def tell_context(path: str) -> None:
    """Write it to a file, and its request id to the log."""
    write(path, _context())
    logger.warning("asked by the request %s", request_id.get())


@queue_command
async def tell_context_later(path: str) -> None:
    """The same, in a coroutine."""
    await asyncio.sleep(0)
    write(path, _context())


@queue_command
def have_context_told(path: str) -> None:
    """Call another command."""
    tell_context(path)


@queue_command(models="fresh", backoff=0.2)
def visit(path: str, place: Place) -> None:
    """Write what the row says now."""
    write(path, place.name)


@queue_command(models="fresh")
async def visit_later(path: str, places: list[Place]) -> None:
    """The same, in a coroutine."""
    async for place in Place.objects.filter(pk__in=[one.pk for one in places]):
        write(path, f"{place.name}, and {places[0].name}")


@queue_command(models="fresh", atomic=True)
def visit_atomically(path: str, place: Place) -> None:
    """The same, in the transaction of the acknowledgement."""
    Place.objects.filter(pk=place.pk).update(history=f"{place.name} was seen")


@queue_command(models="fresh", on_missing="discard")
def visit_or_not(path: str, place: Place) -> None:
    """The same, if there is one."""
    write(path, place.name)


@queue_command(models="fresh", on_missing="fail")
def visit_or_die(path: str, seat: Seat) -> None:
    """The same, of a row whose key is a pair."""
    write(path, f"{seat}")
