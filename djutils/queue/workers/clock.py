"""The clock: enqueues each periodic command in the minutes in which it is due.

It counts real minutes, those of UTC: an hour that occurs twice in autumn has 120 of them. The local time
of a minute decides what is due in it. After the clock of the machine was set, the following minutes
are those of the new time, whether or not they have occurred before.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from django.conf import settings as django_settings

from djutils.queue.backends.base import BaseQueue
from djutils.queue.backends.border import border
from djutils.queue.conf import settings
from djutils.queue.crontab import project_zone
from djutils.queue.exceptions import BackendError, BackendUnavailable
from djutils.queue.queue import PeriodicQueueCommand
from djutils.queue.registry import registry
from djutils.queue.sending import pack, send_once

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

    command: PeriodicQueueCommand
    queue: BaseQueue
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
        self._queues = by_name
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
        # Failed ones come last: their effect on the queue must not stop the others.
        for name, due in sorted(self._due.items(), key=lambda item: item[0] in self._failing):
            if due.queue.name in out_of_reach:
                continue
            try:
                self._enqueue(name, due)
            except BackendError as error:
                self._failing.add(name)
                if isinstance(error, BackendUnavailable):
                    out_of_reach[due.queue.name] = error
                elif not due.warned:
                    logger.warning("%s was not enqueued yet; it is retried soon: %s", due.key, error)
                due.warned = True
        if out_of_reach:
            raise next(iter(out_of_reach.values()))

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
                "commands continue with the new time, and what was due in between is not caught up.",
                f"{abs(jump):,.0f}",
            )
        return minute

    def _note(self, minute: int) -> None:
        """Record what is due in ``minute``, and that its keys are used."""
        times = self._times.pop(minute, 0)
        self._times[minute] = times + 1
        if len(self._times) > _DAY:
            del self._times[next(iter(self._times))]
        stamp = datetime.fromtimestamp(minute * _MINUTE, UTC).isoformat(timespec="minutes")
        # The keys of a minute that occurs again are used up; every clock that saw it knows that.
        stamp = f"{stamp} again {times}" if times else stamp
        moment = _local(minute)
        for command_class in registry:
            if issubclass(command_class, PeriodicQueueCommand):
                self._check(command_class, moment, stamp)

    def _check(self, command_class: type[PeriodicQueueCommand], moment: datetime, stamp: str) -> None:
        name = command_class.name
        try:
            command = command_class()
            queue = self._queues.get(command.queue_name or settings.queue_name)
            # The consumer of another queue has its own clock.
            if queue is not None and command.validate_datetime(moment):
                self._due[name] = _Due(command, queue, f"{name} {stamp}")
        except (Exception, SystemExit):
            logger.exception(
                "%s was not enqueued for %s: its validate_datetime failed. The other periodic commands continue.",
                name,
                stamp,
            )

    def _enqueue(self, name: str, due: _Due) -> None:
        """Enqueue ``due`` and remove it; raise ``BackendError`` if the queue did not accept it now."""
        try:
            parcel = pack(due.command, due.queue)
            with border(due.queue):
                sent = send_once(due.queue, due.key, parcel)
        except BackendUnavailable as error:
            raise BackendUnavailable(f"{due.key} was not enqueued yet: {error}") from error
        except BackendError:
            raise
        except Exception:
            logger.exception(
                "%s was not enqueued: it cannot be sent. The other periodic commands continue.", due.key
            )
        else:
            if sent:
                logger.info("%s %s enqueued by the clock", parcel.message.id, name)
        self._failing.discard(name)
        del self._due[name]


def _local(minute: int) -> datetime:
    """Return the local time of ``minute``: aware, or naive if ``USE_TZ`` is False, as in Django."""
    moment = datetime.fromtimestamp(minute * _MINUTE, project_zone())
    return moment if django_settings.USE_TZ else moment.replace(tzinfo=None)
