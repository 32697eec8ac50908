"""The terminal in front of which a consumer runs, while there is one."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable


def watch() -> Callable[[], bool]:
    """Return a function that returns whether the terminal we have now has been closed.

    Without a terminal, or under ``nohup``, it never has.
    """
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN or not _is_there():
        return lambda: False
    return lambda: not _is_there()


def _is_there() -> bool:
    # Not isatty(): a redirected stream says nothing, and one of a terminal that hung up still is one.
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True
