"""Faults: each a function that breaks something in a field, and mends what would stay broken."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from tests.waiting import wait_until

from .driver import Field


def whole_consumer_killed(field: Field) -> None:
    """Supervisor, maintainer and workers at the same moment, as when the machine goes; then a new one."""
    field.consumer.kill_all()
    field.start_consumer()


def worker_killed(field: Field) -> None:
    """One of the worker processes, as when memory runs out."""
    workers = wait_until(field.consumer.workers, why=field.consumer.log)
    with suppress(ProcessLookupError):
        os.kill(field.random.choice(workers), signal.SIGKILL)


def server_killed(field: Field) -> None:
    """The backend's server, without a chance to save anything; then it comes up again by itself."""
    field.server.kill()
    field.pause(0.0, 1.0)
    field.server.start()
