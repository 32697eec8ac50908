"""Signals for events in the life of commands and worker processes.

The signals of a command are sent with ``sender`` = its class and ``message`` = its ``Message``.
Receivers run in the process where the event happens and must be quick; an exception in one is logged
and does not affect the command. In eager mode and in ``invoker.dequeue()`` the caller's
process takes the place of the worker.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from django.dispatch import Signal

logger = logging.getLogger("djutils.queue.signals")


class QueueSignal(Signal):
    """A signal of djutils: a failing receiver is logged once, in the consumer's own log."""

    def _log_robust_failure(self, receiver: Callable[..., Any], err: Exception) -> None:
        # Django would log it to a logger that most projects hide in production.
        logger.error("The signal receiver %r failed.", receiver, exc_info=err)


command_enqueued = QueueSignal()
"""Sent after the backend has accepted the message (inside the caller's transaction, if any); in eager mode before it runs."""

command_lost = QueueSignal()
"""Sent when a call could not be sent after the commit of its transaction; also has ``exception``.

The data are committed, so nothing is raised. ``message`` contains everything needed to send it again: see
``Invoker.resend()``. After a ``BackendUnavailable`` it may have been sent nevertheless."""

command_started = QueueSignal()
"""Sent in the worker, before the command runs."""

command_succeeded = QueueSignal()
"""Sent in the worker when the command has returned; also has ``duration`` in seconds and ``result``."""

command_retried = QueueSignal()
"""Sent in the worker when a run has failed and will be retried; also has ``exception`` and ``delay``."""

command_postponed = QueueSignal()
"""Sent in the worker when a command has asked to be run later; also has ``exception`` and ``delay``."""

command_dropped = QueueSignal()
"""Sent in the worker when a command, its ``discard_on`` or a middleware has found nothing to do; also has ``exception``."""

command_died = QueueSignal()
"""Sent in the worker when the message becomes a dead letter, or a command with ``at_most_once`` has failed; also has ``exception``.

In eager mode: when the run has failed. There is no dead letter then; the exception goes to the caller."""

worker_started = QueueSignal()
"""Sent in the main thread of each new worker process before its first command; also has ``queues``, their names.

A worker process is forked from one that has loaded the project, and threads do not survive a fork:
start anything that needs its own thread here. ``sender`` is None.
"""

worker_stopping = QueueSignal()
"""Sent in the same thread after the last command, before exit handlers run; not in a process that is killed."""
