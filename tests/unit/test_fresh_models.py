"""``@queue_command(models="fresh")``: a reference to the row travels, and the run finds the row as it is then."""

from __future__ import annotations

import asyncio
import io
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.db.migrations.state import ProjectState
from django.db.models import Model
from django.test.utils import CaptureQueriesContext
from django.utils.functional import SimpleLazyObject
from pytest_django import Settings

from djutils.queue import codec, invoker
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.exceptions import InvalidCommand
from djutils.testing import assert_enqueued, assert_not_enqueued, drain, enqueued
from tests.project.app.models import Cafe, Hideable, Place, QuietPlace, Seat, Ticket

from .commands_with_models import (
    Order,
    Visit,
    as_it_was,
    give_back,
    look_at,
    look_atomically,
    look_later,
    seen,
)
from .conftest import Declare

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_seen() -> Iterator[None]:
    seen.clear()
    yield
    seen.clear()


@pytest.fixture
def place() -> Place:
    return Place.objects.create(name="before")


def renamed(place: Place, name: str = "after") -> None:
    Place.objects.filter(pk=place.pk).update(name=name)


def queries(call: Any) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        call()
    return [query["sql"] for query in captured if "app_" in query["sql"]]


def referred(queue: MemoryQueue) -> list[Any]:
    """The persistent ids in the only message that waits."""
    (waiting,) = queue.peek("ready", data=True)
    body = codec.decode(waiting.data or b"", queue.name).body
    found: list[Any] = []

    class Collecting(pickle.Unpickler):
        def persistent_load(self, id: Any) -> None:
            found.append(id)

    Collecting(io.BytesIO(body)).load()
    return found


# Fetched when it runs


def test_the_run_finds_the_row_as_it_is_then(memory: MemoryQueue, place: Place) -> None:
    look_at(place)
    as_it_was(place)
    renamed(place)
    drain()
    assert seen[0][0].name == "after"
    assert seen[1] == "before"


def test_instances_are_found_wherever_they_are(memory: MemoryQueue, place: Place) -> None:
    ticket = Ticket.objects.create(text="one")
    look_at([place], {"a": (place, 1)}, Order(place, [ticket]), {place}, where=place)
    renamed(place)
    drain()
    ((listed, mapped, order, unordered), named) = seen[0]
    found = [listed[0], mapped["a"][0], order.place, *unordered, named["where"]]
    assert {one.name for one in found} == {"after"}
    assert len({id(one) for one in found}) == 1, "one row is one object"
    assert order.tickets == [ticket]


def test_any_number_of_rows_of_a_model_are_one_query(memory: MemoryQueue) -> None:
    places = Place.objects.bulk_create(Place(name=f"{number}") for number in range(20))
    look_at(*Place.objects.filter(pk__in=[one.pk for one in places]).order_by("pk"))
    assert len(queries(drain)) == 1
    assert [one.name for one in seen[0]] == [f"{number}" for number in range(20)]


def test_a_call_that_has_none_asks_for_none(memory: MemoryQueue) -> None:
    look_at(1, "two", [None])
    assert queries(drain) == []
    assert seen == [(1, "two", [None])]


def test_a_queryset_brings_its_rows_as_they_are_then(memory: MemoryQueue, place: Place) -> None:
    look_at(Place.objects.filter(pk=place.pk))
    renamed(place)
    drain()
    assert [one.name for one in seen[0][0]] == ["after"]


def test_so_does_what_an_attribute_of_a_request_wraps(memory: MemoryQueue, place: Place) -> None:
    look_at(SimpleLazyObject(lambda: place), SimpleLazyObject(AnonymousUser))
    renamed(place)
    drain()
    first, second = seen[0]
    assert (type(first), first.name) == (Place, "after")
    assert second == AnonymousUser()


def test_a_class_has_the_option_as_well(memory: MemoryQueue, place: Place) -> None:
    invoker.enqueue(Visit({"place": place}))
    renamed(place)
    drain()
    assert seen[0]["place"].name == "after"


@pytest.mark.parametrize("call", [look_later, look_atomically])
def test_a_coroutine_and_a_transaction_find_it_too(
    settings: Settings, transactional_db: None, call: Any
) -> None:
    settings.QUEUE_BACKEND, settings.QUEUE_NAME = "djutils.queue.backends.database.DatabaseQueue", "fresh"
    place = Place.objects.create(name="before")
    call(place)
    renamed(place)
    drain()
    assert seen == ["after" if call is look_later else ("after", True)]


