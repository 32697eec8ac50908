"""The page of the consumers: where they run, since when, and what each of their processes is doing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.text import capfirst
from django.utils.translation import gettext

from djutils.models import QueueConsumer
from djutils.queue.presence import Presence, workers_of
from djutils.queue.wording import duration, plain, seconds_since

from . import asking, showing
from .base import AdminPages
from .showing import Moment


class RunShown(NamedTuple):
    """What a process runs."""

    id: str
    duration: str
    url: str


class WorkerRow(NamedTuple):
    """A worker process in the list."""

    queue: str
    is_present: bool
    host: str
    consumer: str
    pid: str
    since: Moment
    memory: str
    version: str
    running: Sequence[RunShown]
    owner: str


@admin.register(QueueConsumer)
class QueueConsumerAdmin(AdminPages):
    """Who works on the queues, to look at."""

    def get_urls(self) -> list[URLPattern]:
        return [self._path("", self.changelist_view, "changelist")]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show every worker process of every queue; what is wrong comes first, in words."""
        self._enter_to_look(request)
        known, problem = asking.chosen("")
        rows, problems, unknown = list[WorkerRow](), [problem] if problem else [], list[str]()
        for queue in known:
            try:
                found = workers_of(queue)
            except Exception as error:  # noqa: BLE001  (a backend may raise anything)
                problems.append(asking.explain(queue.name, error))
                continue
            if found is None:
                unknown.append(queue.name)
            elif not any(one.is_present for one in found):
                problems.append(gettext("The queue '%s' has no consumer.") % queue.name)
            rows += [self._row(request, queue.name, one) for one in found or ()]
        versions = sorted({row.version for row in rows if row.version})
        if len(versions) > 1:
            problems.append(gettext("Consumers of different versions run: %s.") % "; ".join(versions))
        return self._render(
            request,
            "consumers",
            title=capfirst(self.opts.verbose_name_plural),
            rows=rows,
            problems=problems,
            unknown=unknown,
            **(extra_context or {}),
        )

    def _row(self, request: HttpRequest, queue: str, one: Presence) -> WorkerRow:
        runs = [
            RunShown(
                plain(run.id),
                duration(seconds_since(run.since)),
                self._page_of_message(request, queue, run.id),
            )
            for run in one.running
        ]
        return WorkerRow(
            queue,
            one.is_present,
            plain(one.host),
            str(one.consumer),
            str(one.pid),
            showing.ago(one.since),
            gettext("unknown") if one.memory is None else f"{showing.number(one.memory)} MiB",
            plain(one.version),
            runs,
            f"{one.owner:x}",
        )
