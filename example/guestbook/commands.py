"""What happens behind the visitor's back.

Every command can run twice (a worker may be killed between the work and its receipt), so each of
them leaves the same things behind however often it runs: a verdict, two files, one mail.
"""

from __future__ import annotations

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import F
from django.template.loader import render_to_string
from django.utils import timezone

from djutils.queue.decorators import crontab, periodic_command, queue_command

from . import pictures, spam
from .mail import FolderBackend
from .models import LARGE, SMALL, Entry


@queue_command
def check_for_spam(entry_id: int) -> None:
    """Write down why the comment looks like spam, if it does."""
    entry = Entry.objects.get(pk=entry_id)
    verdict = ", ".join(spam.reasons(entry.name, entry.comment))
    Entry.objects.filter(pk=entry_id).update(spam=verdict, checked_at=timezone.now())


@queue_command
def make_thumbnails(entry_id: int) -> None:
    """Make the two thumbnails of the photo."""
    entry = Entry.objects.get(pk=entry_id)
    with entry.photo.open() as photo:
        pictures.shrink(photo, {side: settings.MEDIA_ROOT / entry.thumbnail(side) for side in (SMALL, LARGE)})
    Entry.objects.filter(pk=entry_id).update(thumbnails_at=timezone.now())


@queue_command(max_attempts=5, backoff=(1, 60))
def send_mail(entry_id: int) -> None:
    """Tell the owner of the guestbook; mail servers have bad moments, so up to five times."""
    entry = Entry.objects.get(pk=entry_id)
    if entry.mailed_at:
        return
    Entry.objects.filter(pk=entry_id).update(mail_attempts=F("mail_attempts") + 1)
    message = EmailMessage(
        subject=f"{entry.name} wrote in the guestbook",
        body=render_to_string("guestbook/mail.txt", {"entry": entry}),
        to=[settings.GUESTBOOK_OWNER],
        reply_to=[entry.email],
    )
    FolderBackend(file_path=settings.GUESTBOOK_MAILS / f"entry-{entry.pk:05}").send_messages([message])
    Entry.objects.filter(pk=entry_id).update(mailed_at=timezone.now())


@periodic_command(crontab(minute="*/10"))
def sweep_up() -> None:
    """Remove photos whose entry never came to be, because its transaction was rolled back."""
    known = set(Entry.objects.values_list("photo", flat=True))
    pictures.remove_strangers(settings.MEDIA_ROOT / "photos", {name.rpartition("/")[2] for name in known})
