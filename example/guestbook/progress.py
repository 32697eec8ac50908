"""How far the commands are: for the page, and for the terminal that the example runs in."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import Count, F, Q, Sum

from djutils.queue.message import Stats
from djutils.queue.queue import invoker

from .models import Entry


class Progress(NamedTuple):
    """What is done, and what the queue still holds."""

    queue: Stats
    entries: int
    checked: int
    thumbnails: int
    mailed: int
    refused: int
    """Mails that the mail server refused, which are dead letters."""
    spam: int
    retries: int

    @property
    def expected(self) -> int:
        """How many visitors are to sign; a reader who signs comes on top."""
        return max(self.entries, settings.GUESTBOOK_VISITORS)

    @property
    def done(self) -> int:
        """How many commands are done."""
        return self.checked + self.thumbnails + self.mailed

    @property
    def total(self) -> int:
        """How many commands there will be: three for each visitor."""
        return 3 * self.expected

    @property
    def waiting(self) -> int:
        """How many commands are in the queue, those that run and those that wait in a lane included."""
        return sum(self.queue) - self.queue.dead

    @property
    def going(self) -> bool:
        """Whether the page can still change without a visit."""
        return self.waiting > 0 or self.entries < self.expected

    @property
    def phase(self) -> str:
        """What is going on, in a sentence."""
        if not self.going:
            return "All commands have run."
        if not self.entries:
            painted = len(list(settings.GUESTBOOK_PHOTOS.glob("photo-*")))
            return f"Photos are being painted ({painted} so far); then {self.expected} visitors sign."
        if self.entries < self.expected:
            return f"{self.entries} of {self.expected} visitors have signed; their commands are running."
        return "The visitors have signed; their commands are running."


def progress() -> Progress:
    """Return how far the commands are now."""
    # The queue first: what it no longer holds is then in the counts.
    queue = invoker.queue.stats()
    counts: dict[str, Any] = Entry.objects.aggregate(
        entries=Count("pk"),
        checked=Count("checked_at"),
        thumbnails=Count("thumbnails_at"),
        mailed=Count("mailed_at"),
        refused=Count("pk", filter=~Q(refusal="")),
        spam=Count("pk", filter=~Q(spam="")),
        retries=Sum(F("mail_attempts") - 1, filter=Q(mail_attempts__gt=1), default=0),
    )
    return Progress(queue=queue, **counts)
