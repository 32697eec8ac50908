"""What happens after the visitor was thanked.

Every command can run twice (a worker may be killed after the work and before its acknowledgement), so each
of them leaves the same result however often it runs: a verdict, two files, one mail.

An entry may be removed while its commands wait. They have nothing left to do then: ``discard_on`` drops them, where
they would otherwise be retried and become dead letters.
"""

from __future__ import annotations

from datetime import timedelta
from smtplib import SMTPDataError

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import F
from django.template.loader import render_to_string
from django.utils import timezone

from djutils.queue import (
    Drop,
    Reject,
    crontab,
    current_message,
    periodic_command,
    progress,
    queue_command,
    resume,
    track,
)

from . import pictures, spam
from .mail import FolderBackend
from .models import LARGE, SMALL, Entry, searchable


@queue_command(discard_on=Entry.DoesNotExist)
def check_for_spam(entry_id: int) -> None:
    """Record why the comment looks like spam, if it does."""
    entry = Entry.objects.get(pk=entry_id)
    verdict = ", ".join(spam.reasons(entry.name, entry.comment))
    Entry.objects.filter(pk=entry_id).update(spam=verdict, checked_at=timezone.now())


@queue_command(result=True, discard_on=Entry.DoesNotExist)
def make_thumbnails(entry_id: int) -> None:
    """Make the two thumbnails of the photo."""
    entry = Entry.objects.get(pk=entry_id)
    with entry.photo.open() as photo:
        pictures.shrink(photo, {side: settings.MEDIA_ROOT / entry.thumbnail(side) for side in (SMALL, LARGE)})
    Entry.objects.filter(pk=entry_id).update(thumbnails_at=timezone.now())


@queue_command(result=True, max_attempts=3, expires=timedelta(hours=1), discard_on=Entry.DoesNotExist)
def make_poster(entry_id: int) -> str:
    """Make a poster of the photo, which takes some seconds, and return its path below MEDIA_ROOT.

    A reader waits for it. When no worker has begun it within an hour, the reader has left: it ``expires``.
    """
    entry, call = Entry.objects.get(pk=entry_id), current_message()
    path = f"posters/{entry.pk:05}.jpg"
    with entry.photo.open() as photo:
        steps = pictures.make_poster(photo, LARGE, settings.MEDIA_ROOT / path)
        for _ in track(steps, total=pictures.STEPS, note="strips"):
            if call and call.cancelled:
                raise Drop("A reader has cancelled it.")
    return path


@queue_command(
    max_attempts=5,
    backoff=(1, 60),
    retry_on=OSError,
    discard_on=Entry.DoesNotExist,
    rate="50/s",
    burst=10,
    lane="mail-server",
)
def send_mail(entry_id: int) -> None:
    """Send the owner of the guestbook a mail.

    A mail server that is down will be back: ``retry_on`` says that it is tried up to five times. A mail that it refuses, and a
    mistake in this function, are dead letters at once, because another attempt would not help.

    The mail server takes fifty mails a second, from all workers together: without the ``rate`` they would all call
    it at once with what has waited while it was down. Another command that sends mails would name the same ``lane``.
    """
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
    mail_server = FolderBackend(file_path=settings.GUESTBOOK_MAILS / f"entry-{entry.pk:05}")
    try:
        mail_server.send_messages([message])
    except SMTPDataError as error:  # the server's final word; any other error is retried
        refusal = f"{error.smtp_code} {error.smtp_error!s}"
        Entry.objects.filter(pk=entry_id).update(refusal=refusal)
        raise Reject(f"The mail server refused the mail: {refusal}") from error
    Entry.objects.filter(pk=entry_id).update(mailed_at=timezone.now(), refusal="")


@queue_command(result=True, time_limit=60, unique="until_done")
def index_entries() -> None:
    """Make the search text of every entry, however many there are: interrupted, it goes on after the last whole batch.

    Two clicks are one run, because it is ``unique``: the second one gets the handle of the first.
    """
    with progress(Entry.objects.count(), "entries") as bar:
        for entry in resume(Entry.objects.all(), batch=200):
            if not bar.done:
                bar.advance(Entry.objects.filter(pk__lt=entry.pk).count())  # what earlier runs have done
            Entry.objects.filter(pk=entry.pk).update(search=searchable(entry.name, entry.comment))
            bar.advance()


@periodic_command(crontab(minute="*/10"))
def sweep_up() -> None:
    """Remove photos that belong to no entry, because its transaction was rolled back."""
    known = set(Entry.objects.values_list("photo", flat=True))
    pictures.remove_strangers(settings.MEDIA_ROOT / "photos", {name.rpartition("/")[2] for name in known})


@periodic_command("30 3 * * *", misfire="once", overlap="skip")
def remove_old_posters() -> None:
    """Remove posters that no page links to any more, because their results have expired.

    It runs at half past three at night in the site's time zone; if the guestbook was closed then, once when it opens again.
    While one night's run still waits or runs, the next is left out.
    """
    pictures.remove_strangers(settings.MEDIA_ROOT / "posters", set(), pictures.POSTERS_STAY)
