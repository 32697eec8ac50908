"""What happens to commands and to worker processes, for whoever listens.

The signals of a command are sent with ``sender`` = its class and ``message`` = its ``Message``.
Receivers run in the process where it happens and must be quick; an exception in one is logged
and changes nothing for the command. In eager mode and in ``invoker.dequeue()`` the caller's process takes
the place of the worker.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from django.dispatch import Signal

logger = logging.getLogger("djutils.queue.signals")


class QueueSignal(Signal):
    """A signal of djutils: a receiver that fails is logged once, where the consumer's own log shows it."""

    def _log_robust_failure(self, receiver: Callable[..., Any], err: Exception) -> None:
        # Django would log it where a project in production shows nothing.
        logger.error("The signal receiver %r failed.", receiver, exc_info=err)


command_enqueued = QueueSignal()
"""Sent after the backend has taken the message (inside the caller's transaction, if any); in eager mode before it runs."""

command_lost = QueueSignal()
"""Sent when a call was to be sent at the commit of a transaction and the queue did not take it; also ``exception``.

The data are committed, so nothing is raised. ``message`` is all that is needed to send it again: see
``Invoker.resend()``. After a ``BackendUnavailable`` it may have been sent after all."""

command_started = QueueSignal()
"""Sent in the worker, before the command runs."""

command_succeeded = QueueSignal()
"""Sent in the worker when the command returned; also ``duration`` in seconds and ``result``."""

command_retried = QueueSignal()
"""Sent in the worker when a run failed and another will follow; also ``exception``, ``delay``."""

command_died = QueueSignal()
"""Sent in the worker when the message becomes a dead letter; also ``exception``.

In eager mode: when the run failed. There is no dead letter then; the caller is given the exception."""

worker_started = QueueSignal()
"""Sent in the main thread of each new worker process before its first command; also ``queues``, their names.

A worker process is forked from one that has loaded the project, and threads do not survive a fork:
start here what needs a thread of its own. ``sender`` is None.
"""

worker_stopping = QueueSignal()
"""Sent there after the last command, before exit handlers run; not in a process that is killed."""
