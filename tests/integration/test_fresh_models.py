"""Rows that change, or are missing, between a call and its run by a real consumer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from asgiref.sync import async_to_sync
from django.db import transaction
from django.test import AsyncClient
from pytest_django import Settings

from tests.project.app import commands, context
from tests.project.app.models import Place, Seat, Ticket
from tests.sites import Site
from tests.waiting import wait_until

from . import context_views

on_both = pytest.mark.parametrize("site", ["sqlite", "redis"], indirect=True)


@pytest.fixture
def place(site: Site) -> Iterator[Place]:
    yield Place.objects.create(name="before")
    Place.objects.all().delete()
    Ticket.objects.all().delete()


@on_both
@pytest.mark.parametrize("options", [[], ["--coroutines", "10"]])
def test_a_run_finds_the_row_as_it_is_then(site: Site, place: Place, options: list[str]) -> None:
    with transaction.atomic():
        context.visit(site.file(), place)
        context.visit_later(site.file(), [place])
    Place.objects.update(name="after")

    consumer = site.consumer(*options)
    site.wait_until_empty()

    assert sorted(commands.lines(site.file())) == ["after", "after, and after"]
    assert consumer.stop() == 0


@on_both
def test_an_async_view_sends_what_it_has_created(site: Site, settings: Settings, place: Place) -> None:
    settings.ROOT_URLCONF = context_views.__name__
    async_to_sync(AsyncClient().get)("/visit/", {"file": site.file(), "name": "corner"})

    site.consumer()
    site.wait_until_empty()

    assert commands.lines(site.file()) == ["corner, and corner"]


@on_both
def test_a_row_that_is_missing_at_first_is_found_by_a_later_attempt(site: Site, place: Place) -> None:
    context.visit(site.file(), place)
    pk = place.pk
    place.delete()
    consumer = site.consumer()
    wait_until(lambda: f"There is no row of app.place:{pk}@" in consumer.log(), why=consumer.log)

    Place.objects.create(pk=pk, name="late")

    site.wait_until_empty()
    assert commands.lines(site.file()) == ["late"]


@on_both
def test_a_row_that_is_gone_drops_the_command_or_makes_a_dead_letter(site: Site, place: Place) -> None:
    ticket = Ticket.objects.create(text="one")
    kept, gone = (Seat.objects.create(ticket=ticket, number=number, row="C") for number in (1, 2))
    context.visit_or_not(site.file(), place)
    context.visit_or_die(site.file(), kept)
    context.visit_or_die(site.file(), gone)
    gone.delete()
    place.delete()

    consumer = site.consumer()
    wait_until(lambda: site.queue.stats() == (0, 0, 0, 1, 0), why=consumer.log)

    assert commands.lines(site.file()) == ["C1"]
    assert f"{context.__name__}.visit_or_not dropped: There is no row of app.place:" in consumer.log()
    (letter,) = site.queue.dead_letters()
    assert f'app.seat:["{ticket.pk}", "2"]@' in letter.reason


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_an_atomic_command_fetches_it_in_its_transaction(site: Site, place: Place) -> None:
    context.visit_atomically(site.file(), place)
    Place.objects.update(name="after")

    site.consumer()
    site.wait_until_empty()

    place.refresh_from_db()
    assert place.history == "after was seen"
