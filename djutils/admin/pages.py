"""The read-only pages: a list of messages, and one message."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import quote, unquote
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.text import capfirst
from django.utils.translation import gettext

from djutils.models import QueueDeadLetter, QueueMessage
from djutils.queue.inspecting import GONE, Found, cannot_know, fields
from djutils.queue.message import StateName
from djutils.queue.why import Obstacle, why
from djutils.queue.wording import plain

from . import asking, showing
from .asking import STATES, Cursor, Filter, Page
from .base import AdminPages

_LIKELY = 5


class QueuePages(AdminPages):
    """What both admins share: a list, and a page for one message, which only the queue may change."""

    states: ClassVar[tuple[StateName, ...]]

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Return whether this user may replay here."""
        return False

    def get_urls(self) -> list[URLPattern]:
        return [
            self._path("", self.changelist_view, "changelist"),
            self._path("<path:object_id>/change/", self.change_view, "change"),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the queues, and a page of the messages that match the filter."""
        self._enter_to_look(request)
        wanted = Filter.of(request.GET)
        if wanted.state not in self.states:
            wanted = wanted._replace(state="")
        known, problem = asking.chosen("")
        others = asking.beside(known)
        chosen = [queue for queue in known if not wanted.queue]
        if wanted.queue and not problem:
            chosen, problem = asking.chosen(wanted.queue)
            others += [queue for queue in chosen if queue not in (*known, *others)]
        told = asking.told_of(known, others)
        states = tuple(state for state in self.states if wanted.state in {"", state})
        is_down = any(one.is_down for one in told)
        after = Cursor.of(request.GET.get("after", ""))
        page = Page([]) if is_down else asking.look(chosen, states, wanted, after)
        return self._render(
            request,
            "list",
            title=capfirst(self.opts.verbose_name_plural),
            wanted=wanted,
            known=[queue.name for queue in (*known, *others)],
            states=self.states if len(self.states) > 1 else (),
            queue_rows=showing.queue_rows(told, wanted, partial(self._list_of, request)),
            rows=showing.rows(asking.whole(page.found), self._page_of),
            looked=showing.number(page.looked) if page.looked else "",
            next=wanted.query(after=page.after) if page.after else "",
            first=wanted.query() if "after" in request.GET else "",
            problems=[
                *filter(None, dict.fromkeys([problem, *(one.problem for one in told), *page.problems]))
            ],
            can_know=all(queue.supports_peek for queue in chosen) or states == ("dead",),
            is_filtered=bool(wanted.pairs()),
            **(extra_context or {}),
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show one message, in its current state."""
        self._enter(request)
        found, problems, absence = self._find(object_id)
        if len(found) != 1:
            return self._render(
                request,
                "message",
                title=gettext("Message"),
                problems=problems,
                absence="" if problems or found else absence,
                others=showing.rows(found, self._page_of),
            )
        (one,) = found
        is_dead = one.snapshot.state == "dead"
        return self._render(
            request,
            "message",
            title=plain(one.command),
            one=showing.rows(found, self._page_of)[0],
            fields=fields(one),
            reasons=[] if is_dead else [plain(reason.text) for reason in self._why(one)],
            error=plain(one.snapshot.error.rstrip()),
            elsewhere=self._dead_page_of(request, one) if is_dead and self.model is QueueMessage else "",
            replay=is_dead and self.has_replay_permission(request) and self._at("replay", object_id),
            discard=is_dead and self.has_delete_permission(request) and self._at("delete", object_id),
        )

    # Helpers

    def _why(self, one: Found) -> list[Obstacle]:
        try:
            return why(one)
        except Exception as error:  # noqa: BLE001  (a backend may raise anything)
            return [Obstacle("unknown", asking.explain(one.queue.name, error))]

    def _find(self, object_id: str) -> tuple[list[Found], list[str], str]:
        """Return the message, or several candidates; problems; and the text to show if there is none."""
        name, id = showing.parts_of(unquote(object_id))
        chosen, problem = asking.chosen(name)
        problems = [problem] if problem else []
        found = asking.whole(asking.find(chosen, id, _LIKELY, problems)) if id else []
        blind = [cannot_know(queue) for queue in chosen if not queue.supports_peek]
        return found, problems, " ".join(blind) or GONE

    def _render(self, request: HttpRequest, template: str, **context: Any) -> HttpResponse:
        can = {
            "can_replay": self.has_replay_permission(request),
            "can_discard": self.has_delete_permission(request),
        }
        return super()._render(request, template, **{**can, **context})

    def _page_of(self, key: str) -> str:
        return self._at("change", quote(key))

    def _list_of(self, request: HttpRequest, queue: str, state: str) -> str:
        """Return the list of the messages of ``queue`` in ``state``, '' if this user may not see it."""
        model = QueueDeadLetter if state == "dead" else QueueMessage
        if not self._sees(request, model):
            return ""
        wanted = Filter(queue=queue, state="" if state == "dead" else state)
        return self._at("changelist", model=model) + wanted.query()

    def _dead_page_of(self, request: HttpRequest, one: Found) -> str:
        if not self._sees(request, QueueDeadLetter):
            return ""
        key = showing.key_of(one.queue.name, one.snapshot.id)
        return self._at("change", quote(key), model=QueueDeadLetter)


@admin.register(QueueMessage)
class QueueMessageAdmin(QueuePages):
    """What waits, runs and is dead, to look at."""

    states = STATES
