"""The page of the commands: what became of their runs, how long these took, and how long calls waited, with charts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.http import urlencode
from django.utils.text import capfirst
from django.utils.translation import gettext

from djutils.models import QueueCommandFigure, QueueDeadLetter, QueueMessage
from djutils.queue.backends.base import BaseQueue
from djutils.queue.command_figures import SPANS, CommandFigures, Span, figures_of
from djutils.queue.counters import Figures, together
from djutils.queue.wording import duration, plain

from . import asking, showing
from .base import AdminPages

_TALL = 100.0
_SHORTEST = 4.0


class ChartBar(NamedTuple):
    """A period in a chart: its bar, and the part of it that failed. All numbers are in the units of the drawing."""

    x: int
    top: str
    height: str
    failed_top: str
    failed_height: str


class Chart(NamedTuple):
    """Runs by period."""

    bars: Sequence[ChartBar]
    width: int
    label: str
    """What it shows, in words."""


class CommandRow(NamedTuple):
    """A command in the list."""

    name: str
    parts: Sequence[str]
    """Its name, to be broken between these."""
    queue: str
    messages: str
    """The list of its messages; empty if this user may not see it."""
    letters: str
    runs: str
    failed: str
    died: str
    mean: str
    slow: str
    longest: str
    waited: str
    chart: Chart


class QueueChart(NamedTuple):
    """A queue above the list."""

    name: str
    is_known: bool
    chart: Chart | None
    slow_wait: str


@admin.register(QueueCommandFigure)
class QueueCommandFigureAdmin(AdminPages):
    """What became of the runs of each command, to look at."""

    def get_urls(self) -> list[URLPattern]:
        return [self._path("", self.changelist_view, "changelist")]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show every queue and every command over a span of time."""
        self._enter_to_look(request)
        given = request.GET.get("span", "")
        name = given if given in SPANS else "1h"
        known, problem = asking.chosen("")
        rows, charts, problems = list[CommandRow](), list[QueueChart](), [problem] if problem else []
        for queue in known:
            try:
                found = figures_of(queue, SPANS[name])
            except Exception as error:  # noqa: BLE001  (a backend may raise anything)
                problems.append(asking.explain(queue.name, error))
                continue
            charts.append(_chart_of(queue, found, SPANS[name]))
            rows += [self._row(request, one, SPANS[name]) for one in found or ()]
        return self._render(
            request,
            "figures",
            title=capfirst(self.opts.verbose_name_plural),
            rows=sorted(rows, key=lambda row: (row.name, row.queue)),
            charts=charts,
            problems=problems,
            spans=[(one, one == name) for one in SPANS],
            **(extra_context or {}),
        )

    def _row(self, request: HttpRequest, one: CommandFigures, span: Span) -> CommandRow:
        runs, waits = one.whole.run_time, one.whole.waiting_time
        return CommandRow(
            plain(one.command),
            showing.breakable(plain(one.command)),
            one.queue,
            self._list_of(request, QueueMessage, one),
            self._list_of(request, QueueDeadLetter, one) if one.whole.died else "",
            showing.number(one.whole.runs),
            showing.number(one.whole.failed),
            showing.number(one.whole.died),
            duration(runs.mean),
            duration(runs.percentile(0.95)),
            duration(runs.longest),
            duration(waits.percentile(0.95)),
            chart(one.periods, span),
        )

    def _list_of(self, request: HttpRequest, model: type[Any], one: CommandFigures) -> str:
        if not self._sees(request, model):
            return ""
        return (
            f"{self._at('changelist', model=model)}?{urlencode({'queue': one.queue, 'command': one.command})}"
        )


def chart(periods: Sequence[Figures], span: Span) -> Chart:
    """Return a chart of runs by period; the tallest bar is that of the most runs."""
    most = max((one.runs for one in periods), default=0)
    bars = [_bar(number, one, most) for number, one in enumerate(periods) if one.runs]
    runs, failed = sum(one.runs for one in periods), sum(one.failed for one in periods)
    unit = gettext("a minute") if span.period == 60 else gettext("an hour")
    label = gettext("%(runs)s runs, %(failed)s of them failed; at most %(most)s %(unit)s") % {
        "runs": showing.number(runs),
        "failed": showing.number(failed),
        "most": showing.number(most),
        "unit": unit,
    }
    return Chart(bars, len(periods), label)


def _bar(number: int, one: Figures, most: int) -> ChartBar:
    height = max(_SHORTEST, _TALL * one.runs / most)
    failed = max(_SHORTEST, height * one.failed / one.runs) if one.failed else 0.0
    texts = (f"{value:.1f}" for value in (_TALL - height, height, _TALL - failed, failed))
    return ChartBar(number, *texts)


def _chart_of(queue: BaseQueue, found: Sequence[CommandFigures] | None, span: Span) -> QueueChart:
    if found is None:
        return QueueChart(queue.name, False, None, "")
    by_period = [together(figures) for figures in zip(*(one.periods for one in found), strict=True)]
    waits = together([one.whole for one in found]).waiting_time
    return QueueChart(queue.name, True, chart(by_period, span), duration(waits.percentile(0.95)))
