"""The read-only pages: a list of messages, and one message."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, update_wrapper
from typing import Any, ClassVar

from django import VERSION
from django.contrib import admin
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse, reverse_lazy
from django.utils.text import capfirst
from django.utils.translation import gettext

from djutils.models import QueueDeadLetter, QueueMessage
from djutils.queue.inspecting import GONE, Found, cannot_know, fields
from djutils.queue.message import StateName
from djutils.queue.wording import plain

from . import asking, showing
from .asking import STATES, Cursor, Filter, Page

_LIKELY = 5


class QueuePages(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """What both admins share: a list, and a page for one message, which only the queue may change."""

    states: ClassVar[tuple[StateName, ...]]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Return whether this user may replay here."""
        return False

    def get_urls(self) -> list[URLPattern]:
        return [
            self._path("", self.changelist_view, "changelist"),
            self._path("<path:object_id>/change/", self.change_view, "change"),
        ]

    def _path(self, route: str, view: Callable[..., HttpResponse], name: str) -> URLPattern:
        def page(*args: Any, **kwargs: Any) -> HttpResponse:
            return self.admin_site.admin_view(view)(*args, **kwargs)

        made: Any = update_wrapper(page, view)
        made.model_admin = self
        made.login_url = reverse_lazy("admin:login", current_app=self.admin_site.name)
        # An error of the store must not break the transaction that the rest of the page needs, and actions
        # in parts are committed in parts.
        for alias in connections:
            made = transaction.non_atomic_requests(using=alias)(made)
        found: URLPattern = path(route, made, name=f"{self.opts.app_label}_{self.opts.model_name}_{name}")
        return found

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the queues, and a page of the messages that match the filter."""
        self._enter(request)
        if request.method not in {"GET", "HEAD"}:
            raise PermissionDenied
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
            error=plain(one.snapshot.error.rstrip()),
            elsewhere=self._dead_page_of(request, one) if is_dead and self.model is QueueMessage else "",
            replay=is_dead and self.has_replay_permission(request) and self._at("replay", object_id),
            discard=is_dead and self.has_delete_permission(request) and self._at("delete", object_id),
        )

    # Helpers

    def _enter(self, request: HttpRequest) -> None:
        request.current_app = self.admin_site.name
        if not self.has_view_permission(request):
            raise PermissionDenied

    def _find(self, object_id: str) -> tuple[list[Found], list[str], str]:
        """Return the message, or several candidates; problems; and the text to show if there is none."""
        name, id = showing.parts_of(unquote(object_id))
        chosen, problem = asking.chosen(name)
        problems = [problem] if problem else []
        found = asking.whole(asking.find(chosen, id, _LIKELY, problems)) if id else []
        blind = [cannot_know(queue) for queue in chosen if not queue.supports_peek]
        return found, problems, " ".join(blind) or GONE

    def _render(self, request: HttpRequest, template: str, **context: Any) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "crumbs_are_list": VERSION >= (6, 1),
            "list_url": self._at("changelist"),
            "can_replay": self.has_replay_permission(request),
            "can_discard": self.has_delete_permission(request),
            **context,
        }
        return TemplateResponse(request, f"djutils/admin/{template}.html", context)

    def _at(self, page: str, *args: str, model: type[QueueMessage] | None = None) -> str:
        opts = (model or self.model)._meta
        name = f"admin:{opts.app_label}_{opts.model_name}_{page}"
        return reverse(name, args=args, current_app=self.admin_site.name)

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

    def _sees(self, request: HttpRequest, model: type[QueueMessage]) -> bool:
        site = self.admin_site
        return site.is_registered(model) and site.get_model_admin(model).has_view_permission(request)


@admin.register(QueueMessage)
class QueueMessageAdmin(QueuePages):
    """What waits, runs and is dead, to look at."""

    states = STATES
