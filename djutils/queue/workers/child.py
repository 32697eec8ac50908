"""How a forked process of the consumer ends: like any Python program, but never in its parent's code."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import weakref
from typing import Any, NoReturn

from .streams import flush_standard_streams

logger = logging.getLogger("djutils.queue.workers.child")


def leave_finalizers() -> None:
    """Leave it to the parent to remove what was created before the fork.

    A ``TemporaryDirectory`` created by the settings is removed when a process ends. The first
    worker process to end would remove it for all others.
    """
    inherited: Any = getattr(weakref.finalize, "_registry", ())
    for finalizer in list(inherited):
        finalizer.atexit = False


def leave(code: int, within: float) -> NoReturn:
    """End this process with ``code``: wait for its threads, run its exit handlers, flush its output.

    It does not wait for daemon threads. After ``within`` seconds the process ends in any case.
    """
    timer = threading.Timer(within, _give_up, (code, within))
    timer.daemon = True
    try:
        timer.start()
        _end_threads()
        _run_exit_handlers()
    except BaseException:  # an exit handler may raise anything, and this process must end
        logger.exception("An exit handler of process %d failed.", os.getpid())
    finally:
        flush_standard_streams()
        os._exit(code)


def _give_up(code: int, within: float) -> None:
    logger.warning(
        "Process %d ends now: its threads or exit handlers did not end within %.0f s.", os.getpid(), within
    )
    flush_standard_streams()
    os._exit(code)


# What the interpreter itself calls, in this order, when a program ends; multiprocessing does the same.
_end_threads: Any = threading._shutdown  # type: ignore[attr-defined]
_run_exit_handlers: Any = atexit._run_exitfuncs
