"""The clock: enqueues each periodic command in the minutes it asks for."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.utils import timezone

from djutils.queue import codec
from djutils.queue.backends.base import BaseQueue, LeasedQueue
from djutils.queue.conf import settings
from djutils.queue.message import Envelope
from djutils.queue.queue import PeriodicQueueCommand
from djutils.queue.registry import registry

from .border import border

logger = logging.getLogger("djutils.queue.workers.clock")


class Clock:
    """Enqueues each periodic command of ``queues`` in the minutes it asks for."""

    def __init__(self, by_name: Mapping[str, BaseQueue]) -> None:
        self._queues = by_name
        # The minute we are in is looked at too: those who can tell enqueue it only once.
        self._last = _this_minute() - timedelta(minutes=1)
        self._pending: dict[type[PeriodicQueueCommand], datetime] = {}

    def seconds_left(self) -> float:
        """Answer the seconds until the next minute begins; below 0 when it has."""
        return (self._last + timedelta(minutes=1) - timezone.now()).total_seconds()

    def look(self) -> None:
        """Note what a new minute asks for; minutes slept through are not caught up.

        What could not be enqueued in its minute waits, once per command.
        """
        minute = _this_minute()
        if minute <= self._last:
            return
        self._last = minute
        for command_class in registry:
            if issubclass(command_class, PeriodicQueueCommand) and _asks(command_class, minute):
                self._pending[command_class] = minute

    def tick(self) -> None:
        """Enqueue what was asked for and is not yet enqueued, each once."""
        self.look()
        for command_class, minute in list(self._pending.items()):
            self._enqueue(command_class, minute)
            del self._pending[command_class]

    def _enqueue(self, command_class: type[PeriodicQueueCommand], minute: datetime) -> None:
        command = command_class()
        queue = self._queues.get(command.queue_name or settings.queue_name)
        if queue is None:
            return  # whoever empties that queue has a clock, too
        message = registry.get_message_for_command(command, queue.name)
        data = codec.encode(message)
        if isinstance(queue, LeasedQueue):
            key = f"{command.name} {minute.isoformat(timespec='minutes')}"
            sent = queue.send_once(key, Envelope(message.id, data, 0.0, message.priority))
        else:
            with border(queue):
                queue.write(data)
            sent = True
        if sent:
            logger.info("%s %s enqueued by the clock", message.id, message.command)


def _asks(command_class: type[PeriodicQueueCommand], minute: datetime) -> bool:
    moment = timezone.localtime(minute) if minute.tzinfo else minute
    try:
        return bool(command_class().validate_datetime(moment))
    except Exception:  # a user's function: one bad clock must not stop the others
        logger.exception("validate_datetime of %s failed.", command_class.name)
        return False


def _this_minute() -> datetime:
    return timezone.now().replace(second=0, microsecond=0)
