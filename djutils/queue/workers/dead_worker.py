"""What a dead worker process leaves behind: its messages are acked, given back or charged."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from djutils.queue.backends.channel import LeasedChannel, Settled
from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.backends.texts import reap
from djutils.queue.cancelling import cancelled_among
from djutils.queue.current import Lease
from djutils.queue.exceptions import BackendUnavailable, TimeLimitExceeded
from djutils.queue.executor import Executor
from djutils.queue.message import ACKED, Delivery

from .lost_runs import note_lost_runs
from .settling import Settling
from .worker import Died

logger = logging.getLogger("djutils.queue.workers.reclaiming")

_OVERDUE = "It did not end within its time limit, and its process was killed."


class DeadWorker:
    """One dead worker process on one queue: ack what it finished, charge what it was running, give back the rest.

    ``settle()`` may be called again after an error; what was settled stays settled.
    """

    def __init__(self, died: Died, name: str) -> None:
        self._owner = died.owners[name]
        self._done = died.done.get(name, [])
        self._overdue = died.overdue.get(name, [])
        self._reasons = dict.fromkeys(died.running.get(name, []), died.reason)
        self._headline = died.reason.partition("\n")[0] or "stopped"
        self._name = name
        self._settling: Settling | None = None

    def settle(self, queue: LeasedQueue) -> None:
        """Settle everything lent to the dead process. Raises ``BackendError`` if the store does not respond."""
        channel = queue.channel(self._owner)
        if self._settling is None:
            waiting = [*self._acks(), *self._failures(queue, channel)]
            self._settling = Settling()
            self._settling.waiting += waiting
        self._settling.carry_out(channel)
        if self._settling.may_still_pass:
            raise BackendUnavailable(f"Messages that a dead worker of {self._name} held seem to be locked.")
        self._reasons |= self._settling.finally_refused(channel)
        note_lost_runs(queue, [*self._reasons, *self._overdue])
        back = reap(queue, self._owner, self._reasons)
        if back or self._done:
            logger.warning(
                "A worker of queue %s is gone: %d messages acked for it, %d given back, %d of them "
                "were running (%s).",
                self._name,
                len(self._done),
                back,
                len(self._reasons),
                self._headline,
            )

    def _acks(self) -> Iterator[Settled]:
        return ((Delivery(id, b""), ACKED) for id in self._done)

    def _failures(self, queue: LeasedQueue, channel: LeasedChannel) -> Iterator[Settled]:
        """Yield the outcomes of overdue commands: a time limit is a failed attempt, or none with ``resume()``, but no crash."""
        if not self._overdue:
            return
        executor = Executor(self._name, lease=Lease(queue, self._owner))
        cancelled = cancelled_among(queue, self._overdue)
        for delivery in channel.adopt(()):
            if delivery.id not in self._overdue:
                continue
            try:
                if delivery.id in cancelled:
                    yield delivery, executor.cancelled(delivery)
                else:
                    yield delivery, executor.overrun(delivery, TimeLimitExceeded(_OVERDUE))
            except Exception:  # an unknown command, or a retry policy that raises
                logger.exception("%s exceeded its time limit; it is charged with a crash.", delivery.id)
                self._reasons[delivery.id] = _OVERDUE
