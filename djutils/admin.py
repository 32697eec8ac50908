"""The admin's view of DatabaseQueue: what waits, and the dead letters, to look at and to replay.

Nothing here unpickles a message; its header is read after the signature was verified.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import router
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from djutils.models import DeadLetter, QueueMessage, State
from djutils.queue import dead_letters
from djutils.queue.backends.database import DatabaseQueue
from djutils.queue.codec import decode
from djutils.queue.exceptions import QueueException

_AT_ONCE = 500


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

    def delete_model(self, request: HttpRequest, obj: QueueMessage) -> None:
        """Delete ``obj``; a dead letter is discarded by its queue, which logs who did it."""
        self.delete_queryset(request, QueueMessage.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[QueueMessage]) -> None:
        """Delete them; dead letters are discarded by their queues, which logs who did it."""
        for rows in _parts(queryset.filter(state=State.DEAD)):
            _decide(request, rows, dead_letters.discard)
        super().delete_queryset(request, queryset)

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
        count = 0
        try:
            for rows in _parts(queryset):
                count += _decide(request, rows, dead_letters.replay)
                user: Any = request.user  # the admin lets in no one without an account
                LogEntry.objects.log_actions(user.pk, rows, CHANGE, "Replayed.")
        except QueueException as error:
            self.message_user(request, f"{type(error).__name__}: {error}", messages.ERROR)
            if not count:
                return
        text = ngettext("%d dead letter will run again.", "%d dead letters will run again.", count)
        self.message_user(request, text % count, messages.SUCCESS)


def _parts(queryset: QuerySet[QueueMessage]) -> list[list[QueueMessage]]:
    """Return the rows without their messages, in parts that a statement can name; the oldest first."""
    rows = list(queryset.order_by("id").only("message_id", "queue"))
    return [rows[at : at + _AT_ONCE] for at in range(0, len(rows), _AT_ONCE)]


def _decide(
    request: HttpRequest,
    rows: Sequence[QueueMessage],
    decide: Callable[[DatabaseQueue, list[str], str], int],
) -> int:
    """Replay or discard dead letters through their queues, in the name of the user; return how many."""
    by_queue: defaultdict[str, list[str]] = defaultdict(list)
    for row in rows:
        by_queue[row.queue].append(row.message_id)
    alias = router.db_for_write(QueueMessage)
    by = f"{request.user.get_username()} (admin)"
    return sum(decide(DatabaseQueue(name, alias), ids, by) for name, ids in by_queue.items())
