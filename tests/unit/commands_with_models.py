"""Commands whose arguments are model instances."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from djutils.queue import QueueCommand, queue_command
from tests.project.app.models import Place, Ticket

seen: list[Any] = []


@dataclass
class Order:
    place: Place
    tickets: list[Ticket] = field(default_factory=list)


@queue_command(models="fresh")
def look_at(*values: Any, **named: Any) -> None:
    seen.append((values, named) if named else values)


@queue_command(models="fresh", max_attempts=3, backoff=0)
def or_retry(place: Place) -> None:
    seen.append(place)


@queue_command(models="fresh", on_missing="discard")
def or_discard(*places: Place) -> None:
    seen.append(places)


@queue_command(models="fresh", on_missing="fail")
def or_fail(place: Place) -> None:
    seen.append(place)


@queue_command(models="fresh")
async def look_later(place: Place) -> None:
    seen.append(place.name)
    await Place.objects.filter(pk=place.pk).aupdate(history="seen")


@queue_command(models="fresh", atomic=True)
def look_atomically(place: Place) -> None:
    seen.append((place.name, connection.in_atomic_block))


@queue_command(models="fresh", result=True)
def give_back(place: Place) -> Place:
    return place


@queue_command
def as_it_was(place: Place) -> None:
    seen.append(place.name)


class Visit(QueueCommand):
    models = "fresh"

    def execute(self) -> None:
        seen.append(self.data)