def test_an_async_view_sends_it(memory: MemoryQueue, place: Place) -> None:
    async def view() -> None:
        await look_at.acall(place)

    asyncio.run(view())
    renamed(place)
    drain()
    assert seen[0][0].name == "after"


def test_in_eager_mode_it_is_fetched_all_the_same(eager: MemoryQueue, place: Place) -> None:
    renamed(place)
    look_at(place)
    assert seen[0][0].name == "after"
    assert seen[0][0] is not place


def test_what_a_command_returns_is_not_a_reference(memory: MemoryQueue, place: Place) -> None:
    result = give_back(place)
    drain()
    renamed(place)
    result.refresh()
    assert result.return_value == place
    assert result.return_value.name == "before"


# Which models


@pytest.mark.parametrize("make", ["deferred", "proxy", "child", "parent", "uuid", "composite", "hidden"])
def test_every_kind_of_model_comes_back_whole(memory: MemoryQueue, make: str) -> None:
    cafe = Cafe.objects.create(name="corner", seats=7)
    ticket = Ticket.objects.create(text="one")
    instance: Model = {
        "deferred": lambda: Place.objects.only("pk").get(pk=cafe.pk),
        "proxy": lambda: QuietPlace.objects.get(pk=cafe.pk),
        "child": lambda: cafe,
        "parent": lambda: Place.objects.get(pk=cafe.pk),
        "uuid": lambda: ticket,
        "composite": lambda: Seat.objects.create(ticket=ticket, number=3, row="C"),
        "hidden": lambda: Hideable.objects.create(is_hidden=True),
    }[make]()
    look_at(instance)
    assert all(isinstance(part, str) for id in referred(memory) for part in id)
    drain()
    ((found,),) = seen
    assert type(found) is type(instance)
    assert found == instance
    assert found is not instance
    assert not found.get_deferred_fields()


def test_an_instance_of_a_migration_comes_back_as_the_model_of_today(
    memory: MemoryQueue, place: Place
) -> None:
    state = ProjectState.from_apps(apps)
    historical = state.apps.get_model("app", "place").objects.get(pk=place.pk)
    assert type(historical) is not Place
    look_at(historical)
    drain()
    assert seen == [(place,)]
    assert type(seen[0][0]) is Place


# Shown


def test_what_shows_arguments_shows_the_reference_and_asks_no_database(
    memory: MemoryQueue, place: Place
) -> None:
    look_at(place, [place])
    (call,) = enqueued()
    assert queries(enqueued) == []
    assert str(call).startswith(
        f"{look_at.command_class.name}(app.place:{place.pk}@default, [app.place:{place.pk}@default])"
    )
    assert queries(lambda: assert_enqueued(look_at, place, [place])) == []


def test_an_assertion_compares_the_row_and_not_its_values(memory: MemoryQueue, place: Place) -> None:
    other = Place.objects.create(name="other")
    look_at(place)
    assert_enqueued(look_at, Place.objects.get(pk=place.pk))
    assert_not_enqueued(look_at, other)
    assert_not_enqueued(look_at, Place())
    assert_not_enqueued(look_at, f"app.place:{place.pk}@default")


# Without the option


def test_a_command_without_it_pickles_as_ever(memory: MemoryQueue, place: Place) -> None:
    assert as_it_was.command_class.dump is codec.dump
    assert as_it_was.command_class.load is codec.load
    as_it_was(place)
    assert referred(memory) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("models='stale'", "must be 'fresh'"),
        ("models=True", "must be 'fresh'"),
        ("models='fresh', on_missing='drop'", "must be 'retry', 'discard' or 'fail'"),
    ],
)
def test_a_wrong_option_is_refused_where_it_is_declared(declare: Declare, options: str, said: str) -> None:
    with pytest.raises(InvalidCommand, match=said):
        declare(f"@queue_command({options})\ndef f(): ...")


def test_what_becomes_of_missing_rows_is_not_said_of_a_command_that_fetches_none(declare: Declare) -> None:
    with pytest.raises(InvalidCommand, match="add that, or leave on_missing out"):
        declare("@queue_command(on_missing='discard')\ndef f(): ...")
