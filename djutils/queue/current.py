"""The message that is being run, as seen from inside the command: ``current_message()``."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from datetime import datetime
from typing import NamedTuple, Protocol

from .backends.base import LeasedQueue
from .message import Delivery, Message


class Pad(Protocol):
    """Where a thread notes what whoever watches its process must know."""

    def must_end(self, deadline: float) -> None:
        """Note when what runs must have ended, by the monotonic clock; 0: whenever it likes."""


class Lease(NamedTuple):
    """Who holds what runs: an owner on a queue."""

    queue: LeasedQueue
    owner: int


class Running(NamedTuple):
    """One run in this thread or coroutine."""

    message: Message
    delivery: Delivery
    lease: Lease | None = None
    """None where nothing was lent: in eager mode, and on a queue of four methods."""
    pad: Pad | None = None


running: ContextVar[Running | None] = ContextVar("djutils_running", default=None)
"""What this thread or coroutine runs."""


class CurrentMessage:
    """The message that is being run, for the command itself."""

    def __init__(self, run: Running) -> None:
        self._run = run

    @property
    def id(self) -> str:
        """The id that the call answered."""
        return self._run.message.id

    @property
    def queue_name(self) -> str:
        """The queue it came from."""
        return self._run.message.queue

    @property
    def attempt(self) -> int:
        """The how-manieth run this is, first = 1; runs that were cut short are not counted."""
        return self._run.message.attempt + self._run.delivery.attempts

    @property
    def enqueued_at(self) -> datetime:
        """When it was enqueued."""
        return self._run.message.enqueued_at

    @property
    def fencing_token(self) -> int:
        """A number that grows whenever the message is taken from a worker that may still be alive.

        Write it beside what the command changes elsewhere, and refuse a smaller one there: then a
        worker that was frozen and wakes up cannot undo what its successor did (Martin Kleppmann,
        'How to do distributed locking', 2016).
        """
        return self.attempt + self._run.delivery.crashes + self._run.delivery.redeliveries

    def still_ours(self) -> bool:
        """Ask the backend whether the message is still lent to this worker.

        False after this worker was silent for longer than the lease: the command runs elsewhere
        by now. True where nothing is lent. Raises ``BackendUnavailable`` if it cannot be asked.
        """
        lease = self._run.lease
        return lease is None or self.id in lease.queue.held(lease.owner, [self.id])


def current_message() -> CurrentMessage | None:
    """Answer the message that is being run here; None outside of a run, as in ``fn.call()``."""
    run = running.get()
    return None if run is None else CurrentMessage(run)


class WithCommand(logging.Filter):
    """A filter for a project's LOGGING that lets nothing out: it tells which command logged a record.

    Formatters then know ``command_id`` and ``command``, its name; both are ``-`` outside of a command.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add both to ``record``."""
        run = running.get()
        record.command_id = run.message.id if run else "-"
        record.command = run.message.command if run else "-"
        return True
