"""The admin's view of DatabaseQueue: what waits, and the dead letters, to look at and to replay.

Nothing here unpickles a message; its header is read after the signature was verified.
"""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from djutils.models import DeadLetter, QueueMessage, State
from djutils.queue.codec import decode
from djutils.queue.exceptions import QueueException

_REPLAYED = {
    "state": State.READY,
    "died": None,
    "error": None,
    "attempts": 0,
    "crashes": 0,
    "redeliveries": 0,
    "offers": 0,
}


def _bytes(stored: object) -> bytes:
    """Return what the database gave for a message; SQLite keeps any type in a column of bytes."""
    return bytes(stored) if isinstance(stored, bytes | memoryview) else str(stored).encode()


class MessageAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """What is common to waiting and dead messages.

    Rows are written by the queue only: a form would be a way to forge them.
    """

    list_filter = ["queue"]
    search_fields = ("message_id", "error")
    ordering = ("-id",)
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: QueueMessage | None = None) -> bool:
        return False

    @admin.display(description=_("command"))
    def command(self, row: QueueMessage) -> str:
        """Return the name of the command, out of the verified header."""
        try:
            return decode(_bytes(row.message), row.queue).command
        except QueueException as error:  # strange bytes, or keys that cannot work
            return f"? ({error})"

    @admin.display(description=_("size in bytes"))
    def size(self, row: QueueMessage) -> int:
        """Return the size of the message."""
        return len(_bytes(row.message))


@admin.register(QueueMessage)
class QueueMessageAdmin(MessageAdmin):
    """Every message; deleting one is forgetting its command."""

    list_display = ("message_id", "command", "queue", "state", "priority", "attempts", "crashes")
    list_filter = ["queue", "state"]
    fields = (
        "message_id",
        "command",
        "queue",
        "state",
        "priority",
        "attempts",
        "crashes",
        "redeliveries",
        "size",
        "error",
    )

    @admin.display(description=_("priority"), ordering="-rank")
    def priority(self, row: QueueMessage) -> int:
        """Return the priority as the caller gave it."""
        rank: object = row.rank
        return -rank if isinstance(rank, int) else 0


@admin.register(DeadLetter)
class DeadLetterAdmin(MessageAdmin):
    """Messages that will not be tried again: look, replay, or delete."""

    list_display = ("message_id", "command", "queue", "died_at", "attempts", "reason")
    ordering = ("-died",)
    fields = (
        "message_id",
        "command",
        "queue",
        "died_at",
        "attempts",
        "crashes",
        "redeliveries",
        "size",
        "error",
    )
    actions = ("replay",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[QueueMessage]:
        return super().get_queryset(request).filter(state=State.DEAD)

    @admin.display(description=_("died"), ordering="died")
    def died_at(self, row: QueueMessage) -> object:
        """Return when it became a dead letter, as the project tells the time."""
        try:
            return row.died_at and timezone.localtime(row.died_at)
        except OverflowError:  # the last day of the calendar, in another time zone
            return None

    @admin.display(description=_("reason"))
    def reason(self, row: QueueMessage) -> str:
        """Return the first line of the error."""
        return str(row.error or "").partition("\n")[0]

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Replaying runs code: it has a permission of its own."""
        return request.user.has_perm("djutils.replay_deadletter")

    @admin.action(description=_("Replay the selected dead letters"), permissions=["replay"])
    def replay(self, request: HttpRequest, queryset: QuerySet[QueueMessage]) -> None:
        """Put them back into their queues, as if they had never been tried."""
        count = queryset.filter(state=State.DEAD).update(**_REPLAYED)
        text = ngettext("%d dead letter will run again.", "%d dead letters will run again.", count)
        self.message_user(request, text % count, messages.SUCCESS)
