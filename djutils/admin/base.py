"""What every admin page of the queue has in common: its address, its frame, and that it asks the queue and no table."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from django import VERSION
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.core.exceptions import PermissionDenied
from django.db import connections, transaction
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse, reverse_lazy

from djutils.models import QueueMessage

from .showing import key_of


class AdminPages(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Pages of what only the queue may change."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

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

    def _enter(self, request: HttpRequest) -> None:
        request.current_app = self.admin_site.name
        if not self.has_view_permission(request):
            raise PermissionDenied

    def _enter_to_look(self, request: HttpRequest) -> None:
        """As ``_enter``, for a page that changes nothing, whatever is sent to it."""
        self._enter(request)
        if request.method not in {"GET", "HEAD"}:
            raise PermissionDenied

    def _render(self, request: HttpRequest, template: str, **context: Any) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "crumbs_are_list": VERSION >= (6, 1),
            "list_url": self._at("changelist"),
            **context,
        }
        return TemplateResponse(request, f"djutils/admin/{template}.html", context)

    def _at(self, page: str, *args: str, model: type[Model] | None = None) -> str:
        opts = (model or self.model)._meta
        name = f"admin:{opts.app_label}_{opts.model_name}_{page}"
        return reverse(name, args=args, current_app=self.admin_site.name)

    def _page_of_message(self, request: HttpRequest, queue: str, id: str) -> str:
        """Return the page of a message; '' if this user may not see it."""
        if not self._sees(request, QueueMessage):
            return ""
        return self._at("change", quote(key_of(queue, id)), model=QueueMessage)

    def _sees(self, request: HttpRequest, model: type[Model]) -> bool:
        site = self.admin_site
        return site.is_registered(model) and site.get_model_admin(model).has_view_permission(request)
