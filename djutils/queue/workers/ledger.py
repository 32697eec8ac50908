"""The ledger: what a clock knows of the last runs on one queue, and what follows from it.

``send_once`` alone decides that a minute is enqueued once. The ledger is written after it, so it may be behind by one run if
the consumer that sent it was killed in between. The next clock that tries to send that minute finds that out, and notes the
run: every clock computes the same id for it.
"""

from __future__ import annotations

import logging
from collections.abc import Container, Iterator

from djutils.queue.backends.base import BaseQueue
from djutils.queue.declaring import PeriodicQueueCommand
from djutils.queue.exceptions import InvalidMessage, UnsupportedOption
from djutils.queue.made_schedules import MadeSchedule, unpack
from djutils.queue.schedule import due_minutes, latest_due, run_id, run_key, text_of
from djutils.queue.schedule_records import Records, Remembered, Run

logger = logging.getLogger("djutils.queue.workers.clock")

Planned = PeriodicQueueCommand | MadeSchedule

MOST_CAUGHT_UP = 100
"""Most runs of one schedule that ``misfire="all"`` catches up at once: the latest ones."""


class Ledger:
    """The last runs on ``queue``; one that has no store remembers nothing. Methods raise ``BackendError``."""

    def __init__(self, queue: BaseQueue) -> None:
        self.queue = queue
        self._records = Records(queue.store) if queue.store is not None else None
        self._known = Remembered({}, {}, {})
        self.made: dict[str, MadeSchedule] = {}
        """The schedules that were made at run time, by name."""
        self._unreadable: set[str] = set()
        self.minute = 0
        """The minute at which it was last read."""

    def read(self, declared: dict[str, PeriodicQueueCommand], minute: int) -> dict[str, Planned]:
        """Read what the store knows; return every schedule of the queue by its name, those ``declared`` and those made.

        One that the store does not know, or that was another one or off, begins now.
        """
        planned: dict[str, Planned] = {**declared}
        if self._records is not None:
            self.made = self._read_made(declared)
            planned |= self.made
            self._known = known = self._records.read(planned)
            for name, one in planned.items():
                what, run = self._what(name, one), known.runs.get(name)
                if run is None:
                    known.runs[name] = Run(minute - 1, "", what)
                    self._records.begin(name, known.runs[name])
                elif run.what != what:
                    known.runs[name] = Run(minute - 1, run.id, what)
                    self._records.note(name, known.runs[name])
        self.minute = minute
        return planned

    def is_on(self, name: str, planned: Planned) -> bool:
        """Return whether ``planned`` is to be enqueued: it is enabled or was switched on, and was not removed."""
        is_there = not isinstance(planned, MadeSchedule) or self.made.get(name) == planned
        return is_there and self._known.switches.get(name, planned.enabled)

    def missed(self, name: str, command: Planned) -> Iterator[int]:
        """Yield the minutes before this one that are to be enqueued late."""
        run = self._known.runs.get(name)
        if run is None or not self.is_on(name, command):
            return
        settled, passed = run.minute, self._known.passed.get(name, 0)
        if command.overlap == "queue" and settled < passed < self.minute:
            yield passed
        if command.overlap == "skip":
            settled = max(settled, passed)
        if command.misfire == "skip" or settled >= self.minute - 1:
            return
        most = MOST_CAUGHT_UP if command.misfire == "all" else 1
        found = latest_due(command, settled, self.minute - 1, most + 1)
        if len(found) > most and command.misfire == "all":
            logger.warning(
                "%s was due more than %d times while no consumer ran; the last %d are caught up, and the others are not.",
                name,
                most,
                most,
            )
        yield from found[-most:]

    def is_in_the_way(self, name: str, command: Planned, minute: int, id: str) -> str:
        """Return the id of a run that has not ended and that ``command`` must not overlap; '' if there is none."""
        if command.overlap == "allow" or self._records is None:
            return ""
        run = self._records.read([name]).runs.get(name) or Run(minute)
        # The one after it may have been sent by a consumer that was killed before it could note that.
        known = getattr(command.validate_datetime, "following", None) is not None
        after = next(due_minutes(command, run.minute, minute - 1), None) if known else None
        ids = [run.id] if after is None else [run.id, self.id_of(run_key(name, after), after)]
        return next((one for one in ids if one and one != id and self._goes_on(one)), "")

    def refuse_unsupported(self, name: str, command: Planned) -> None:
        """Raise ``UnsupportedOption`` for a policy that the queue of ``command`` cannot keep."""
        queue = self.queue
        if command.overlap != "allow" and not (self._records and queue.supports_peek):
            raise UnsupportedOption(
                f"{type(queue).__name__} cannot show what waits or runs in it, so overlap={command.overlap!r} of '{name}' "
                f"cannot be kept; nothing was sent. Use DatabaseQueue or RedisQueue, or leave overlap out."
            )
        if command.misfire != "skip" and not self._records:
            raise UnsupportedOption(
                f"{type(queue).__name__} remembers no runs, so misfire={command.misfire!r} of '{name}' cannot be kept; "
                f"nothing was sent. Use DatabaseQueue or RedisQueue, or leave misfire out."
            )

    def note_passed(self, name: str, minute: int) -> None:
        """Note that nothing was sent for ``minute`` because of what ``is_in_the_way``."""
        if self._records is not None and self._known.passed.get(name) != minute:
            self._records.note_passed(name, minute)
            self._known.passed[name] = minute

    def id_of(self, key: str, minute: int) -> str:
        """Return the id of the message for ``key``: the same for every clock."""
        return run_id(self.queue.name, key, minute)

    def _what(self, name: str, planned: Planned) -> str:
        return text_of(planned) if self.is_on(name, planned) else ""

    def _read_made(self, declared: Container[str]) -> dict[str, MadeSchedule]:
        found = {}
        for name, data in self._records.made().items() if self._records else ():
            try:
                if name not in declared:
                    found[name] = unpack(name, self.queue.name, data)
            except InvalidMessage as error:
                if name not in self._unreadable:
                    logger.error("%s", error)
                self._unreadable.add(name)
        return found

    def _goes_on(self, id: str) -> bool:
        return any(one.id == id and one.state != "dead" for one in self.queue.find(id, 1))

    def note(self, name: str, command: Planned, minute: int, id: str) -> None:
        """Note that the run of ``minute`` was sent, by this clock or another one."""
        before = self._known.runs.get(name)
        run = self._known.runs[name] = Run(minute, id, self._what(name, command))
        if self._records is not None and run != before:
            self._records.note(name, run)
