"""Async views as a site has them, and the URLs that lead to them."""

from __future__ import annotations

import asyncio

from asgiref.sync import async_to_sync, sync_to_async
from django.db import router, transaction
from django.http import HttpRequest, JsonResponse
from django.urls import path

from djutils.queue import invoker
from tests.project.app import commands
from tests.project.app.models import Note


class ChangeOfMind(Exception):
    """Rolls a transaction back."""


async def awaited(request: HttpRequest) -> JsonResponse:
    """Enqueue one command, and many."""
    file = request.GET["file"]
    first = await commands.append.acall(file, 0)
    others = await invoker.aenqueue_many(commands.append.command(file, number) for number in range(1, 4))
    return JsonResponse({"ids": [first.id, *(other.id for other in others)]})


async def plain(request: HttpRequest) -> JsonResponse:
    """Call a command as a synchronous view does."""
    return JsonResponse({"ids": [commands.append(request.GET["file"], 0).id]})


async def in_transaction(request: HttpRequest) -> JsonResponse:
    """Write a row and enqueue, both or neither."""
    file, outcome = request.GET["file"], request.GET["outcome"]

    def book() -> None:
        with transaction.atomic(using=router.db_for_write(Note)):
            Note.objects.create(text=file[-50:])
            async_to_sync(commands.append.acall)(file, 1)
            if outcome == "rollback":
                raise ChangeOfMind

    try:
        await sync_to_async(book)()
    except ChangeOfMind:
        return JsonResponse({"notes": await Note.objects.acount()})
    return JsonResponse({"notes": await Note.objects.acount()})


async def at_the_same_time(request: HttpRequest) -> JsonResponse:
    """Enqueue from several coroutines at once."""
    file = request.GET["file"]
    results = await asyncio.gather(*(commands.append.acall(file, number) for number in range(5)))
    return JsonResponse({"ids": [result.id for result in results]})


urlpatterns = [
    path("awaited/", awaited),
    path("plain/", plain),
    path("in-transaction/", in_transaction),
    path("at-the-same-time/", at_the_same_time),
]
