"""``models="fresh"`` where the row is missing, and what cannot be referred to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from djutils.queue import invoker, references
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.exceptions import NotPicklable, Reject
from djutils.queue.executor import Executor
from djutils.queue.message import Action, Delivery
from djutils.queue.references import Reference
from djutils.testing import drain, enqueued
from tests.project.app.models import Place, Seat, Ticket

from .commands_with_models import (
    look_at,
    or_discard,
    or_fail,
    or_retry,
    seen,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def place() -> Iterator[Place]:
    seen.clear()
    yield Place.objects.create(name="before")
    seen.clear()


# Missing


def test_a_missing_row_is_tried_again_by_the_policy_of_the_command(memory: MemoryQueue, place: Place) -> None:
    pk = place.pk
    or_retry(place)
    place.delete()
    with pytest.raises(Place.DoesNotExist, match=rf"no row of app\.place:{pk}@default.*did not run"):
        drain()
    assert [call.attempt for call in enqueued()] == [2]
    Place.objects.create(pk=pk, name="back")
    drain(retries=True)
    assert [one.name for one in seen] == ["back"]


def test_it_is_dropped_if_the_command_says_so(memory: MemoryQueue, place: Place) -> None:
    gone = [Place.objects.create(name=f"{number}") for number in range(5)]
    or_discard(place, *gone)
    Place.objects.filter(pk__in=[one.pk for one in gone]).delete()
    assert executed(memory).action is Action.DROP
    assert seen == []


def test_it_is_a_dead_letter_at_once_if_the_command_says_so(memory: MemoryQueue, place: Place) -> None:
    or_fail(place)
    place.delete()
    with pytest.raises(Reject):
        drain()
    (letter,) = memory.dead_letters()
    assert letter.reason.startswith("djutils.queue.exceptions.Reject: There is no row of app.place:")
    assert seen == []


def executed(queue: MemoryQueue) -> Any:
    """The outcome of the only message that waits."""
    (waiting,) = queue.peek("ready", data=True)
    return Executor(queue.name).execute(Delivery(waiting.id, waiting.data or b""))


def test_the_first_of_many_are_named(memory: MemoryQueue) -> None:
    gone = [Place.objects.create(name=f"{number}") for number in range(5)]
    or_discard(*gone)
    Place.objects.all().delete()
    assert executed(memory).error.count("app.place:") == 3
    assert "and 2 more" in executed(memory).error


# What cannot be sent, and what cannot be fetched


@pytest.mark.parametrize(
    ("instance", "culprit"),
    [
        (Place(name="new"), r"The argument 1 \(Place\)"),
        (Place(pk=7, name="new"), r"The argument 1 \(Place\)"),
        (Ticket(), r"The argument 1 \(Ticket\)"),
        (Seat(number=3), r"The argument 1 \(Seat\)"),
        ([Place(name="new")], r"The argument 1 \(list\)"),
    ],
)
def test_an_unsaved_instance_is_refused_at_the_call(memory: MemoryQueue, instance: Any, culprit: str) -> None:
    why = rf"^{culprit} cannot be pickled: models='fresh' sends a reference .* is not saved.*nothing was sent\. Save it first\.$"
    with pytest.raises(NotPicklable, match=why):
        look_at(instance)
    with pytest.raises(NotPicklable):
        invoker.enqueue_many([look_at.command(1), look_at.command(instance)])
    assert len(memory) == 0


def test_so_is_a_deleted_one(memory: MemoryQueue, place: Place) -> None:
    seat = Seat.objects.create(ticket=Ticket.objects.create(text="one"), number=3)
    for deleted in (place, seat):
        deleted.delete()
        with pytest.raises(NotPicklable, match="or was deleted"):
            look_at(deleted)
    assert len(memory) == 0


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        (("app.gone", "1", "default"), "no installed app of this process has the model 'app.gone'"),
        (("gone.place", "1", "default"), "no installed app of this process has the model 'gone.place'"),
        (("place", "1", "default"), "no installed app of this process has the model 'place'"),
        (("app.place", "1", "replica"), "DATABASES of this process has no 'replica'"),
        (("app.place", "x", "default"), "that is not a primary key of 'app.place' here"),
        (("app.seat", '["x"]', "default"), "that is not a primary key of 'app.seat' here"),
    ],
)
def test_a_reference_that_leads_nowhere_here_says_so(
    memory: MemoryQueue, place: Place, reference: tuple[str, str, str], why: str, monkeypatch: Any
) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(references, "reference_to", lambda instance: Reference(*reference))
        or_retry(place)
    outcome = executed(memory)
    assert outcome.action is Action.RETRY
    assert outcome.error.startswith("djutils.queue.exceptions.NotUnpicklable: It refers to ")
    assert why in outcome.error
