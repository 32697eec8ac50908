"""The page of the lanes: what waits in each, and what holds its places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.http import urlencode
from django.utils.text import capfirst
from django.utils.translation import gettext

from djutils.models import QueueLane
from djutils.queue.backends.lanes import MOST_COUNTED
from djutils.queue.message import LaneSnapshot
from djutils.queue.wording import duration, plain, until, when

from . import asking, showing
from .base import AdminPages
from .showing import Moment

_PER_PAGE = 100


class PlaceTaken(NamedTuple):
    """A message that holds a place."""

    id: str
    url: str


class LaneRow(NamedTuple):
    """A lane in the list."""

    name: str
    waiting: str
    places: str
    """How many of its places are taken."""
    is_full: bool
    rate: str
    opens: Moment | None
    holders: Sequence[PlaceTaken]


@admin.register(QueueLane)
class QueueLaneAdmin(AdminPages):
    """Who waits for whom, to look at: one queue at a time, by the names of its lanes."""

    def get_urls(self) -> list[URLPattern]:
        return [self._path("", self.changelist_view, "changelist")]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show a page of the lanes of a queue, by default the project's own."""
        self._enter_to_look(request)
        known, problem = asking.chosen("")
        names = [queue.name for queue in known]
        name, after = request.GET.get("queue", names[0] if names else ""), request.GET.get("after", "")
        chosen, refused = asking.chosen(name)
        problems, lanes, can_know = [*filter(None, [problem, refused])], list[LaneSnapshot](), True
        for queue in chosen[:1]:
            try:
                lanes, can_know = queue.lanes(after=after, count=_PER_PAGE + 1), queue.supports_lanes
            except Exception as error:  # noqa: BLE001  (a backend may raise anything)
                problems.append(asking.explain(queue.name, error))
        next_page = (
            urlencode({"queue": name, "after": lanes[_PER_PAGE - 1].name}) if len(lanes) > _PER_PAGE else ""
        )
        return self._render(
            request,
            "lanes",
            title=capfirst(self.opts.verbose_name_plural),
            queues=[(one, one == name) for one in names],
            rows=[self._row(request, name, lane) for lane in lanes[:_PER_PAGE]],
            problems=problems,
            can_know=can_know,
            next=next_page,
            first=urlencode({"queue": name}) if after else "",
            **(extra_context or {}),
        )

    def _row(self, request: HttpRequest, queue: str, lane: LaneSnapshot) -> LaneRow:
        holders = [PlaceTaken(plain(id), self._page_of_message(request, queue, id)) for id in lane.holders]
        places = gettext("%(taken)s of %(width)s") % {
            "taken": _counted(lane.admitted),
            "width": showing.number(lane.width),
        }
        rate = gettext("one every %s") % duration(lane.pace) if lane.pace else "-"
        opens = Moment(until(lane.opens), when(lane.opens)) if lane.opens else None
        full = lane.admitted >= lane.width
        return LaneRow(plain(lane.name), _counted(lane.waiting), places, full, rate, opens, holders)


def _counted(number: int) -> str:
    shown = showing.number(number)
    return gettext("%s or more") % shown if number >= MOST_COUNTED else shown
