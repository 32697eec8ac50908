"""The clock: enqueues each periodic command in the minutes in which it is due.

It counts real minutes, those of UTC: an hour that occurs twice in autumn has 120 of them. The local time
of a minute decides what is due in it. After the clock of the machine was set, the following minutes
are those of the new time, whether or not they have occurred before.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import dataclass
from typing import Any

from djutils.queue.backends.base import BaseQueue
from djutils.queue.backends.border import border
from djutils.queue.command import Command
from djutils.queue.conf import settings
from djutils.queue.exceptions import BackendError, BackendUnavailable
from djutils.queue.made_schedules import MadeSchedule
from djutils.queue.queue import PeriodicQueueCommand
from djutils.queue.registry import registry
from djutils.queue.schedule import local_time, matches, run_key, spread
from djutils.queue.sending import pack
from djutils.queue.sending_unique import send_once

from .ledger import Ledger, Planned

logger = logging.getLogger("djutils.queue.workers.clock")

_MINUTE = 60
_LOOK_EVERY = 5.0
_JUMP = 60.0
_MOST_LATE = 60
_DAY = 24 * 60


def _time_of_day() -> float:
    return time.time()  # looked up at each call, so that a test can change the time of the whole process


@dataclass
class _Due:
    """A command that is due to be enqueued for a minute."""

    name: str
    planned: Planned
    queue: BaseQueue
    minute: int
    key: str
    warned: bool = False


class Clock:
    """Enqueues each periodic command of ``queues`` in the minutes in which it is due.

    ``now`` returns the seconds since 1970, which jump when the machine's clock is set; ``monotonic``
    returns seconds that never jump.
    """

    def __init__(
        self,
        by_name: Mapping[str, BaseQueue],
        now: Callable[[], float] = _time_of_day,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledgers = {name: Ledger(queue) for name, queue in by_name.items()}
        self._now = now
        self._monotonic = monotonic
        self._looked = now(), monotonic()
        # The current minute is checked as well: queues that keep keys accept it only once.
        self._last = int(now()) // _MINUTE - 1
        self._times: dict[int, int] = {}
        self._due: dict[str, _Due] = {}
        self._failing: set[str] = set()

    def seconds_left(self) -> float:
        """Return the seconds until ``tick`` must be called again; 0 or less if that is overdue.

        It is never long: the clock of the machine may be set, or the machine suspended, meanwhile.
        """
        now, looked = self._now(), self._looked[1]
        return min((self._last + 1) * _MINUTE - now, looked + _LOOK_EVERY - self._monotonic())

    def tick(self) -> None:
        """Enqueue what is due and not yet enqueued, each once.

        A command that a queue does not accept now is left for the next tick; one that can never be sent is logged
        and dropped. Neither stops the other commands. Raises ``BackendUnavailable``, after all others were
        tried, if a queue was out of reach.
        """
        self.look()
        out_of_reach: dict[str, BackendUnavailable] = {}
        for ledger in self._ledgers.values():
            if ledger.minute != self._last:
                with _noted(ledger.queue, out_of_reach):
                    self._catch_up(ledger)
        # Failed ones come last: their effect on the queue must not stop the others. Of one command the earliest is first.
        waiting = sorted(self._due.items(), key=lambda item: (item[1].name in self._failing, item[1].minute))
        for slot, due in waiting:
            if due.queue.name not in out_of_reach:
                self._try(slot, due, out_of_reach)
        if out_of_reach:
            raise next(iter(out_of_reach.values()))

    def _try(self, slot: str, due: _Due, out_of_reach: dict[str, BackendUnavailable]) -> None:
        if not self._ledgers[due.queue.name].is_on(due.name, due.planned):
            del self._due[slot]
            return
        try:
            self._enqueue(slot, due)
        except BackendError as error:
            self._failing.add(due.name)
            if isinstance(error, BackendUnavailable):
                out_of_reach[due.queue.name] = error
            elif not due.warned:
                logger.warning("%s was not enqueued yet; it is retried soon: %s", due.key, error)
            due.warned = True

    def look(self) -> None:
        """Record what was due in the minutes since the last look, once per command.

        A minute that passed while the process was busy is checked late; one that the machine slept
        through, or skipped because the clock was set, is not checked.
        """
        minute = self._follow()
        for number in range(max(self._last + 1, minute - _MOST_LATE), minute + 1):
            self._note(number)
        self._last = max(self._last, minute)

    def _follow(self) -> int:
        """Return the current minute; if the clock was set, log that and start from there."""
        (wall, passed), (now, ticks) = self._looked, (self._now(), self._monotonic())
        self._looked = now, ticks
        jump = (now - wall) - (ticks - passed)
        minute = int(now) // _MINUTE
        if abs(jump) >= _JUMP:
            self._last = minute - 1
            logger.warning(
                "The clock of this machine jumped back by %s s; periodic commands continue with the new time, "
                "also in minutes that occur a second time."
                if jump < 0
                else "The clock of this machine jumped forward by %s s, or the machine slept; periodic "
                "commands continue with the new time, and what was due in between is caught up only where misfire says so.",
                f"{abs(jump):,.0f}",
            )
        return minute

    def _note(self, minute: int) -> None:
        """Record what is due in ``minute``, and that its keys are used."""
        times = self._times.pop(minute, 0)
        self._times[minute] = times + 1
        if len(self._times) > _DAY:
            del self._times[next(iter(self._times))]
        # The keys of a minute that occurs again are used up; every clock that saw it knows that.
        again = f" again {times}" if times else ""
        for name in self._names():
            stamp = run_key(name, minute).removeprefix(f"{name} ") + again
            with _isolated(f"{name} was not enqueued for {stamp}: its validate_datetime failed"):
                command, ledger = self._declared(name)
                if ledger is not None:
                    self._check(name, command, ledger, minute, again)
        for ledger in self._ledgers.values():
            for name, made in ledger.made.items():
                self._check(name, made, ledger, minute, again)

    def _catch_up(self, ledger: Ledger) -> None:
        """Read the ledger for this minute, and record what is to be enqueued late."""
        declared, before = {}, ledger.made
        for name in self._names():
            with suppress(Exception, SystemExit):  # one that cannot be made was logged when it was looked at
                command, its_own = self._declared(name)
                if its_own is ledger:
                    declared[name] = command
        for name, one in ledger.read(declared, self._last).items():
            with _isolated(f"What {name} has missed is not caught up: its validate_datetime failed"):
                if isinstance(one, MadeSchedule) and before.get(name) != one:
                    self._check(name, one, ledger, self._last)
                missed = [minute for minute in ledger.missed(name, one) if minute not in self._times]
                for minute in missed:
                    self._add(name, one, ledger, minute, is_late=True)

    def _names(self) -> list[str]:
        return [one.name for one in registry if issubclass(one, PeriodicQueueCommand)]

    def _declared(self, name: str) -> tuple[PeriodicQueueCommand, Ledger | None]:
        """Return the command of that name and the ledger of its queue: None if another consumer empties that one."""
        command: Any = registry.get_class(name)()
        return command, self._ledgers.get(command.queue_name or settings.queue_name)

    def _check(self, name: str, planned: Planned, ledger: Ledger, minute: int, again: str = "") -> None:
        """Record ``planned`` if it is due in ``minute``; whether it is on is asked when it is enqueued."""
        if minute > getattr(planned, "since", 0) and matches(planned, local_time(minute, None)):
            self._add(name, planned, ledger, minute, again)

    def _add(
        self,
        name: str,
        planned: Planned,
        ledger: Ledger,
        minute: int,
        again: str = "",
        *,
        is_late: bool = False,
    ) -> None:
        key = f"{run_key(name, minute)}{again}"
        each = planned.misfire == "all" and planned.overlap != "queue"
        slot = key if each else name
        if not (is_late and slot in self._due):
            self._due[slot] = _Due(name, planned, ledger.queue, minute, key)

    def _enqueue(self, slot: str, due: _Due) -> None:
        """Enqueue ``due`` and remove it; raise ``BackendError`` if the queue did not accept it now."""
        name, planned, ledger = due.name, due.planned, self._ledgers[due.queue.name]
        id = ledger.id_of(due.key, due.minute)
        try:
            ledger.refuse_unsupported(name, planned)
            parcel = pack(_call_of(due), due.queue, id=id)
            with border(due.queue):
                if before := ledger.is_in_the_way(name, planned, due.minute, id):
                    self._pass(slot, due, before)
                    return
                if send_once(due.queue, due.key, parcel):
                    logger.info("%s %s enqueued by the clock", id, name)
                ledger.note(name, planned, due.minute, id)
        except BackendUnavailable as error:
            raise BackendUnavailable(f"{due.key} was not enqueued yet: {error}") from error
        except BackendError:
            raise
        except Exception:
            logger.exception(
                "%s was not enqueued: it cannot be sent. The other periodic commands continue.", due.key
            )
        self._failing.discard(name)
        del self._due[slot]

    def _pass(self, slot: str, due: _Due, before: str) -> None:
        """Do not enqueue ``due`` now: its last run, ``before``, has not ended."""
        waits = due.planned.overlap == "queue"
        self._ledgers[due.queue.name].note_passed(due.name, due.minute)
        if not due.warned:
            then = "it is enqueued when that has ended" if waits else "this run is left out"
            logger.info("%s was not enqueued: its last run, %s, has not ended; %s.", due.key, before, then)
        due.warned = True
        if not waits:
            del self._due[slot]


def _call_of(due: _Due) -> Command:
    command = due.planned.call() if isinstance(due.planned, MadeSchedule) else due.planned
    if wait := spread(due.key, due.planned.jitter):
        command = copy(command)
        command.run_after = wait
    return command


@contextmanager
def _noted(queue: BaseQueue, out_of_reach: dict[str, BackendUnavailable]) -> Iterator[None]:
    """Note a queue that is out of reach, and go on."""
    try:
        with border(queue):
            yield
    except BackendUnavailable as error:
        out_of_reach[queue.name] = error


@contextmanager
def _isolated(text: str) -> Iterator[None]:
    """Log what the project's code raises: the other periodic commands continue."""
    try:
        yield
    except BackendError:
        raise
    except (Exception, SystemExit):
        logger.exception("%s. The other periodic commands continue.", text)
