"""The entries in Django's admin, to look at; djutils adds its own pages beside them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from djutils.queue import invoker
from djutils.queue.exceptions import ResultNotFound

from .commands import index_entries
from .models import Entry, searchable

admin.site.site_header = admin.site.site_title = "Guestbook"
admin.site.index_title = "Behind the guestbook"


@admin.register(Entry)
class EntryAdmin(admin.ModelAdmin):
    """Entries as the visitors wrote them: nothing here can be changed."""

    list_display = ("id", "name", "created", "spam", "done", "refusal")
    list_display_links = ("id", "name")
    search_fields = ("search",)
    actions = ("index_all",)

    @admin.action(description="Index all entries for the search", permissions=["view"])
    def index_all(self, request: HttpRequest, queryset: QuerySet[Entry]) -> None:
        """Enqueue the indexing of all entries, whichever are selected."""
        request.session["indexing"] = index_entries().id

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Say how far the indexing is that was requested in this session, until it has ended."""
        if request.method == "GET" and (id := request.session.get("indexing")):
            self.message_user(request, self._state_of(id, request))
        return super().changelist_view(request, extra_context)

    def _state_of(self, id: str, request: HttpRequest) -> str:
        try:
            call = invoker.result(id)
        except ResultNotFound:
            call = None
        if call is None or call.is_finished:
            del request.session["indexing"]
        status = call.status.label.lower() if call else "over"
        far = f", {call.progress.done} of {call.progress.total} entries" if call and call.progress else ""
        return f"Indexing: {status}{far}"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Entry], search_term: str
    ) -> tuple[QuerySet[Entry], bool]:
        """Search for the term as ``index_entries`` would write it."""
        return super().get_search_results(request, queryset, searchable(search_term))

    @admin.display(boolean=True)
    def done(self, entry: Entry) -> bool:
        """Return whether all three commands are done."""
        return entry.settled

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Entry | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Entry | None = None) -> bool:
        return False
