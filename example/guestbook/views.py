"""The guestbook's page."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.paginator import Page, Paginator
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from .commands import check_for_spam, make_poster, make_thumbnails, send_mail
from .forms import EntryForm
from .models import Entry
from .progress import progress

PER_PAGE = 60


@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """Show the guestbook, or put a new entry into it."""
    form = EntryForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        return redirect(_address(sign(form)))
    status = 422 if form.errors else 200
    shown = _page(request)
    content = {"form": form, "progress": progress(), **context(shown, list(shown))}
    return render(request, "guestbook/page.html", content, status=status)


def sign(form: EntryForm) -> Entry:
    """Save the entry and enqueue what is to be done about it: both or neither."""
    with transaction.atomic():
        entry = form.save()
        check_for_spam(entry.pk)
        thumbnails = make_thumbnails(entry.pk)
        send_mail(entry.pk)
        Entry.objects.filter(pk=entry.pk).update(thumbnails_call=thumbnails.id)
    return entry


@require_POST
def poster(request: HttpRequest, pk: int) -> HttpResponse:
    """Enqueue the making of a poster, unless there is one or one is being made."""
    with transaction.atomic():
        entry = get_object_or_404(Entry.objects.select_for_update(), pk=pk)
        if entry.wants_poster:
            entry.poster_call = make_poster(entry.pk).id
            entry.save(update_fields=["poster_call"])
    return redirect(_address(entry))


@require_POST
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Cancel the call for this entry that the button names: one that waits will not run, one that runs is asked to end."""
    entry = get_object_or_404(Entry, pk=pk)
    for call in (entry.thumbnails, entry.poster):
        if call and call.id == request.POST.get("call"):
            call.cancel()
    return redirect(_address(entry))


@require_GET
def live(request: HttpRequest) -> HttpResponse:
    """Show how far everything is, and the page's entries that ``settled``, a list of ids, does not name."""
    settled = set(request.GET.get("settled", "").split(","))
    state = progress()  # before the entries: of those that it counts none is missing
    shown = _page(request)
    content = {
        "progress": state,
        **context(shown, [entry for entry in shown if str(entry.pk) not in settled]),
    }
    return render(request, "guestbook/live.html", content)


@require_GET
def status(request: HttpRequest) -> JsonResponse:
    """Return in numbers how far everything is."""
    state = progress()
    return JsonResponse({**state._asdict(), "queue": state.queue._asdict()})


def context(shown: Page[Entry], entries: list[Entry]) -> dict[str, Any]:
    """Return what the templates show: ``entries`` of the page ``shown``."""
    return {"shown": shown, "entries": entries, "media": settings.MEDIA_URL}


def _page(request: HttpRequest) -> Page[Entry]:
    return Paginator(Entry.objects.all(), PER_PAGE).get_page(request.GET.get("page"))


def _address(entry: Entry) -> str:
    number = -(-Entry.objects.filter(pk__lte=entry.pk).count() // PER_PAGE)
    return f"/{f'?page={number}' if number > 1 else ''}#entry-{entry.pk}"
