"""The queue, and all that a ``commands.py`` imports: ``from djutils.queue import queue_command``.

Importing it reads no setting, loads no model of djutils and connects to nothing.
"""

from __future__ import annotations

from django.utils.module_loading import autodiscover_modules

from .current import current_message
from .decorators import crontab, periodic_command, queue_command
from .exceptions import Reject, Retry
from .queue import PeriodicQueueCommand, QueueCommand, invoker

__all__ = [
    "PeriodicQueueCommand",
    "QueueCommand",
    "Reject",
    "Retry",
    "autodiscover",
    "crontab",
    "current_message",
    "invoker",
    "periodic_command",
    "queue_command",
]


def autodiscover() -> None:
    """Import every installed app's ``commands.py``, which fills the registry.

    An app without one is fine; an error inside one comes out as it is.
    """
    autodiscover_modules("commands")
