"""The message that is being run, as seen by the command itself: ``current_message()``."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from datetime import datetime
from typing import NamedTuple, Protocol

from .backends.leased import LeasedQueue
from .message import Delivery, Message


class Watchdog(Protocol):
    """What a run and its consumer tell each other; a board's slot is one."""

    def must_end(self, deadline: float) -> None:
        """Record when the running command must have ended, by the monotonic clock; 0: no limit."""

    def report(self, id: str, done: int, total: int | None, note: str) -> None:
        """Record how far the running command ``id`` is."""

    def is_asked_to_end(self, id: str) -> bool:
        """Return whether the running command ``id`` was cancelled."""


class Lease(NamedTuple):
    """The lease of a running message: an owner on a queue."""

    queue: LeasedQueue
    owner: int


class Running(NamedTuple):
    """One run in this thread or coroutine."""

    message: Message
    delivery: Delivery
    lease: Lease | None = None
    """None where there is no lease: in eager mode, and on a queue with four methods."""
    watchdog: Watchdog | None = None
    awaited: bool = False
    """Whether it is a coroutine in a worker's event loop, beside others in the same thread."""
    began: float = 0.0
    """By ``time.perf_counter()``."""


running: ContextVar[Running | None] = ContextVar("djutils_running", default=None)
"""The run in this thread or coroutine."""


def run_here() -> Running:
    """Return the run in this thread or coroutine; raise ``LookupError`` if there is none."""
    run = running.get()
    if run is None:
        raise LookupError("No command is running here.")
    return run


class CurrentMessage:
    """The message that is being run, for the command itself."""

    def __init__(self, run: Running) -> None:
        self._run = run

    @property
    def id(self) -> str:
        """The id that the call returned."""
        return self._run.message.id

    @property
    def queue_name(self) -> str:
        """The queue it came from."""
        return self._run.message.queue

    @property
    def attempt(self) -> int:
        """Which run this is (first = 1); interrupted runs are not counted."""
        return self._run.message.attempt + self._run.delivery.attempts

    @property
    def enqueued_at(self) -> datetime:
        """When it was enqueued."""
        return self._run.message.enqueued_at

    @property
    def fencing_token(self) -> int:
        """A number that grows whenever the message is taken from a worker that may still be alive.

        Store it with the data that the command changes elsewhere, and reject a smaller number there: then a
        worker that was frozen and wakes up cannot overwrite the work of its successor (Martin Kleppmann,
        'How to do distributed locking', 2016).
        """
        return self.attempt + self._run.delivery.crashes + self._run.delivery.redeliveries

    @property
    def cancelled(self) -> bool:
        """Whether a caller has cancelled this call; known within a second or two, of a run that has lasted for a second.

        A long command looks now and then, and ends with an exception, whichever it likes: its call is then CANCELLED, and
        not retried. If it returns, its call is SUCCESSFUL.
        """
        watchdog = self._run.watchdog
        return watchdog is not None and watchdog.is_asked_to_end(self.id)

    def still_ours(self) -> bool:
        """Ask the backend whether the message is still lent to this worker.

        Return False if this worker was silent for longer than the lease: the command is running elsewhere
        by now. Return True where there are no leases. Raises ``BackendUnavailable`` if the backend cannot be reached.
        """
        lease = self._run.lease
        return lease is None or self.id in lease.queue.held(lease.owner, [self.id])


def current_message() -> CurrentMessage | None:
    """Return the message that is being run here; None outside a run, as in ``fn.call()``."""
    run = running.get()
    return None if run is None else CurrentMessage(run)


class WithCommand(logging.Filter):
    """A filter for a project's LOGGING that drops nothing: it adds to each record which command logged it.

    Formatters can then use ``command_id`` and ``command``, its name; both are ``-`` outside a command.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add both attributes to ``record``."""
        run = running.get()
        record.command_id = run.message.id if run else "-"
        record.command = run.message.command if run else "-"
        return True
