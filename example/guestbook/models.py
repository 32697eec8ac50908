"""What a visitor left, and what the commands made of it."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db import models
from django.db.models import Q

SMALL, LARGE = 480, 1280
"""The two thumbnails: longest side in pixels."""


def upload_path(entry: Entry, filename: str) -> str:
    """Answer a name of our own; the visitor's is not to be trusted, its ending was checked by the form."""
    return f"photos/{uuid.uuid4().hex}.{filename.rpartition('.')[2].lower()}"


class EntryQuerySet(models.QuerySet["Entry"]):
    """Entries by what is still to do."""

    def unfinished(self) -> EntryQuerySet:
        """Answer those that at least one command has not got to yet."""
        pending = Q(checked_at=None) | Q(thumbnails_at=None) | Q(mailed_at=None)
        return self.filter(pending)


class Entry(models.Model):
    """One entry in the guestbook. The view fills in the upper part, each command its own field below."""

    name = models.CharField(max_length=80)
    email = models.EmailField()
    comment = models.TextField(max_length=1000)
    photo = models.ImageField(upload_to=upload_path)
    created = models.DateTimeField(auto_now_add=True)

    spam = models.CharField(max_length=200, blank=True)
    """Why it looks like spam; empty if it does not."""
    checked_at = models.DateTimeField(null=True)
    thumbnails_at = models.DateTimeField(null=True)
    mailed_at = models.DateTimeField(null=True)
    mail_attempts = models.PositiveSmallIntegerField(default=0)

    objects = EntryQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "entries"

    def __str__(self) -> str:
        return f"{self.name}, {self.created:%d %B %Y}"

    @property
    def small(self) -> str:
        """Where the small thumbnail lies, below MEDIA_ROOT."""
        return self.thumbnail(SMALL)

    @property
    def large(self) -> str:
        """Where the large thumbnail lies, below MEDIA_ROOT."""
        return self.thumbnail(LARGE)

    def thumbnail(self, side: int) -> str:
        """Answer the name of the thumbnail with ``side`` pixels, below MEDIA_ROOT."""
        return f"thumbnails/{self.pk:05}-{side}.jpg"

    @property
    def waits(self) -> list[tuple[str, float | None]]:
        """Answer for each command how many seconds after the visit it was done; None: not yet."""
        steps = {"checked": self.checked_at, "thumbnails": self.thumbnails_at, "mailed": self.mailed_at}
        return [(what, self._seconds(done)) for what, done in steps.items()]

    def _seconds(self, done: datetime | None) -> float | None:
        return None if done is None else max(0.0, (done - self.created).total_seconds())
