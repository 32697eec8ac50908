"""What a consumer logs when it starts."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence

from djutils import __version__
from djutils.queue.backends import load_backend
from djutils.queue.backends.base import LeasedQueue
from djutils.queue.bin import privileges
from djutils.queue.bin.options import Options
from djutils.queue.conf import settings
from djutils.queue.registry import registry
from djutils.queue.workers.channel import LeasedChannel, PopChannel
from djutils.queue.workers.options import ConsumerOptions

logger = logging.getLogger("djutils.queue.bin.consumer")


def has_leases() -> bool:
    """Return whether the project's backend runs interrupted commands again."""
    return issubclass(load_backend(settings.QUEUE_BACKEND), LeasedQueue)


def introduce(consumer: ConsumerOptions, options: Options, remarks: Sequence[str]) -> None:
    """Log what starts here, as which user, what the backend guarantees, and likely mistakes."""
    shown = ", ".join(f"{name}={value}" for name, value in vars(consumer).items() if name != "queues")
    level = options.log_level or logging.getLevelName(logger.getEffectiveLevel())
    logger.info("djutils %s, process %d: %s, log level %s", __version__, os.getpid(), shown, level)
    if os.geteuid() == 0 and options.user is None:
        logger.warning(privileges.WARNING)
    backend = load_backend(settings.QUEUE_BACKEND).__name__
    queues = ", ".join(consumer.queues)
    if has_leases():
        logger.info("Queues: %s; %s: %s.", queues, backend, LeasedChannel.guarantee)
    else:
        logger.warning("Queues: %s; %s: %s.", queues, backend, PopChannel.guarantee)
    names = [command.name for command in registry]
    logger.info("Commands (%d): %s", len(names), ", ".join(names) or "none")
    for remark in remarks:
        logger.warning("%s", remark)
