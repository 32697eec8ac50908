"""The terminal of a consumer that runs in the foreground, if there is one."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable


def watch() -> Callable[[], bool]:
    """Return a function that returns whether the current terminal has been closed.

    Without a terminal, or under ``nohup``, it always returns False.
    """
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN or not _is_there():
        return lambda: False
    return lambda: not _is_there()


def _is_there() -> bool:
    # Not isatty(): a redirected stream proves nothing, and a terminal that hung up still counts as one.
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True
