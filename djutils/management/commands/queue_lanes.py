"""``manage.py queue_lanes``: who waits for whom."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError

from djutils.management.showing import TakesIds
from djutils.queue.backends.base import BaseQueue
from djutils.queue.backends.lanes import MOST_COUNTED
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.exceptions import QueueException
from djutils.queue.inspecting import known_queues
from djutils.queue.message import LaneSnapshot
from djutils.queue.wording import plain, until, when

_AT_ONCE = 100
_MOST = 10_000
"""How many lanes of a queue to look at."""


class Command(TakesIds):
    """Shows the lanes in which messages wait or hold a place. Nothing is taken or changed."""

    help = "List the lanes in which messages wait or run, those in which most wait first. Nothing is changed."

    def add_arguments(self, parser: CommandParser) -> None:
        add = parser.add_argument
        add("-q", "--queue", help="the queue (the default queue, and those that the project's commands name)")
        add("--count", type=int, default=100, metavar="N", help="list at most N (%(default)s)")
        add("--format", choices=("text", "json"), default="text", help="for people or for programs (text)")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["count"] < 1:
            raise CommandError("--count: must be at least 1.")
        try:
            chosen = known_queues(options["queue"])
            if self.is_alone() and isinstance(chosen[0], MemoryQueue):
                raise CommandError("MemoryQueue: only the process that made the messages can see them.")
            found, cut = _found(chosen)
        except (QueueException, DatabaseError) as error:
            raise CommandError(f"{type(error).__name__}: {error}") from error
        shown = found[: options["count"]]
        more = bool(cut) or len(shown) < len(found)
        if options["format"] == "json":
            self.write_json({"lanes": [_as_json(queue, lane) for queue, lane in shown], "more": more})
            return
        self._write(shown, len(chosen) > 1)
        if len(shown) < len(found):
            self.stdout.write(f"... and {len(found) - len(shown)} more; --count shows more.")
        for queue in cut:
            self.stdout.write(
                f"The queue '{queue.name}' has more than {_MOST:,} lanes; the others were not looked at."
            )

    def _write(self, shown: Sequence[tuple[BaseQueue, LaneSnapshot]], with_queue: bool) -> None:
        if not shown:
            self.stdout.write("Nothing waits or runs in a lane.")
            return
        rows: list[tuple[str, ...]] = [("LANE", "QUEUE", "WAITING", "ADMITTED", "PACE", "OPENS", "HELD BY")]
        rows += [_row(queue, lane) for queue, lane in shown]
        self.write_table(rows if with_queue else [(*row[:1], *row[2:]) for row in rows])


def _found(chosen: Sequence[BaseQueue]) -> tuple[list[tuple[BaseQueue, LaneSnapshot]], list[BaseQueue]]:
    """Return the lanes of all queues, those in which most wait first, and the queues that have still more."""
    found: list[tuple[BaseQueue, LaneSnapshot]] = []
    cut: list[BaseQueue] = []
    for queue in chosen:
        lanes: list[LaneSnapshot] = []
        while page := queue.lanes(after=lanes[-1].name if lanes else "", count=_AT_ONCE):
            lanes += page
            if len(lanes) >= _MOST:
                cut.append(queue)
                break
        found += [(queue, lane) for lane in lanes]
    return sorted(found, key=lambda one: (-one[1].waiting, -one[1].admitted)), cut


def _row(queue: BaseQueue, lane: LaneSnapshot) -> tuple[str, ...]:
    first, *others = lane.holders or ("",)
    return (
        plain(lane.name),
        queue.name,
        _number(lane.waiting),
        f"{_number(lane.admitted)} of {lane.width}",
        f"one in {lane.pace:g} s" if lane.pace else "",
        f"{when(lane.opens)} ({until(lane.opens)})" if lane.opens else "",
        f"{first} and {lane.admitted - 1} more" if others else first,
    )


def _number(count: int) -> str:
    return f"{count}" if count < MOST_COUNTED else f"{count} or more"


def _as_json(queue: BaseQueue, lane: LaneSnapshot) -> dict[str, Any]:
    return {
        "name": lane.name,
        "queue": queue.name,
        "waiting": lane.waiting,
        "admitted": lane.admitted,
        "holders": list(lane.holders),
        "width": lane.width,
        "pace": lane.pace or None,
        "burst": lane.burst,
        "opens_at": lane.opens.astimezone(UTC).isoformat() if lane.opens else None,
    }
