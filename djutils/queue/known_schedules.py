"""What is known of one schedule: when it runs, what has become of its last run, and whether one is overdue."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from .backends import queues
from .backends.base import BaseQueue
from .conf import settings
from .declaring import PeriodicQueueCommand
from .exceptions import MessageError, ResultNotFound, ResultNotKept
from .made_schedules import MadeSchedule
from .message import Snapshot, StateName, make
from .reading import look
from .record import ResultStatus
from .results import Result
from .schedule import (
    MINUTE,
    Misfire,
    Overlap,
    due_minutes,
    latest_due,
    run_id,
    run_key,
    text_of,
    upcoming,
)
from .schedule_records import Remembered

_YEAR = 366 * 24 * 60
_WAITING = {"ready", "delayed", "waiting"}
_IN_QUEUE: dict[StateName, ResultStatus] = {
    "ready": ResultStatus.READY,
    "delayed": ResultStatus.READY,
    "waiting": ResultStatus.READY,
    "leased": ResultStatus.RUNNING,
    "dead": ResultStatus.FAILED,
}


class Schedule(NamedTuple):
    """What is known of one schedule."""

    name: str
    """Its name; that of a periodic command is the name of the command."""
    command: str
    """The name of the command that it enqueues; '?' if this site cannot read what is kept of it."""
    queue_name: str
    rule: str
    """When it is due, as text for people."""
    time_zone: str | None
    """None: ``TIME_ZONE``."""
    enabled: bool
    made: bool
    """Whether it was made at run time, and can be removed."""
    misfire: Misfire
    overlap: Overlap
    last_run: datetime | None
    """The minute in which its last run was due, in UTC; None if no run is known."""
    last_result: Result | None
    """The handle of the message that was sent then."""
    planned: PeriodicQueueCommand | MadeSchedule
    """The schedule itself."""
    settled: int | None
    """The minute, as the number since the beginning of 1970, until which its runs are known to be settled; None: unknown."""

    def next(self, count: int = 1) -> list[datetime]:
        """Return up to ``count`` of its next moments, in its time zone; none if it is switched off or over.

        Of a function of the project's own only those of the next day are known.
        """
        now = int(time.time()) // MINUTE
        return upcoming(self.planned, now, count) if self.enabled else []

    def overdue_since(self) -> datetime | None:
        """Return when it was due and did not run, if that is longer ago than ``QUEUE_SCHEDULE_GRACE``; else None.

        A run that was enqueued and waits for its first attempt did not run. What a policy left out has not to run, and of a
        schedule that no consumer has seen yet nothing is known. Raises ``BackendError``.
        """
        if (grace := settings.QUEUE_SCHEDULE_GRACE) is None or self.settled is None or not self.enabled:
            return None
        seconds = grace.total_seconds() if isinstance(grace, timedelta) else grace
        until = int(time.time() - seconds) // MINUTE
        minute = next(due_minutes(self.planned, self.settled, until), None)
        if minute is None:
            minute = self._waits_since(until)
        return None if minute is None else datetime.fromtimestamp(minute * MINUTE, UTC)

    def last_status(self) -> ResultStatus | None:
        """Return what has become of its last run; None if there was none, or it has ended and its command keeps no results.

        One that a worker was lent counts as RUNNING. Raises ``BackendError``, and ``InvalidMessage`` for a record that was
        not signed by us.
        """
        if self.last_result is None:
            return None
        queue, id = queues[self.queue_name], self.last_result.id
        if (snapshot := _in_queue(queue, id)) is not None:
            return _IN_QUEUE[snapshot.state]
        try:
            return look(queue, id).status
        except (ResultNotFound, ResultNotKept):
            return None

    def _waits_since(self, until: int) -> int | None:
        """Return the minute of the last run that was due in ``until`` or before, if that run waits for its first attempt."""
        jitter = self.planned.jitter or 0
        longest = jitter.total_seconds() if isinstance(jitter, timedelta) else jitter
        until -= math.ceil(longest / MINUTE)
        # Each clock computes the same id for a minute, so that any run of it can be found, not only the last one.
        for minute in latest_due(self.planned, until - _YEAR, until, 1):
            id = run_id(self.queue_name, run_key(self.name, minute), minute)
            one = _in_queue(queues[self.queue_name], id)
            if one and one.state in _WAITING and not one.attempts + one.crashes + one.redeliveries:
                return minute
        return None


def described(
    queue: BaseQueue, name: str, one: PeriodicQueueCommand | MadeSchedule, known: Remembered
) -> Schedule:
    """Return what is known of the schedule ``one``, with what the store of its ``queue`` remembers."""
    run = known.runs.get(name)
    last = run if run is not None and run.id else None
    command = name
    if isinstance(one, MadeSchedule):
        try:
            command = one.command
        except MessageError:
            command = "?"
    return Schedule(
        name,
        command,
        queue.name,
        text_of(one),
        one.time_zone,
        known.switches.get(name, one.enabled),
        isinstance(one, MadeSchedule),
        one.misfire,
        one.overlap,
        datetime.fromtimestamp(last.minute * MINUTE, UTC) if last else None,
        make(Result, (last.id, command, queue.name)) if last else None,
        one,
        max(run.minute, known.passed.get(name, 0)) if run and run.what == text_of(one) else None,
    )


def _in_queue(queue: BaseQueue, id: str) -> Snapshot | None:
    return next((one for one in queue.find(id, 1) if one.id == id), None)
