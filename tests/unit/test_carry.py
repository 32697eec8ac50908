"""``QUEUE_CARRY``: the caller's language, time zone and context variables are those of the run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any

import pytest
from django.utils import translation
from pytest_django import Settings

from djutils.queue import codec
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.chain import chain_of
from djutils.queue.ids import new_id
from djutils.queue.middleware.carry import CarryContext
from djutils.queue.queue import Invoker, invoker
from djutils.queue.sending import pack
from djutils.testing import drain

from . import middlewares
from .commands_carrying import (
    CARRY,
    HERE,
    REQUEST_ID,
    TENANT,
    THERE,
    as_a_caller,
    call_see,
    look,
    request_id,
    see,
    see_later,
    seen,
    sent,
    spoil_and_fail,
    tenant,
)
from .helpers import FlakyQueue, until
from .rig import MakeRig
from .times import Times


@pytest.fixture
def carrying(settings: Settings) -> Iterator[Settings]:
    settings.QUEUE_MIDDLEWARE = [CARRY]
    settings.QUEUE_CARRY = ["language", "time_zone", REQUEST_ID, TENANT]
    seen.clear()
    yield settings
    seen.clear()


# Carried


@pytest.mark.parametrize("call", [see, see_later])
def test_a_run_finds_what_its_caller_had_and_leaves_things_as_they_were(
    memory: MemoryQueue, carrying: Settings, call: Any
) -> None:
    as_a_caller(call)
    call()
    drain()
    assert seen == [THERE, HERE]
    assert look() == HERE


@pytest.mark.parametrize("options", [{}, {"threads": 3}, {"coroutines": 5}])
def test_so_does_one_in_a_thread_and_one_beside_others_in_an_event_loop(
    rig: MakeRig, carrying: Settings, options: dict[str, int]
) -> None:
    queue = FlakyQueue(f"unit.{new_id()}")
    callers = [f"r-{number}" for number in range(20)]
    for name in callers:
        as_a_caller(lambda: Invoker(queue).enqueue(see_later.command()), request_id=name)
    rig(queue, **options)
    until(lambda: len(seen) == len(callers))
    assert sorted(seen) == sorted(("de", "Europe/Berlin", name, "acme") for name in callers)


def test_in_eager_mode_it_is_the_same(eager: MemoryQueue, carrying: Settings) -> None:
    as_a_caller(see)
    see()
    assert seen == [THERE, HERE]


def test_a_coroutine_is_a_caller_as_any_other(memory: MemoryQueue, carrying: Settings) -> None:
    async def view() -> None:
        request_id.set("r-async")
        with translation.override("de"):
            await see.acall()

    asyncio.run(view())
    drain()
    assert seen == [("de", "UTC", "r-async", "everyone")]


def test_a_command_that_calls_another_carries_on_what_it_was_given(
    memory: MemoryQueue, carrying: Settings
) -> None:
    as_a_caller(call_see)
    drain()
    assert seen == [THERE]


def test_each_attempt_finds_it_whatever_the_one_before_has_changed(
    memory: MemoryQueue, carrying: Settings
) -> None:
    as_a_caller(spoil_and_fail)
    with pytest.raises(LookupError):
        drain(retries=True)
    assert seen == [THERE, THERE]


def test_what_the_run_changes_is_put_back_where_others_look(memory: MemoryQueue, carrying: Settings) -> None:
    command = as_a_caller(see.command)
    message = as_a_caller(lambda: pack(command, memory).message)
    with pytest.raises(LookupError), contextmanager(CarryContext().run)(command, message):
        assert look() == THERE
        spoil_and_fail.call()
    assert look() == HERE


def test_a_middleware_further_in_goes_with_it(memory: MemoryQueue, carrying: Settings) -> None:
    carrying.QUEUE_MIDDLEWARE = [CARRY, f"{middlewares.__name__}.Note"]
    middlewares.seen.clear()
    as_a_caller(see)
    drain()
    assert seen == [THERE]
    assert middlewares.seen == ["before", "returned", ("see", "ACK")]


def test_a_message_that_is_sent_again_or_replayed_still_has_it(
    memory: MemoryQueue, carrying: Settings
) -> None:
    as_a_caller(see)
    message = sent(memory)
    memory.flush()
    invoker.resend(message)
    drain()
    assert seen == [THERE]


# Not carried


def test_a_caller_that_has_set_nothing_sends_nothing_more(memory: MemoryQueue, carrying: Settings) -> None:
    see()
    assert sent(memory).extras_json == b""


def test_nor_does_the_clock(memory: MemoryQueue, carrying: Settings, times: Times) -> None:
    times.clock(memory).tick()
    waiting = [codec.decode(one.data or b"", memory.name) for one in memory.peek("ready", data=True)]
    assert waiting
    assert not any(message.extras_json for message in waiting)


def test_without_it_among_the_middleware_nothing_is_sent_and_nothing_is_set(
    memory: MemoryQueue, carrying: Settings
) -> None:
    carrying.QUEUE_MIDDLEWARE = []
    as_a_caller(see)
    assert sent(memory).extras_json == b""
    assert chain_of(see.command_class) == ((), (), ())
    drain()
    assert seen == [HERE]


def test_a_variable_that_is_none_is_carried_and_one_without_a_value_is_not(
    memory: MemoryQueue, carrying: Settings
) -> None:
    as_a_caller(see, tenant=None)
    drain()
    tenant_only = copy_context()
    tenant_only.run(tenant.set, "acme")
    tenant_only.run(see)
    assert sent(memory).extras == {"carried": {TENANT: "acme"}}
    drain()
    assert seen == [("de", "Europe/Berlin", "r-1", None), ("en-us", "UTC", "none", "acme")]


def test_where_translations_are_switched_off_no_language_is_sent(
    memory: MemoryQueue, carrying: Settings
) -> None:
    carrying.QUEUE_CARRY = ["language"]
    as_a_caller(see, language=None)  # as in a management command under @no_translations
    assert sent(memory).extras_json == b""


def test_what_this_consumer_does_not_list_is_ignored(memory: MemoryQueue, carrying: Settings) -> None:
    as_a_caller(see)
    carrying.QUEUE_CARRY = ["language"]
    drain()
    assert seen == [("de", *HERE[1:])]


def test_what_was_sent_before_it_was_listed_runs(memory: MemoryQueue, carrying: Settings) -> None:
    carrying.QUEUE_MIDDLEWARE = []
    as_a_caller(see)
    carrying.QUEUE_MIDDLEWARE = [CARRY]
    drain()
    assert seen == [HERE]
