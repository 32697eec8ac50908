"""What a visitor left, and what the commands added to it."""

from __future__ import annotations

import unicodedata
import uuid
from datetime import datetime
from typing import Any

from django.db import models
from django.utils.functional import cached_property

from djutils.queue import Result, invoker
from djutils.queue.exceptions import ResultNotFound

SMALL, LARGE = 480, 1280
"""The two thumbnails: longest side in pixels."""


def upload_path(entry: Entry, filename: str) -> str:
    """Return a new name: the visitor's is not trusted; its extension was checked by the form."""
    return f"photos/{uuid.uuid4().hex}.{filename.rpartition('.')[2].lower()}"


def searchable(*texts: str) -> str:
    """Return ``texts`` as they are searched: in one case and without accents, so that "strasse" finds "Straße"."""
    letters = unicodedata.normalize("NFKD", " ".join(texts).casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


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
    refusal = models.CharField(max_length=200, blank=True)
    """What the mail server said when it refused the mail; empty if it did not."""

    thumbnails_call = models.CharField(max_length=32, blank=True)
    """The id of the call that makes the thumbnails: what becomes of it is asked of its result."""
    poster_call = models.CharField(max_length=32, blank=True)
    """The id of the call that makes the poster; empty if no reader wanted one."""

    search = models.TextField(blank=True)
    """The name and the comment as they are searched; ``index_entries`` makes it for the entries of an older guestbook."""

    class Meta:
        ordering = ["id"]  # as in a book, and as the commands run: the page fills from the top
        verbose_name_plural = "entries"

    def __str__(self) -> str:
        return f"{self.name}, {self.created:%d %B %Y}"

    def save(self, *args: Any, **options: Any) -> None:
        """Save it; a new entry can be found at once."""
        if self._state.adding:
            self.search = searchable(self.name, self.comment)
        super().save(*args, **options)

    @property
    def small(self) -> str:
        """The path of the small thumbnail below MEDIA_ROOT."""
        return self.thumbnail(SMALL)

    @property
    def large(self) -> str:
        """The path of the large thumbnail below MEDIA_ROOT."""
        return self.thumbnail(LARGE)

    def thumbnail(self, side: int) -> str:
        """Return the path of the thumbnail with ``side`` pixels below MEDIA_ROOT."""
        return f"thumbnails/{self.pk:05}-{side}.jpg"

    @property
    def waits(self) -> list[tuple[str, float | None]]:
        """For each command, how many seconds after the visit it was done; None if it is not done yet."""
        steps = {"checked": self.checked_at, "thumbnails": self.thumbnails_at, "mailed": self.mailed_at}
        return [(what, self._seconds(done)) for what, done in steps.items()]

    @property
    def settled(self) -> bool:
        """Whether all three commands are done, and the poster if there is to be one."""
        done = None not in {self.checked_at, self.thumbnails_at, self.mailed_at}
        return done and not (self.poster and not self.poster.is_finished)

    @cached_property
    def thumbnails(self) -> Result | None:
        """What has become of the call that makes the thumbnails; None once they are there."""
        return None if self.thumbnails_at else _result(self.thumbnails_call)

    @property
    def wants_poster(self) -> bool:
        """Whether a poster may be ordered: there is none, and none is being made."""
        return self.poster is None or (self.poster.is_finished and self.poster.status != "SUCCESSFUL")

    @cached_property
    def poster(self) -> Result | None:
        """What has become of the call that makes the poster; None if there was none, or its result has expired."""
        return _result(self.poster_call)

    def _seconds(self, done: datetime | None) -> float | None:
        return None if done is None else max(0.0, (done - self.created).total_seconds())


def _result(id: str) -> Result | None:
    try:
        return invoker.result(id) if id else None
    except ResultNotFound:
        return None
