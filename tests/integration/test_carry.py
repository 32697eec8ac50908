"""The context of a caller in a real consumer: in threads, in an event loop, and in what a command calls."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextvars import copy_context
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.management import call_command
from django.core.management.base import BaseCommand, no_translations
from django.test import AsyncClient, Client
from django.utils import timezone, translation
from pytest_django import Settings

from tests.project.app import commands, context
from tests.sites import Site
from tests.waiting import wait_until

from . import context_views

CARRY = {
    "QUEUE_MIDDLEWARE": ["djutils.queue.middleware.carry.CarryContext"],
    "QUEUE_CARRY": ["language", "time_zone", f"{context.__name__}.request_id"],
}
WITH_IT = {f"DJUTILS_TEST_{name}": json.dumps(value) for name, value in CARRY.items()}
GERMAN = "de Montag Europe/Berlin"

pytestmark = pytest.mark.parametrize("site", ["sqlite", "redis"], indirect=True)


@pytest.fixture(autouse=True)
def _carrying(settings: Settings, site: Site) -> Iterator[None]:
    for name, value in CARRY.items():
        setattr(settings, name, value)
    yield
    translation.deactivate()  # which Django's LocaleMiddleware leaves to the next request


def in_german(id: str, call: Callable[[], Any]) -> None:
    def inside() -> None:
        context.request_id.set(id)
        with translation.override("de"), timezone.override("Europe/Berlin"):
            call()

    copy_context().run(inside)


@pytest.mark.parametrize("numbers", [{"threads": 1}, {"threads": 3}, {"coroutines": 10}])
def test_each_run_finds_its_callers_context_and_no_other(site: Site, numbers: dict[str, int]) -> None:
    for number in range(10):
        in_german(f"r-{number}", lambda: context.tell_context(site.file()))
        in_german(f"l-{number}", lambda: context.tell_context_later(site.file()))
        context.tell_context(site.file())

    options = ["--coroutines", str(numbers.pop("coroutines"))] if "coroutines" in numbers else []
    consumer = site.consumer(*options, environment=WITH_IT, **numbers)
    site.wait_until_empty()

    expected = Counter({f"{GERMAN} {kind}-{number}": 1 for number in range(10) for kind in "rl"})
    expected["en-us Monday UTC -"] = 10
    wait_until(lambda: Counter(commands.lines(site.file())) == expected, why=consumer.log)
    assert "app: asked by the request r-7" in consumer.log()
    assert consumer.stop() == 0


def test_a_command_that_calls_another_carries_it_on(site: Site) -> None:
    in_german("r-1", lambda: context.have_context_told(site.file()))
    site.consumer(environment=WITH_IT)
    site.wait_until_empty()
    assert commands.lines(site.file()) == [f"{GERMAN} r-1"]


def test_a_request_gives_what_its_middleware_has_set(site: Site, settings: Settings) -> None:
    settings.ROOT_URLCONF = context_views.__name__
    settings.MIDDLEWARE = ["django.middleware.locale.LocaleMiddleware", f"{context_views.__name__}.RequestId"]
    for path, id in (("/tell/", "r-http"), ("/tell-later/", "r-async")):
        headers = {"X-Request-ID": id, "Accept-Language": "de"}
        Client().get(path, {"file": site.file()}, headers=headers)
        async_to_sync(AsyncClient().get)(path, {"file": site.file()}, headers=headers)
    Client().get("/tell/", {"file": site.file()}, headers={"X-Request-ID": "r-english"})

    site.consumer(environment=WITH_IT)
    site.wait_until_empty()

    assert sorted(commands.lines(site.file())) == [
        *["de Montag UTC r-async"] * 2,
        *["de Montag UTC r-http"] * 2,
        "en Monday UTC r-english",
    ]


def test_a_management_command_gives_what_is_set_there(site: Site) -> None:
    class Tell(BaseCommand):
        def handle(self, *args: Any, **options: Any) -> None:
            context.tell_context(site.file())

    class TellUntranslated(BaseCommand):
        @no_translations
        def handle(self, *args: Any, **options: Any) -> None:
            context.tell_context(site.file())

    call_command(Tell())
    in_german("r-shell", lambda: call_command(Tell()))
    in_german("r-migration", lambda: call_command(TellUntranslated()))

    site.consumer(environment=WITH_IT)
    site.wait_until_empty()

    assert commands.lines(site.file()) == [
        "en-us Monday UTC -",
        f"{GERMAN} r-shell",
        "en-us Monday Europe/Berlin r-migration",
    ]


def test_a_consumer_without_it_runs_what_one_with_it_would(site: Site) -> None:
    in_german("r-1", lambda: context.tell_context(site.file()))
    site.consumer()
    site.wait_until_empty()
    assert commands.lines(site.file()) == ["en-us Monday UTC -"]
