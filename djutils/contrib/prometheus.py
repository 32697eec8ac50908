"""Metrics for Prometheus, by ``prometheus_client``, an optional package: a collector and a view.

All of it is read from the stores when Prometheus asks, so any process of the site gives the same numbers, whether or not a
consumer runs, and nothing has to be shared between processes.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterator, Mapping
from itertools import accumulate
from typing import NamedTuple

from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder

from djutils.queue import counters, schedules
from djutils.queue.backends import queues
from djutils.queue.backends.base import BaseQueue, age_of_oldest, counts_of
from djutils.queue.counters import End, Figures, Times
from djutils.queue.inspecting import known_names
from djutils.queue.pausing import find as find_pause

logger = logging.getLogger("djutils.contrib.prometheus")

LONGEST = 8.0
"""For how many seconds queues are asked: Prometheus waits for 10 unless it is told otherwise."""
BOUNDS = range(10, 33, 2)
"""The upper bounds of the buckets of a histogram, as powers of two of microseconds: from 1 ms to 72 min, each four times the last."""


class _Known(NamedTuple):
    """What the stores know about one queue; None where its backend cannot know."""

    messages: Mapping[str, int | None]
    gauges: Mapping[str, float | None]
    totals: Mapping[str, Figures]


class _Families(NamedTuple):
    """The metrics, by what is asked."""

    up: GaugeMetricFamily
    messages: GaugeMetricFamily
    oldest: GaugeMetricFamily
    workers: GaugeMetricFamily
    paused: GaugeMetricFamily
    overdue: GaugeMetricFamily
    runs: CounterMetricFamily
    run_time: HistogramMetricFamily
    waiting_time: HistogramMetricFamily


class QueueCollector:
    """Collects the metrics of the queues; register it once, in any registry of ``prometheus_client``.

    ``names`` are the queues to ask; by default the default queue, and those that commands or ``QUEUES`` name. They are asked one
    after the other for up to ``longest`` seconds; a queue that was not asked by then, or that cannot be asked, has
    ``djutils_queue_up`` 0 and no other number. Nothing is raised: the reason is logged.
    """

    def __init__(self, names: Collection[str] | None = None, longest: float = LONGEST) -> None:
        self._names = names
        self._longest = longest

    def describe(self) -> Iterator[Metric]:
        """Yield the metrics without numbers, so that registering the collector asks no store."""
        yield from _families()

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of all queues."""
        families = _families()
        end = time.monotonic() + self._longest
        for name in known_names() if self._names is None else self._names:
            try:
                if time.monotonic() >= end:
                    raise TimeoutError(f"the queues before it took longer than {self._longest:g} s.")
                known = _ask(queues[name])
            except Exception as error:  # noqa: BLE001  (a backend may raise anything, and the other queues can be asked)
                families.up.add_metric([name], 0)
                logger.warning(
                    "The queue '%s' could not be asked for its metrics and has none in this scrape: %s: %s",
                    name,
                    type(error).__name__,
                    error,
                )
            else:
                families.up.add_metric([name], 1)
                _add(families, name, known)
        yield from families


@non_atomic_requests
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Return the metrics of all queues in the format that the request accepts: the text format, or OpenMetrics.

    It checks no permission: put it where only Prometheus gets. Its status is 200 also if no queue could be asked.
    """
    registry = CollectorRegistry()
    registry.register(QueueCollector())
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(registry), content_type=content_type)


def _families() -> _Families:
    queue, command = ["queue"], ["queue", "command"]
    gauge, histogram = GaugeMetricFamily, HistogramMetricFamily
    return _Families(
        gauge("djutils_queue_up", "Whether the queue could be asked (1) or not (0).", labels=queue),
        gauge("djutils_queue_messages", "Messages in each state.", labels=["queue", "state"]),
        gauge(
            "djutils_queue_oldest_age_seconds",
            "Seconds since the oldest message that is due was sent; 0 if none is due.",
            labels=queue,
        ),
        gauge(
            "djutils_queue_workers", "Worker processes that are registered, on all machines.", labels=queue
        ),
        gauge("djutils_queue_paused", "Whether the queue is paused (1) or not (0).", labels=queue),
        gauge("djutils_queue_schedules_overdue", "Schedules that did not run when due.", labels=queue),
        CounterMetricFamily(
            "djutils_command_runs", "Runs of commands, by how they ended.", labels=[*command, "end"]
        ),
        histogram("djutils_command_run_seconds", "How long runs of commands took.", labels=command),
        histogram(
            "djutils_command_wait_seconds",
            "How long calls that were due waited for their first run.",
            labels=command,
        ),
    )


def _ask(queue: BaseQueue) -> _Known:
    """Return all that is known, or raise: a part of it would be taken for the whole."""
    counts = counts_of(queue)
    in_lanes = counts.pop("waiting")
    pause = find_pause(queue)
    gauges = {
        "oldest": age_of_oldest(queue),
        "workers": len(queue.owners()) if queue.supports_leases else None,
        "paused": None if queue.store is None else pause is not None,
        "overdue": None if queue.store is None else len(schedules.overdue(queue.name)),
    }
    messages = {**counts, "in_lane": in_lanes if queue.supports_lanes else None}
    return _Known(messages, gauges, counters.read_total(queue) or {})


def _add(families: _Families, name: str, known: _Known) -> None:
    for state, number in known.messages.items():
        if number is not None:
            families.messages.add_metric([name, state], number)
    for field, value in known.gauges.items():
        if value is not None:
            getattr(families, field).add_metric([name], value)
    for command, figures in sorted(known.totals.items()):
        for end in End:
            families.runs.add_metric([name, command, end.name.lower()], figures.numbers[end])
        families.run_time.add_metric([name, command], *_histogram(figures.run_time))
        families.waiting_time.add_metric([name, command], *_histogram(figures.waiting_time))


def _histogram(times: Times) -> tuple[list[tuple[str, float]], float]:
    """Return how many took no longer than each bound, with those that are longer than all, and the sum in seconds."""
    so_far = [*accumulate(times.buckets)]
    bounds = [(f"{2**bound / 1e6:.15g}", float(so_far[bound])) for bound in BOUNDS]
    return [*bounds, ("+Inf", float(so_far[-1]))], times.total
