"""Dead letters by cause: the same command, the same kind of error, from the same line of the project."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from .backends.base import BaseQueue
from .inspecting import Budget, Found, Sought, Walk

MOST = 10_000
"""How many dead letters of a queue are looked at, the newest first."""
SECONDS = 4.0
_FRAME = re.compile(r'^ *File "([^"]*)", line (\d+), in (\S+)', re.MULTILINE)
_NOT_THE_PROJECT = ("site-packages/", "dist-packages/", "/lib/python", "djutils/queue/", "<")
_LONGEST_KIND = 100
_SPANS = (timedelta(hours=1), timedelta(days=1), timedelta(days=7))


class DeadGroup(NamedTuple):
    """Dead letters of one cause."""

    queue: str
    command: str
    kind: str
    """The class of the exception, or how the process died."""
    line: str
    """The last line of the project in the traceback, such as ``shop/mail.py:12 in send``; empty if there is none."""
    size: int
    recent: tuple[int, int, int]
    """How many of them died within the last hour, day, and seven days."""
    newest: Found


class DeadGroups(NamedTuple):
    """The dead letters of a queue by cause, those with the most first."""

    groups: list[DeadGroup]
    is_cut: bool
    """Whether there are more dead letters than were looked at."""


def dead_groups(queue: BaseQueue, now: datetime | None = None) -> DeadGroups:
    """Return the newest dead letters of ``queue`` by cause; at most ``MOST`` are looked at, for about four seconds.

    Raises ``BackendError``.
    """
    walk = Walk(queue, "dead", Sought(), Budget(MOST, SECONDS), newest=True, at_once=MOST)
    moment = now or datetime.now(UTC)
    of_cause: dict[tuple[str, str, str], list[Found]] = {}
    for found in walk:
        of_cause.setdefault((found.command, *cause_of(found.snapshot.error)), []).append(found)
    groups = [
        DeadGroup(queue.name, *cause, len(those), _recent(those, moment), those[0])
        for cause, those in of_cause.items()
    ]
    return DeadGroups(sorted(groups, key=lambda group: -group.size), walk.gave_up)


def cause_of(error: str) -> tuple[str, str]:
    """Return the kind of an error as it is kept with a message, and the line of the project that it came from."""
    headline = error.partition("\n")[0]
    kind = re.split(r"[:;]", headline, maxsplit=1)[0].strip()[:_LONGEST_KIND]
    frames = _FRAME.findall(error)
    own = [frame for frame in frames if not any(part in frame[0] for part in _NOT_THE_PROJECT)]
    if not own:
        return kind, ""
    path, number, name = own[-1]
    return kind, f"{'/'.join(path.split('/')[-2:])}:{number} in {name}"


def _recent(those: Sequence[Found], now: datetime) -> tuple[int, int, int]:
    """Return how many died within each span; of one without a moment that is not known, and it counts as older."""
    died = [found.snapshot.died for found in those if found.snapshot.died]
    hour, day, week = (sum(now - moment <= span for moment in died) for span in _SPANS)
    return hour, day, week
