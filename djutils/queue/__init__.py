"""The queue, and everything that a ``commands.py`` needs: ``from djutils.queue import queue_command``.

Importing it reads no setting, loads no model of djutils and opens no connection.
"""

from __future__ import annotations

from django.utils.module_loading import autodiscover_modules

from .current import current_message
from .decorators import crontab, periodic_command, queue_command
from .exceptions import Drop, Postpone, Reject, Retry
from .middleware.base import Middleware
from .queue import PeriodicQueueCommand, QueueCommand, invoker

__all__ = [
    "Drop",
    "Middleware",
    "PeriodicQueueCommand",
    "Postpone",
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

    An app need not have one; an error inside one is raised unchanged.
    """
    autodiscover_modules("commands")
