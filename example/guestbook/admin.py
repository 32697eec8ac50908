"""The entries in Django's admin, to look at; djutils adds its own pages beside them."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from .models import Entry

admin.site.site_header = admin.site.site_title = "Guestbook"
admin.site.index_title = "Behind the guestbook"


@admin.register(Entry)
class EntryAdmin(admin.ModelAdmin):
    """Entries as the visitors wrote them: nothing here can be changed."""

    list_display = ("id", "name", "created", "spam", "done", "refusal")
    list_display_links = ("id", "name")

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
