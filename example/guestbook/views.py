"""The guestbook's page."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.paginator import Page, Paginator
from django.db import transaction
from django.db.models import Count, F, Q, Sum
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from djutils.queue.queue import invoker

from .commands import check_for_spam, make_thumbnails, send_mail
from .forms import EntryForm
from .models import Entry

PER_PAGE = 60


@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """Show the guestbook, or put a new entry into it."""
    form = EntryForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        entry = sign(form)
        return redirect(f"/#entry-{entry.pk}")
    status = 422 if form.errors else 200
    return render(request, "guestbook/page.html", {"form": form, **context(_page(request))}, status=status)


def sign(form: EntryForm) -> Entry:
    """Save the entry and enqueue what is to be done about it: both or neither."""
    with transaction.atomic():
        entry = form.save()
        check_for_spam(entry.pk)
        make_thumbnails(entry.pk)
        send_mail(entry.pk)
    return entry


@require_GET
def entries(request: HttpRequest) -> HttpResponse:
    """Show just the entries; the page asks for them while something is being churned."""
    return render(request, "guestbook/entries.html", context(_page(request)))


@require_GET
def status(request: HttpRequest) -> JsonResponse:
    """Answer in numbers how far everything is."""
    done = Entry.objects.aggregate(
        entries=Count("pk"),
        checked=Count("checked_at"),
        thumbnails=Count("thumbnails_at"),
        mailed=Count("mailed_at"),
        spam=Count("pk", filter=~Q(spam="")),
        retries=Sum(F("mail_attempts") - 1, filter=Q(mail_attempts__gt=1), default=0),
    )
    return JsonResponse({**done, "queue": invoker.queue.stats()._asdict()})


def context(entries: Page[Entry]) -> dict[str, Any]:
    """Answer what the templates show: a page of entries, and how many of all are not finished yet."""
    return {"entries": entries, "pending": Entry.objects.unfinished().count(), "media": settings.MEDIA_URL}


def _page(request: HttpRequest) -> Page[Entry]:
    return Paginator(Entry.objects.all(), PER_PAGE).get_page(request.GET.get("page"))
