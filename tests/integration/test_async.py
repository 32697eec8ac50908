"""Commands called by async views, on every store, in Django's own async test client."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import connections, transaction
from django.test import AsyncClient

from djutils.queue.exceptions import EnqueueError, QueueException
from djutils.queue.message import Message
from djutils.queue.queue import invoker
from djutils.queue.registry import registry
from tests.project.app import commands
from tests.sites import REDIS, Site

from .async_views import ChangeOfMind

pytestmark = pytest.mark.urls("tests.integration.async_views")


def get(path: str, **query: str) -> Any:
    """Return the response of the view at ``path`` to Django's async test client."""
    return async_to_sync(AsyncClient().get)(path, query).json()


def message() -> Message:
    """What a receiver of ``command_lost`` is given."""
    return registry.get_message_for_command(commands.append.command("x", 1), invoker.queue.name)


def is_in_a_database(site: Site) -> bool:
    return site.environment["DJUTILS_TEST_QUEUE_BACKEND"] != REDIS


def numbers(site: Site) -> list[str]:
    """What the commands left that were called with numbers."""
    return sorted(line.split()[0] for line in commands.lines(site.file()))


def test_what_async_views_enqueue_is_run(site: Site) -> None:
    ids = get("/awaited/", file=site.file())["ids"]
    ids += get("/at-the-same-time/", file=site.file())["ids"]
    assert len(site.queue) == len(set(ids)) == 9
    site.consumer()

    site.wait_until_empty()

    assert numbers(site) == sorted([*"0123", *"01234"])


def test_the_plain_call_in_an_async_view_works_or_says_what_to_write(site: Site) -> None:
    if is_in_a_database(site):
        with pytest.raises(EnqueueError) as caught:
            get("/plain/", file=site.file())
        assert str(caught.value) == (
            "This call of 'tests.project.app.commands.append' needs a database, which Django lets no coroutine use "
            "directly; nothing was sent. Write 'await append.acall(...)' instead of 'append(...)', and 'await "
            "invoker.aenqueue(command)' instead of 'invoker.enqueue(command)'."
        )
        assert len(site.queue) == 0
    else:
        assert len(get("/plain/", file=site.file())["ids"]) == len(site.queue) == 1


@pytest.mark.parametrize(
    ("call", "instead"),
    [
        (lambda: invoker.enqueue(commands.append.command("x", 1)), "await append.acall(...)"),
        (
            lambda: invoker.enqueue_many([commands.append.command("x", 1)]),
            "await invoker.aenqueue_many(commands)",
        ),
        (invoker.dequeue, "await sync_to_async(invoker.dequeue)()"),
        (invoker.flush, "await sync_to_async(invoker.flush)()"),
        (invoker.enqueue_periodic_commands, "await sync_to_async(invoker.enqueue_periodic_commands)()"),
        (lambda: invoker.resend(message()), "await sync_to_async(invoker.resend)(message)"),
        (lambda: invoker.enqueue(commands.Keep(1)), "await invoker.aenqueue(command)"),
        (lambda: len(invoker), "await sync_to_async(len)(invoker)"),
    ],
)
def test_each_method_of_the_invoker_works_in_a_coroutine_or_says_what_to_write(
    site: Site, call: Callable[[], object], instead: str
) -> None:
    # As in a management command that has used the database and then calls asyncio.run().
    assert len(invoker) == 0

    async def main() -> None:
        call()

    if is_in_a_database(site):
        with pytest.raises(QueueException) as caught:
            asyncio.run(main())
        assert f"Write '{instead}'" in str(caught.value)
        assert len(site.queue) == 0
    else:
        asyncio.run(main())


def test_who_allows_it_in_the_environment_is_not_held_back(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

    async def main() -> None:
        try:
            commands.append(site.file(), 1)
        finally:
            connections.close_all()  # a coroutine has its own connections

    asyncio.run(main())

    assert len(site.queue) == 1


@pytest.mark.parametrize(("outcome", "count"), [("commit", 1), ("rollback", 0)])
def test_what_is_awaited_in_a_transaction_counts_only_if_that_commits(
    site: Site, outcome: str, count: int
) -> None:
    before = len(site.notes())

    notes = get("/in-transaction/", file=site.file(), outcome=outcome)["notes"]

    assert (notes - before, len(site.queue)) == (count, count)


def test_what_is_awaited_in_a_transaction_of_many_steps_waits_for_its_commit(site: Site) -> None:
    async def view(send: Callable[[], Awaitable[object]]) -> None:
        block = transaction.atomic(using=site.alias)
        await sync_to_async(block.__enter__)()
        await send()
        waiting = await sync_to_async(len)(site.queue)
        assert waiting == (1 if is_in_a_database(site) else 0)
        await sync_to_async(block.__exit__)(ChangeOfMind, ChangeOfMind(), None)

    async_to_sync(view)(lambda: commands.append.acall(site.file(), 1))
    async_to_sync(view)(lambda: invoker.aenqueue_many([commands.append.command(site.file(), 2)]))

    assert len(site.queue) == 0


def test_what_is_cancelled_is_sent_as_a_whole_or_not_at_all(site: Site) -> None:
    async def view() -> None:
        many = [commands.append.command(site.file(), number) for number in range(300)]
        sending = asyncio.ensure_future(invoker.aenqueue_many(many))
        await asyncio.sleep(0)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending

    async_to_sync(view)()

    assert len(site.queue) in {0, 300}
