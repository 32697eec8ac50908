"""The queue, and everything that a ``commands.py`` needs: ``from djutils.queue import queue_command``.

Importing it reads no setting, loads no model of djutils and opens no connection.
"""

from __future__ import annotations

from django.conf import settings
from django.utils.module_loading import autodiscover_modules, import_string

from .cancelling import Cancellation
from .current import current_message
from .decorators import crontab, every, periodic_command, queue_command
from .exceptions import Drop, Postpone, Reject, Retry
from .middleware.base import Middleware
from .middleware.carry import CarryContext
from .progressing import progress, track
from .queue import PeriodicQueueCommand, QueueCommand, invoker
from .record import ResultStatus
from .results import Result
from .resuming import resume

__all__ = [
    "Cancellation",
    "CarryContext",
    "Drop",
    "Middleware",
    "PeriodicQueueCommand",
    "Postpone",
    "QueueCommand",
    "Reject",
    "Result",
    "ResultStatus",
    "Retry",
    "autodiscover",
    "crontab",
    "current_message",
    "every",
    "invoker",
    "periodic_command",
    "progress",
    "queue_command",
    "resume",
    "track",
]


def autodiscover() -> None:
    """Import every installed app's ``commands.py``, which fills the registry, and what our backend of ``django.tasks`` names.

    An app need not have one; an error inside one is raised unchanged.
    """
    autodiscover_modules("commands")
    for place in getattr(settings, "TASKS", {}).values():  # django.tasks
        # Only where they run on djutils: elsewhere a module of that name may be anything.
        if name := getattr(import_string(place["BACKEND"]), "modules_with_commands", ""):
            autodiscover_modules(name)
