"""What became of the runs of each command over a span of time, for pages and the command line."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from . import counters
from .backends.base import BaseQueue
from .conf import settings
from .counters import HOUR, MINUTE, Figures
from .registry import registry


class Span(NamedTuple):
    """A span of time that ends now, and the periods it is told in."""

    seconds: int
    period: int
    """The length of one period in seconds."""


SPANS = {
    "1h": Span(HOUR, MINUTE),
    "24h": Span(24 * HOUR, HOUR),
    "7d": Span(7 * 24 * HOUR, HOUR),
    "30d": Span(30 * 24 * HOUR, HOUR),
}


class CommandFigures(NamedTuple):
    """What became of the runs of one command."""

    command: str
    queue: str
    whole: Figures
    periods: Sequence[Figures]
    """One for each period of the span, the oldest first; the last one is not over."""


def figures_of(queue: BaseQueue, span: Span, now: float | None = None) -> list[CommandFigures] | None:
    """Return the figures of each command that ran on ``queue`` in ``span``, or is declared for it, by name.

    Consumers tell every ten seconds, so the latest runs may be missing. None if ``queue`` has no store: then
    nothing is known. Raises ``BackendError``.
    """
    until = time.time() if now is None else now
    # The period in which the span begins is not whole, and so is left out.
    first = int(until - span.seconds) // span.period * span.period + span.period
    found = counters.read(queue, first, until, span.period)
    if found is None:
        return None
    starts = range(first, int(until) + 1, span.period)
    names = {command for period in found.values() for command in period} | _declared_for(queue)
    nothing = Figures()
    told = list[CommandFigures]()
    for name in sorted(names):
        periods = [found.get(start, {}).get(name, nothing) for start in starts]
        told.append(CommandFigures(name, queue.name, counters.together(periods), periods))
    return told


def _declared_for(queue: BaseQueue) -> set[str]:
    return {command.name for command in registry if (command.queue_name or settings.queue_name) == queue.name}
