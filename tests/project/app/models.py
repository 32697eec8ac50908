"""What commands leave behind, to be counted by tests."""

from __future__ import annotations

import os
from uuid import uuid4

from django.db import models


class Note(models.Model):
    """One line written by one run of a command.

    The app has no migrations: ``migrate --run-syncdb`` makes its table.
    """

    text = models.CharField(max_length=200, db_index=True)
    pid = models.IntegerField(default=os.getpid)
    written = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.text


class Place(models.Model):
    """A row that changes between a call and its run."""

    name = models.CharField(max_length=50)
    history = models.TextField(default="")

    def __str__(self) -> str:
        return self.name


class Cafe(Place):
    """Inherits the table of ``Place``, and has its own."""

    seats = models.IntegerField(default=0)


class QuietPlace(Place):
    """A proxy."""

    class Meta:
        proxy = True


class Ticket(models.Model):
    """Its key is there before its row is."""

    id = models.UUIDField(primary_key=True, default=uuid4)
    text = models.CharField(max_length=50, default="")

    def __str__(self) -> str:
        return self.text


class Seat(models.Model):
    """Its key is a pair, and one half of it another row's key."""

    pk = models.CompositePrimaryKey("ticket_id", "number")
    ticket = models.ForeignKey(Ticket, on_delete=models.CASCADE)
    number = models.IntegerField()
    row = models.CharField(max_length=5, default="")

    def __str__(self) -> str:
        return f"{self.row}{self.number}"


class ShownOnly(models.Manager["Hideable"]):
    def get_queryset(self) -> models.QuerySet[Hideable]:
        return super().get_queryset().filter(is_hidden=False)


class Hideable(models.Model):
    """Its default manager leaves rows out."""

    is_hidden = models.BooleanField(default=False)
    objects = ShownOnly()

    def __str__(self) -> str:
        return f"{self.pk}"
