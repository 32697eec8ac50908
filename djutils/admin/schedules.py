"""The page of the schedules: when each ran and runs, and the buttons that switch it and run it now."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern
from django.utils.text import capfirst
from django.utils.translation import gettext

from djutils.models import QueueSchedule
from djutils.queue import schedules
from djutils.queue.exceptions import BackendUnavailable, QueueException
from djutils.queue.wording import plain

from . import asking, showing
from .base import AdminPages
from .showing import Moment

_NEVER = Moment("-", "")
_DO: dict[str, tuple[Callable[[str], object], str]] = {
    "enable": (schedules.enable, "Switched on"),
    "disable": (schedules.disable, "Switched off"),
    "run": (schedules.run_now, "Run now"),
}


class ScheduleRow(NamedTuple):
    """A schedule in the list."""

    name: str
    shown: str
    command: str
    """Empty if it is the name."""
    queue: str
    rule: str
    is_on: bool
    last: Moment
    status: str
    """What has become of the last run; empty if that is not known."""
    url: str
    """The page of its message; empty if there is none."""
    coming: Moment
    overdue: Moment | None


@admin.register(QueueSchedule)
class QueueScheduleAdmin(AdminPages):
    """Every schedule of the project: see it, switch it, run it now."""

    def has_switch_permission(self, request: HttpRequest) -> bool:
        """Return whether this user may switch schedules on and off."""
        return request.user.has_perm("djutils.switch_queueschedule")

    def has_run_permission(self, request: HttpRequest) -> bool:
        """Return whether this user may run a schedule now, which runs code and so has a separate permission."""
        return request.user.has_perm("djutils.run_queueschedule")

    def get_urls(self) -> list[URLPattern]:
        return [self._path("", self.changelist_view, "changelist")]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show every schedule; a POST switches one, or runs it now."""
        self._enter(request)
        if request.method == "POST":
            word, _, name = request.POST.get("action", "").partition(" ")
            if word in _DO:
                self._act(request, word, name)
            return HttpResponseRedirect(request.get_full_path())
        known, problem = asking.chosen("")
        rows, problems = list[ScheduleRow](), [problem] if problem else []
        for queue in known:
            try:
                rows += [self._row(request, one) for one in schedules.all(queue.name)]
            except Exception as error:  # noqa: BLE001  (a backend may raise anything)
                problems.append(asking.explain(queue.name, error))
        return self._render(
            request,
            "schedules",
            title=capfirst(self.opts.verbose_name_plural),
            rows=sorted(rows),
            problems=problems,
            can_switch=self.has_switch_permission(request),
            can_run=self.has_run_permission(request),
            **(extra_context or {}),
        )

    def _act(self, request: HttpRequest, word: str, name: str) -> None:
        """Do it, record it, and say what came of it."""
        may = self.has_run_permission if word == "run" else self.has_switch_permission
        if not may(request):
            raise PermissionDenied
        act, done = _DO[word]
        try:
            act(name)
        except Exception as error:  # noqa: BLE001  (a backend, or the command, may raise anything)
            is_said = isinstance(error, QueueException) and not isinstance(error, BackendUnavailable)
            text = str(error) if is_said else asking.explain("of this project", error)
            self.message_user(request, text, messages.ERROR)
            return
        user: Any = request.user
        LogEntry.objects.create(
            user_id=user.pk,
            content_type_id=ContentType.objects.get_for_model(QueueSchedule, for_concrete_model=False).pk,
            object_repr=name[:200],
            action_flag=CHANGE,
            change_message=f"{done}: {name}.",
        )
        then = (
            gettext("It is enqueued.")
            if word == "run"
            else gettext("Every consumer follows within a minute.")
        )
        self.message_user(request, f"{done}: {plain(name)}. {then}", messages.SUCCESS)

    def _row(self, request: HttpRequest, one: schedules.Schedule) -> ScheduleRow:
        coming, overdue = list[datetime](), None
        with suppress(Exception):  # a function of the project's own may raise anything; the consumers log it
            coming, overdue = one.next(), one.overdue_since()
        status, url = one.last_status(), ""
        if status and one.last_result:
            url = self._page_of_message(request, one.queue_name, one.last_result.id)
        return ScheduleRow(
            one.name,
            plain(one.name),
            "" if one.command == one.name else plain(one.command),
            one.queue_name,
            plain(one.rule),
            one.enabled,
            showing.ago(one.last_run, gettext("%s ago")) if one.last_run else _NEVER,
            str(status.label) if status else "",
            url,
            _ahead(coming[0]) if coming else _NEVER,
            showing.ago(overdue, gettext("%s ago")) if overdue else None,
        )


def _ahead(moment: datetime) -> Moment:
    left = int((moment - datetime.now(UTC)).total_seconds())
    shown = showing.ago(moment)
    return shown._replace(text=gettext("in %s") % f"{left} s") if 0 <= left <= 60 else shown
