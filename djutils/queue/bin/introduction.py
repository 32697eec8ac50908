"""What a consumer logs when it starts."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from itertools import groupby

from djutils import __version__
from djutils.queue.backends import load_backend
from djutils.queue.backends.base import BaseQueue
from djutils.queue.bin import privileges
from djutils.queue.bin.options import Options
from djutils.queue.conf import settings
from djutils.queue.registry import registry
from djutils.queue.workers.options import ConsumerOptions

logger = logging.getLogger("djutils.queue.bin.consumer")


def have_leases(names: Sequence[str]) -> bool:
    """Return whether the backends of all these queues run interrupted commands again."""
    return all(_backend_of(name).supports_leases for name in names)


def _backend_of(name: str) -> type[BaseQueue]:
    return load_backend(settings.place_of(name)[0])


def _name_of_backend(name: str) -> str:
    return _backend_of(name).__name__


def introduce(consumer: ConsumerOptions, options: Options, remarks: Sequence[str]) -> None:
    """Log what starts here, as which user, what the backend guarantees, and likely mistakes."""
    left_out = {"queues", "weights"}
    shown = ", ".join(f"{name}={value}" for name, value in vars(consumer).items() if name not in left_out)
    level = options.log_level or logging.getLevelName(logger.getEffectiveLevel())
    logger.info("djutils %s, process %d: %s, log level %s", __version__, os.getpid(), shown, level)
    if os.geteuid() == 0 and options.user is None:
        logger.warning(privileges.WARNING)
    weights = dict(zip(consumer.queues, consumer.weights, strict=False))
    for backend, names in groupby(sorted(consumer.queues, key=_name_of_backend), _name_of_backend):
        queues = list(names)
        text = ", ".join(f"{name} (weight {weights[name]})" if weights else name for name in queues)
        log = logger.info if have_leases(queues) else logger.warning
        log("Queues: %s; %s: %s.", text, backend, _backend_of(queues[0]).guarantee)
    commands = [command.name for command in registry]
    logger.info("Commands (%d): %s", len(commands), ", ".join(commands) or "none")
    for remark in remarks:
        logger.warning("%s", remark)
